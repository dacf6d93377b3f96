import { describe, expect, it } from 'vitest';
import {
  anyKind,
  type BotOptions,
  defineKind,
  fileStore,
  shopKind,
  type Task,
  withFields,
} from '../../bots/sdk/index.ts';
import { NackReason, Outcome, RevisionStatus, Verdict } from '../../src/gen/fleet/v1/fleet.ts';
import { ShopProgress, ShopTask } from '../../src/gen/kinds/shop/v1/shop.ts';
import { kinds } from '../../src/gen/kinds.ts';
import { giftNotes, inspect, read } from '../support/revisions.ts';
import { emptyTask, gate, hubAndBot, nothingPicked, reached, schema } from './robot.ts';
import { idle, newStore, offer, start, startHub, taskOf, teach, welcomed } from './teaching.ts';

const { RECEIVED, VALIDATED, APPLIED } = RevisionStatus;

const stops = [{ storeId: 's', items: [{ lineId: 'l', name: 'Tea', quantity: 2, giftNote: 'for Ada' }] }];

describe('a revision that the handler was not generated for', () => {
  it('is received, validated, applied, and held in the next hello', async () => {
    const { hub, bot } = await hubAndBot(idle);
    const { session, hello } = await welcomed(hub);
    expect(hello).toMatchObject({ kinds: [{ kind: 'shop', digests: [schema.digest] }], anyKind: false });
    const two = giftNotes();
    const told: RevisionStatus[] = [];
    bot.on('revision', ({ status }) => told.push(status));
    offer(session, [two]);
    const said = await session.next('protocolStatus');
    expect(said.body).toMatchObject({ schema: two.schema, status: APPLIED, reason: '' });
    expect(said.seq).toBeGreaterThan(0);
    expect(told).toEqual([RECEIVED, VALIDATED, APPLIED]);
    expect(bot.revisions).toEqual(new Map([['shop', [schema.digest, two.schema!.digest]]]));
    bot.cut();
    const again = await welcomed(hub);
    expect(again.hello.kinds).toMatchObject([{ kind: 'shop', digests: [schema.digest, two.schema!.digest] }]);
  });

  it('is said to be received while it waits for those that were offered with it', async () => {
    const { hub } = await hubAndBot(idle, { kinds: [anyKind.serve(async () => ({}))] });
    const { session } = await welcomed(hub);
    const [one, two, three] = ['Shelf', 'Wall', 'Door'].map((name) => inspect(1, name));
    offer(session, [one!, two!, three!]);
    const said: Array<[string | undefined, RevisionStatus]> = [];
    for (let count = 0; count < 5; count += 1) {
      const { body } = await session.next('protocolStatus');
      said.push([body.schema?.digest, body.status]);
    }
    const digests = [one, two, three].map((revision) => revision!.schema!.digest);
    expect(said).toEqual([
      [digests[0], APPLIED],
      [digests[1], RECEIVED],
      [digests[2], RECEIVED],
      [digests[1], APPLIED],
      [digests[2], APPLIED],
    ]);
  });

  it('comes to the handler in its own types, and by name what those do not have', async () => {
    const seen = Promise.withResolvers<Task<ShopTask, ShopProgress>>();
    const { hub } = await hubAndBot(async (task) => {
      seen.resolve(task);
      return nothingPicked;
    });
    const { session } = await welcomed(hub);
    const two = giftNotes();
    await teach(session, two);
    await session.assign(taskOf(two, 't', { orderId: 'order-1', giftNote: 'all wrapped', stops }));
    const task = await seen.promise;
    expect(task.payload).toMatchObject({ orderId: 'order-1', stops: [{ items: [{ name: 'Tea', quantity: 2 }] }] });
    expect(task.schema).toEqual(two.schema);
    expect(task.field('gift_note')).toBe('all wrapped');
    expect(task.field('stops[0].items[0].gift_note')).toBe('for Ada');
    expect(task.field('stops.0.items.0.giftNote')).toBe('for Ada');
    expect(task.field('stops[0].items')).toMatchObject([{ giftNote: 'for Ada', sku: '' }]);
    expect(task.field('stops[7].items[0].gift_note')).toBeUndefined();
    expect(task.field('shelf')).toBeUndefined();
    expect(task.field('constructor')).toBeUndefined();
    expect(task.json()).toMatchObject({ giftNote: 'all wrapped', stops: [{ items: [{ giftNote: 'for Ada' }] }] });
  });

  it('is what reports are written in, with fields that the handler adds', async () => {
    const { hub } = await hubAndBot(async (task) => {
      const value = { lineId: 'l', productId: 'p', storeId: 's', quantity: 2 };
      const giftNote = task.field('stops[0].items[0].gift_note') ?? '';
      await task.progress(withFields({ step: { $case: 'itemPicked', value } }, { itemPicked: { giftNote }, other: 1 }));
      await expect(
        task.progress(withFields({ step: { $case: 'itemPicked', value } }, { itemPicked: { giftNote: 5 } })),
      ).rejects.toThrow(/progress of kind "shop" revision 2 .*ItemPicked.gift_note .*got 5/);
      return withFields({ lines: [{ lineId: 'l', picked: 2, short: 0 }], walkedMetres: 3 }, { notesRead: 1 });
    });
    const { session } = await welcomed(hub);
    const two = giftNotes();
    await teach(session, two);
    await session.assign(taskOf(two, 't', { orderId: 'o', stops }));
    const { body: report } = await session.next('progress');
    expect(report.schema).toMatchObject(two.schema!);
    expect(read(two, 'progressMessage', report.payload)).toEqual({
      itemPicked: { lineId: 'l', productId: 'p', storeId: 's', quantity: 2, giftNote: 'for Ada' },
    });
    const { body: result } = await session.next('result');
    expect(result).toMatchObject({ outcome: Outcome.SUCCEEDED, schema: two.schema });
    expect(read(two, 'resultMessage', result.payload)).toEqual({
      lines: [{ lineId: 'l', picked: 2 }],
      walkedMetres: 3,
      notesRead: 1,
    });
  });

  it('loses nothing on its way through a handler that does not know of it', async () => {
    const names = { ...kinds.shop, resultMessage: kinds.shop.taskMessage };
    const echo = defineKind<ShopTask, ShopProgress, ShopTask>({
      ...names,
      task: ShopTask,
      progress: ShopProgress,
      result: ShopTask,
    });
    const answer = async ({ payload }: Task<ShopTask, ShopProgress>) => ({
      ...payload,
      stops: payload.stops.map((stop) => ({ ...stop, storeName: 'seen' })),
    });
    const { hub } = await hubAndBot(idle, { kinds: [echo.serve(answer)] });
    const { session } = await welcomed(hub);
    const two = { ...giftNotes(), resultMessage: kinds.shop.taskMessage };
    await teach(session, two);
    await session.assign(taskOf(two, 't', { orderId: 'o', giftNote: 'all wrapped', stops }));
    const { body } = await session.next('result');
    expect(read(two, 'resultMessage', body.payload)).toEqual({
      orderId: 'o',
      giftNote: 'all wrapped',
      stops: [{ ...stops[0], storeName: 'seen' }],
    });
  });

  it('is declined at once while the bot does not have it, whatever the hub believes, and done when it has', async () => {
    const done = gate();
    const { hub, bot } = await hubAndBot(async () => {
      await done.promise;
      return nothingPicked;
    });
    const { session } = await welcomed(hub);
    await session.assign({ ...emptyTask, taskId: 'under way' });
    const two = giftNotes();
    const task = taskOf(two, 't', { orderId: 'o', stops });
    for (const fence of [1, 2]) {
      session.offer({ ...task, fence });
      const { body } = await session.next('offerReply');
      // Its one credit is in use too, which would be no news about the revision.
      expect(body).toMatchObject({ taskId: 't', fence, accepted: false, refusal: NackReason.UNKNOWN_SCHEMA });
      expect(body.reason).toBe(`digest "${two.schema!.digest}" is not applied on this bot`);
    }
    expect(bot.state.at).toBe('ready');
    expect(bot.revisions).toEqual(new Map([['shop', [schema.digest]]]));
    done.resolve();
    session.ack((await session.next('result')).seq);
    await teach(session, two);
    await session.assign({ ...task, fence: 3 });
    expect((await session.next('result')).body).toMatchObject({ outcome: Outcome.SUCCEEDED, schema: two.schema });
  });

  it('is not needed to ask the built-in one by name, nor for fields that it does not have', async () => {
    const seen = Promise.withResolvers<unknown>();
    const { hub } = await hubAndBot(async (task) => {
      seen.resolve([task.field('order_id'), task.field('gift_note')]);
      return withFields(nothingPicked, { notesRead: 1 });
    });
    const { session } = await welcomed(hub);
    await session.assign({ ...emptyTask, taskId: 't' });
    expect(await seen.promise).toEqual(['order-1', undefined]);
    const { body } = await session.next('result');
    expect(body).toMatchObject({ outcome: Outcome.SUCCEEDED, schema });
  });
});

