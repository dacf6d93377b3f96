import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { anyKind, type Bot, connectBot, shopKind, withFields } from '../../../bots/sdk/index.ts';
import { payloadReader } from '../../../src/contract/describe-payload.ts';
import type { Received } from '../../../src/contract/message.ts';
import { type Revision, RevisionStatus, type SchemaRef } from '../../../src/gen/fleet/v1/fleet.ts';
import { kinds } from '../../../src/gen/kinds.ts';
import { RegistryService } from '../../../src/gen/protocol/v1/protocol.ts';
import { connectClient } from '../../../src/rpc/client.ts';
import { checkDeadlineMs, giftNotes, inspect, written } from '../../support/revisions.ts';
import { type Fleet, startFleet } from '../fleet.ts';

const patient = { timeout: 20_000, interval: 20 };
let fleet: Fleet;
let client: ReturnType<typeof connectClient<RegistryService>>;
let bot: Bot;
let wary: Bot;

/** Written for revision 1 of `shop`, and for no other kind. */
const program = {
  kinds: [
    shopKind.serve(async (task) => {
      const value = { lineId: 'l', productId: 'p', storeId: 's', quantity: 2 };
      const giftNote = task.field('stops[0].items[0].gift_note');
      const picked = { step: { $case: 'itemPicked', value } } as const;
      await task.progress(giftNote === undefined ? picked : withFields(picked, { itemPicked: { giftNote } }));
      return { lines: [{ lineId: 'l', picked: 2, short: 0 }], walkedMetres: 1 };
    }),
    anyKind.serve(async (task) => {
      await task.progress({ seen: `shelf ${task.payload.shelf}` });
      return { isTidy: true };
    }),
  ],
};

beforeAll(async () => {
  fleet = await startFleet();
  client = connectClient(RegistryService, fleet.hub.address, fleet.telemetry);
  bot = connectBot({ hub: fleet.hub.address, botId: 'open', tracer: fleet.telemetry.tracer, ...program });
  wary = connectBot({
    ...{ hub: fleet.hub.address, botId: 'wary', tracer: fleet.telemetry.tracer, ...program },
    accept: ({ kind }) => kind === 'shop' || `no ${kind} for this bot`,
  });
  await Promise.all([bot.ready(), wary.ready()]);
});
afterAll(async () => {
  await Promise.all([bot.kill(), wary.kill()]);
  client.close();
  await fleet[Symbol.asyncDispose]();
});

const by = 'tester';
async function publish(kind: string, { fileDescriptorSet }: Revision): Promise<SchemaRef> {
  const asked = { kind, fileDescriptorSet, sources: [], by, reason: '', draft: false };
  const { revision, violations } = await client.api.publish(asked, { deadlineMs: checkDeadlineMs });
  expect(violations).toEqual([]);
  const schema = { kind, revision: revision!.revision, digest: revision!.digest };
  await change('activate', schema);
  return schema;
}
async function change(what: 'activate' | 'rollback', { kind, digest }: SchemaRef) {
  const basedOn = (await client.api.list({ kind })).kinds[0]!.version;
  await client.api[what]({ digest, basedOn, by, reason: '' });
}
const speaks = (who: Bot, { kind, digest }: SchemaRef) =>
  expect.poll(() => who.revisions.get(kind)?.includes(digest) ?? false, patient);
const standing = async ({ kind, digest }: SchemaRef) =>
  (await client.api.getStatus({ kind })).kinds[0]!.revisions.find((each) => each.revision!.digest === digest)!;
const setOf = async ({ digest }: SchemaRef) =>
  (await client.api.get({ digest, kind: '', revision: 0 })).fileDescriptorSet;

/** The original of the event, by the names of the registry. */
async function named(event: Received, schema: SchemaRef, message: string) {
  const { original } = event.body as { original?: { schema?: SchemaRef; payload: Uint8Array } };
  expect(original?.schema).toMatchObject(schema);
  return payloadReader(await setOf(schema)).read(message, original!.payload);
}
const sameItem = { lineId: 'l', productId: 'p', storeId: 's', quantity: 2 };
/** What the bot's own span in the order's trace says it reported: digest and fields by name. */
const shownOf = (orderId: string) =>
  fleet.telemetry
    .spans()
    .filter(({ attributes }) => attributes['mallbots.order_id'] === orderId)
    .flatMap(({ events }) => events)
    .flatMap(({ name, attributes = {} }) => {
      const report = attributes['mallbots.report'];
      return report === undefined ? [] : [[name, attributes['mallbots.schema_digest'], JSON.parse(String(report))]];
    });
