import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { create } from '@bufbuild/protobuf';
import {
  FieldDescriptorProto_Label,
  FieldDescriptorProto_Type,
  OneofDescriptorProtoSchema,
} from '@bufbuild/protobuf/wkt';
import { describe, expect, it, onTestFinished } from 'vitest';
import {
  anyKind,
  type Bot,
  type BotOptions,
  connectBot,
  defineKind,
  fileStore,
  genericKind,
  maxRevisionBytes,
  maxRevisions,
  shopKind,
  type Task,
  withFields,
} from '../../bots/sdk/index.ts';
import {
  NackReason,
  Outcome,
  type Revision,
  RevisionStatus,
  type SchemaRef,
  Verdict,
} from '../../src/gen/fleet/v1/fleet.ts';
import { ShopProgress, ShopTask } from '../../src/gen/kinds/shop/v1/shop.ts';
import { kinds } from '../../src/gen/kinds.ts';
import { digestOf, edited, giftNotes, inspect, read, written } from '../support/revisions.ts';
import { type ScriptedHub, type ScriptedSession, startScriptedHub } from '../support/scripted-hub.ts';
import { emptyTask, gate, hubAndBot, nothingPicked, quick, reached, type ShopHandler, schema } from './robot.ts';

const noSet = Buffer.from('no descriptor set');
const garbage: Revision = {
  ...giftNotes(),
  schema: { kind: 'shop', revision: 2, digest: digestOf(noSet) },
  fileDescriptorSet: noSet,
};
const { RECEIVED, VALIDATED, APPLIED, REJECTED } = RevisionStatus;
const idle: ShopHandler = async () => nothingPicked;

async function startHub(): Promise<ScriptedHub> {
  const hub = await startScriptedHub();
  onTestFinished(() => hub[Symbol.asyncDispose]());
  return hub;
}

/** A bot of one hub, for tests that start several of them one after the other. */
function start(hub: ScriptedHub, options: Partial<BotOptions>): Bot {
  const bot = connectBot({
    hub: hub.address,
    botId: 'bot-1',
    kinds: [shopKind.serve(idle)],
    reconnect: quick,
    ...options,
  });
  onTestFinished(() => bot.kill());
  return bot;
}

async function welcomed(hub: ScriptedHub) {
  const session = await hub.nextSession();
  // Nothing is acknowledged here.
  const { body: hello } = await session.welcome({ maxUnacknowledged: 1_000 });
  return { session, hello };
}

const offer = (session: ScriptedSession, add: Revision[], remove: string[] = []) =>
  session.send({ $case: 'protocolOffer', value: { add, remove, retired: [] } });

/** The last word on the next revision. */
async function verdict(session: ScriptedSession) {
  for (;;) {
    const { body } = await session.next('protocolStatus');
    if (body.status === APPLIED || body.status === REJECTED) return body;
  }
}

async function teach(session: ScriptedSession, revision: Revision): Promise<void> {
  offer(session, [revision]);
  const { status, reason } = await verdict(session);
  if (status !== APPLIED) throw new Error(reason);
}

const taskOf = (revision: Revision, taskId: string, json: Parameters<typeof written>[2]) => ({
  taskId,
  orderId: 'order-1',
  schema: revision.schema as SchemaRef,
  payload: written(revision, 'taskMessage', json),
});

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