describe('over the end of its process a bot with a store', () => {
  it('speaks what it had applied, and goes on with a task of it', async () => {
    const file = newStore();
    const hub = await startHub();
    const working = gate();
    const two = giftNotes();
    const before = start(hub, {
      store: fileStore(file),
      kinds: [
        shopKind.serve(async (task) => {
          await task.progress(withFields(reached(0), {}));
          working.resolve();
          return new Promise(() => {});
        }),
      ],
    });
    const first = await welcomed(hub);
    await teach(first.session, two);
    await first.session.assign(taskOf(two, 't', { orderId: 'o', giftNote: 'all wrapped' }));
    await working.promise;
    await before.kill();

    const seen = Promise.withResolvers<unknown>();
    start(hub, {
      store: fileStore(file),
      kinds: [
        shopKind.serve(async (task) => {
          seen.resolve([task.field('gift_note'), task.resumedFrom]);
          return nothingPicked;
        }),
      ],
    });
    const session = await hub.nextSession();
    const { body: hello } = await session.welcome({
      verdicts: [{ taskId: 't', fence: 1, verdict: Verdict.CONTINUE }],
    });
    expect(hello.kinds).toMatchObject([{ kind: 'shop', digests: [schema.digest, two.schema!.digest] }]);
    expect(await seen.promise).toMatchObject(['all wrapped', [reached(0)]]);
  });

  it('that it was taught what its next program has built in says so once', async () => {
    const file = newStore();
    const hub = await startHub();
    const two = giftNotes();
    const before = start(hub, { store: fileStore(file) });
    await teach((await welcomed(hub)).session, two);
    await before.kill();
    const { fileDescriptorSet } = two;
    const next = defineKind({ ...shopKind, ...two.schema!, fileDescriptorSet: fileDescriptorSet.toString('base64') });
    start(hub, { store: fileStore(file), kinds: [next.serve(idle)] });
    expect((await welcomed(hub)).hello.kinds).toMatchObject([{ kind: 'shop', digests: [two.schema!.digest] }]);
  });

  it.each<[string, Partial<BotOptions>]>([
    ['does not want', { accept: () => 'not any more' }],
    ['cannot read', { kinds: [anyKind.serve(async () => ({}))].slice(1) }],
  ])('forgets what the program that it is now %s', async (_, options) => {
    const file = newStore();
    const hub = await startHub();
    const before = start(hub, { store: fileStore(file) });
    const first = await welcomed(hub);
    await teach(first.session, giftNotes());
    await before.kill();
    const other = start(hub, { store: fileStore(file), ...options });
    const { hello } = await welcomed(hub);
    expect(hello.kinds.flatMap(({ digests }) => digests)).not.toContain(giftNotes().schema!.digest);
    await other.kill();
    start(hub, { store: fileStore(file) });
    expect((await welcomed(hub)).hello.kinds).toMatchObject([{ kind: 'shop', digests: [schema.digest] }]);
  });
});