const ended = (orderId: string) =>
  fleet.until(orderId, (all) => all.find(({ name }) => name === 'bots.task_succeeded'));
const said = (orderId: string, name: Received['name']) => fleet.said(orderId).find((event) => event.name === name)!;

const two = giftNotes();
const items = [{ lineId: 'l', productId: 'p', name: 'Tea', quantity: 2, giftNote: 'for Ada' }];
const payload = written(two, 'taskMessage', { orderId: 'o', stops: [{ storeId: 's', items }] });

describe('bots of a program that is never restarted', () => {
  let shop: SchemaRef;

  it('take a field of a newer revision down, and bring it up to whoever reads the event', async () => {
    shop = await publish('shop', two);
    await speaks(bot, shop).toBe(true);
    await speaks(wary, shop).toBe(true);
    // What they said has reached the hub.
    await expect
      .poll(async () => (await standing(shop)).bots, patient)
      .toMatchObject([{ status: RevisionStatus.APPLIED, bots: 2 }]);
    const { orderId } = await fleet.request({ schema: shop, payload });
    await ended(orderId);
    const picked = said(orderId, 'bots.item_picked');
    expect(picked.body).toMatchObject({ lineId: 'l', quantity: 2 });
    expect(await named(picked, shop, kinds.shop.progressMessage)).toMatchObject({
      itemPicked: { lineId: 'l', giftNote: 'for Ada' },
    });
    expect(shownOf(orderId)).toEqual([
      ['progress', shop.digest, { itemPicked: { ...sameItem, giftNote: 'for Ada' } }],
      ['result', shop.digest, { lines: [{ lineId: 'l', picked: 2 }], walkedMetres: 1 }],
    ]);
  });

  it('do a kind that did not exist when they started, but for the one that does not want to', async () => {
    const schema = await publish('inspect', inspect());
    await speaks(bot, schema).toBe(true);
    await expect
      .poll(async () => (await standing(schema)).rejections, patient)
      .toMatchObject([{ reason: 'no inspect for this bot', bots: 1 }]);
    const asked = { schema, payload: written(inspect(), 'taskMessage', { shelf: 'A7' }) };
    const orders = await Promise.all([fleet.request(asked), fleet.request(asked)]);
    for (const { orderId } of orders) {
      const done = await ended(orderId);
      expect(done.body).toMatchObject({ task: { botId: 'open', kind: 'inspect' } });
      expect(await named(done, schema, 'kinds.inspect.v1.InspectResult')).toEqual({ isTidy: true, findings: [] });
      const step = said(orderId, 'bots.task_progressed');
      expect(await named(step, schema, 'kinds.inspect.v1.InspectProgress')).toEqual({ seen: 'shelf A7', metres: 0 });
      expect(shownOf(orderId)).toEqual([
        ['progress', schema.digest, { seen: 'shelf A7' }],
        ['result', schema.digest, { isTidy: true }],
      ]);
    }
  });

  it('speak as before after a rollback', async () => {
    await change('rollback', shop);
    await speaks(bot, shop).toBe(false);
    await speaks(wary, shop).toBe(false);
    const { orderId } = await fleet.request();
    await ended(orderId);
    const before = { kind: 'shop', revision: 1, digest: kinds.shop.digest };
    const step = await named(said(orderId, 'bots.item_picked'), before, kinds.shop.progressMessage);
    expect(step).toEqual({ itemPicked: sameItem });
    expect(shownOf(orderId)[0]).toEqual(['progress', kinds.shop.digest, { itemPicked: sameItem }]);
    for (const each of [bot, wary]) expect(each.state).toMatchObject({ at: 'ready', epoch: 1 });
  });
});