describe('a revision is rejected, with the reason, when', () => {
  const two = giftNotes();
  const retyped = edited('shop', 2, (message) => {
    message('Stop').field[0]!.type = FieldDescriptorProto_Type.BYTES;
  });
  const listed = edited('shop', 2, (message) => {
    message('LineOutcome').field[1]!.label = FieldDescriptorProto_Label.REPEATED;
  });
  const movedIn = edited('shop', 2, (message) => {
    message('ItemPicked').oneofDecl.push(create(OneofDescriptorProtoSchema, { name: 'what' }));
    message('ItemPicked').field[3]!.oneofIndex = 0;
    message('ItemPicked').field[3]!.proto3Optional = false;
  });
  const unimported = edited('shop', 2, (_, file) => {
    file.dependency.push('google/protobuf/timestamp.proto');
  });
  const huge = { ...two, fileDescriptorSet: Buffer.alloc(maxRevisionBytes + 1) };
  it.each<[string, Revision, string]>([
    [
      'its digest is not that of the set',
      { ...two, schema: { ...two.schema!, digest: 'sha256:00' } },
      'digest is "sha256:00", but',
    ],
    ['it names no schema', { ...two, schema: undefined }, 'kind "" is not served'],
    ['the set is no descriptor set', garbage, 'file_descriptor_set is not a FileDescriptorSet'],
    ['the set lacks an import', unimported, 'file_descriptor_set is not a FileDescriptorSet with all its imports'],
    [
      'the set lacks a message',
      { ...two, resultMessage: 'kinds.shop.v1.Nope' },
      'result_message is "kinds.shop.v1.Nope"',
    ],
    ['the set is too large', huge, `has ${maxRevisionBytes + 1} bytes, this bot takes ${maxRevisionBytes}`],
    ['the bot does not serve the kind', inspect(), 'kind "inspect" is not served by this bot'],
    [
      'a field has another type',
      retyped,
      'field 1 (store_id) of kinds.shop.v1.Stop is bytes; the handler was generated for string',
    ],
    ['a field is a list', listed, 'field 2 (picked) of kinds.shop.v1.LineOutcome is a list of uint32'],
    ['a field has moved into a oneof', movedIn, 'field 4 (quantity) of kinds.shop.v1.ItemPicked is in oneof what'],
  ])('%s', async (_, revision, reason) => {
    const { hub, bot } = await hubAndBot(idle);
    const { session } = await welcomed(hub);
    offer(session, [revision]);
    const said = await verdict(session);
    expect(said.status).toBe(REJECTED);
    expect(said.reason).toContain(reason);
    expect([...bot.revisions.keys()]).toEqual(['shop']);
    expect(bot.revisions.get('shop')).toEqual([schema.digest]);
  });

  it('the bot does not want it, while it takes another kind that is offered with it', async () => {
    const { hub, bot } = await hubAndBot(idle, {
      kinds: [shopKind.serve(idle), genericKind('inspect').serve(async () => ({}))],
      accept: ({ kind, revision }) => kind !== 'shop' || `no ${kind} ${revision} in this shift`,
    });
    const { session } = await welcomed(hub);
    offer(session, [two, inspect()]);
    expect(await verdict(session)).toMatchObject({
      schema: two.schema,
      status: REJECTED,
      reason: 'no shop 2 in this shift',
    });
    expect(await verdict(session)).toMatchObject({ schema: inspect().schema, status: APPLIED });
    session.offer(taskOf(two, 't', {}));
    const reply = await session.next('offerReply');
    expect(reply.body).toMatchObject({ accepted: false, refusal: NackReason.UNKNOWN_SCHEMA });
    expect(bot.revisions.get('inspect')).toEqual([inspect().schema!.digest]);
  });

  it('the handler was defined without its descriptors', async () => {
    const { kind, revision, digest, task, progress, result } = shopKind;
    const bare = defineKind({ kind, revision, digest, task, progress, result });
    const { hub } = await hubAndBot(idle, { kinds: [bare.serve(idle)] });
    const { session } = await welcomed(hub);
    offer(session, [two]);
    expect((await verdict(session)).reason).toContain('defined without its descriptors');
  });

  it('the bot has as many as it keeps', async () => {
    const { hub } = await hubAndBot(idle, { kinds: [anyKind.serve(async () => ({}))] });
    const { session } = await welcomed(hub);
    const many = Array.from({ length: maxRevisions + 1 }, (_, index) => inspect(1, `Shelf${index}`));
    offer(session, many);
    for (const revision of many.slice(0, -1)) {
      expect(await verdict(session)).toMatchObject({ schema: revision.schema, status: APPLIED });
    }
    const last = await verdict(session);
    expect(last).toMatchObject({ schema: many.at(-1)!.schema, status: REJECTED });
    expect(last.reason).toContain(`keeps ${maxRevisions} revisions`);
  });
});

describe('a revision that the hub takes back', () => {
  it('stays for the task that is pinned to it, and goes with that', async () => {
    const done = gate();
    const { hub, bot } = await hubAndBot(async () => {
      await done.promise;
      return nothingPicked;
    });
    const { session } = await welcomed(hub);
    const two = giftNotes();
    await teach(session, two);
    await session.assign(taskOf(two, 't', {}));
    offer(session, [], [two.schema!.digest]);
    done.resolve();
    const { body, seq } = await session.next('result');
    expect(body).toMatchObject({ outcome: Outcome.SUCCEEDED, schema: two.schema });
    session.ack(seq);
    session.offer(taskOf(two, 'late', {}));
    const { body: reply } = await session.next('offerReply');
    expect(reply).toMatchObject({ taskId: 'late', accepted: false, refusal: NackReason.UNKNOWN_SCHEMA });
    expect(bot.revisions).toEqual(new Map([['shop', [schema.digest]]]));
  });

  it('is the built-in one: the bot says so no more, stays, and is taught a newer one', async () => {
    const { hub, bot } = await hubAndBot(idle);
    const { session } = await welcomed(hub);
    const heard = Promise.withResolvers<string>();
    bot.on('retired', ({ kind, message }) => heard.resolve(`${kind}: ${message}`));
    const retired = [{ kind: 'shop', message: 'revision 2 is in use' }];
    session.send({ $case: 'protocolOffer', value: { add: [], remove: [schema.digest], retired } });
    expect(await heard.promise).toBe('shop: revision 2 is in use');
    expect(bot.revisions).toEqual(new Map([['shop', []]]));
    const two = giftNotes();
    await teach(session, two);
    expect(bot.revisions).toEqual(new Map([['shop', [two.schema!.digest]]]));
    await session.assign(taskOf(two, 't', {}));
    await session.next('result');
  });
});

describe('over the end of its process a bot with a store', () => {
  const newStore = (): string => {
    const directory = mkdtempSync(join(tmpdir(), 'bot-'));
    onTestFinished(() => rmSync(directory, { recursive: true }));
    return join(directory, 'bot.log');
  };

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
