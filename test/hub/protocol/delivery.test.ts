import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { newId } from '../../../src/contract/ids.ts';
import { type ProtocolOffer, RevisionStatus, type SchemaRef } from '../../../src/gen/fleet/v1/fleet.ts';
import { kinds } from '../../../src/gen/kinds.ts';
import { RegistryService } from '../../../src/gen/protocol/v1/protocol.ts';
import type { Role } from '../../../src/role/role.ts';
import { connectClient } from '../../../src/rpc/client.ts';
import { checkDeadlineMs } from '../../support/revisions.ts';
import { type Fleet, startFleet } from '../fleet.ts';
import { picked, type RawBot, shopSchema } from '../raw-bot.ts';
import { descriptorsOf, shopRevision } from './shop-revision.ts';

let fleet: Fleet;
let second: Role;
let client: ReturnType<typeof connectClient<RegistryService>>;
beforeAll(async () => {
  fleet = await startFleet();
  second = await fleet.addHub();
  client = connectClient(RegistryService, fleet.hub.address, fleet.telemetry);
});
afterAll(async () => {
  client.close();
  await fleet[Symbol.asyncDispose]();
});

const by = 'tester';
async function publish(kind: string, fileDescriptorSet: Buffer): Promise<SchemaRef> {
  const { revision, violations } = await client.api.publish(
    { kind, fileDescriptorSet, sources: [], by, reason: '', draft: false },
    { deadlineMs: checkDeadlineMs },
  );
  expect(violations).toEqual([]);
  return { kind, revision: revision!.revision, digest: revision!.digest };
}
async function change(what: 'activate' | 'deprecate' | 'retire' | 'rollback', { kind, digest }: SchemaRef) {
  const basedOn = (await client.api.list({ kind })).kinds[0]!.version;
  return client.api[what]({ digest, basedOn, by, reason: '' });
}
const digestsOf = (offer: ProtocolOffer) => offer.add.map(({ schema }) => schema!.digest);
const answer = (bot: RawBot, schema: SchemaRef, status: RevisionStatus, reason = '') =>
  bot.send({ $case: 'protocolStatus', value: { schema, status, reason } });
/** Takes an offer and reports it as done. */
async function finish(bot: RawBot, { taskId, fence }: { taskId: string; fence: number }, schema: SchemaRef) {
  bot.reply({ taskId, fence }, true);
  await bot.next('lease');
  await bot.acknowledged(bot.result({ taskId, fence }, { outcome: 1, schema }));
}
const standing = async ({ kind, digest }: SchemaRef) =>
  (await client.api.getStatus({ kind })).kinds[0]!.revisions.find((each) => each.revision!.digest === digest)!;

const inspect = `syntax = "proto3";
package kinds.inspect.v1;
message InspectTask { string shelf = 1; }
message InspectProgress { uint32 percent = 1; }
message InspectResult { bool tidy = 1; }
`;

describe('a revision that becomes ACTIVE', () => {
  let shop: SchemaRef;
  let here: RawBot;
  let there: RawBot;
  const orders = new Map<string, string>();

  it('is delivered over the open streams of all hubs, and offered to those alone that have applied it', async () => {
    here = fleet.bot({ botId: 'here' });
    there = fleet.bot({ botId: 'there' }, second);
    await Promise.all([here.welcomed(), there.welcomed()]);
    shop = await publish('shop', await descriptorsOf(shopRevision(2)));
    await change('activate', shop);
    for (const bot of [here, there]) expect(digestsOf((await bot.next('protocolOffer')).value)).toEqual([shop.digest]);
    await here.acknowledged(answer(here, shop, RevisionStatus.APPLIED));
    const spoken = async (botId: string) => (await fleet.admin.getBot({ botId })).speaks;
    await expect.poll(() => spoken('here')).toMatchObject([shopSchema, shop]);
    expect(await spoken('there')).toMatchObject([shopSchema]);
    const both = [await fleet.request(), await fleet.request()];
    for (const { taskId, orderId } of both) orders.set(taskId, orderId);
    const offers = [(await here.next('offer')).value, (await there.next('offer')).value];
    expect(offers.map(({ schema }) => schema)).toMatchObject([shop, shopSchema]);
    expect(offers.map(({ taskId }) => taskId).sort()).toEqual(both.map(({ taskId }) => taskId).sort());
  });

  it('is what reports and results are in, as they were written, and nothing else counts', async () => {
    const offer = here.frames.find(({ body }) => body?.$case === 'offer')!.body as {
      value: { taskId: string; fence: number };
    };
    const { taskId, fence } = offer.value;
    here.reply({ taskId, fence }, true);
    await here.next('lease');
    here.progress({ taskId, fence }, picked());
    expect((await here.next('nack')).value).toMatchObject({ message: expect.stringContaining(shop.digest) });
    here.result({ taskId, fence }, { outcome: 1, schema: shop });
    const said = await fleet.until(orders.get(taskId)!, (all) =>
      all.find(({ name }) => name === 'bots.task_succeeded'),
    );
    expect(said.body).toMatchObject({ original: { schema: shop } });
    const other = there.frames.find(({ body }) => body?.$case === 'offer')!.body as typeof offer;
    await finish(there, other.value, shopSchema);
    there.cut();
    await fleet.disconnected('there');
  });

  it('is told in the handshake to a bot that comes later, and what the bot says is in the status', async () => {
    const late = fleet.bot({ botId: 'late' }, second);
    await late.welcomed();
    expect(digestsOf((await late.next('protocolOffer')).value)).toEqual([shop.digest]);
    await late.acknowledged(answer(late, shop, RevisionStatus.REJECTED, 'too heavy'));
    await expect.poll(() => standing(shop)).toMatchObject({ rejections: [{ reason: 'too heavy', bots: 1 }] });
    late.cut();
    await fleet.disconnected('late');
  });

  it('is left alone after a rollback: new offers are in the one before, a pinned task ends in its own', async () => {
    const pinned = await fleet.request();
    const { taskId, fence, schema } = (await here.next('offer')).value;
    expect(schema).toMatchObject(shop);
    here.reply({ taskId, fence }, true);
    await here.next('lease');
    await expect.poll(async () => (await standing(shop)).pinnedTasks).toBe(1);
    await change('rollback', shop);
    expect((await here.next('protocolOffer')).value.remove).toEqual([shop.digest]);
    here.result({ taskId, fence }, { outcome: 1, schema: shop });
    await fleet.until(pinned.orderId, (all) => all.find(({ name }) => name === 'bots.task_succeeded'));
    await fleet.request();
    const { value: next } = await here.next('offer');
    expect(next.schema).toMatchObject(shopSchema);
    await finish(here, next, shopSchema);
    here.cut();
    await fleet.disconnected('here');
  });
});

describe('a kind that did not exist when the bot connected', () => {
  it('is offered to a bot that serves any, done by it, and reported as it came', async () => {
    const any = fleet.bot({ botId: 'any', kinds: [], credits: [{ kind: 'inspect', amount: 1 }], anyKind: true });
    await any.welcomed();
    const known = digestsOf((await any.next('protocolOffer')).value);
    expect(known.sort()).toEqual([kinds.shop.digest, kinds.return.digest].sort());
    const kind = await publish('inspect', await descriptorsOf(inspect));
    await change('activate', kind);
    const { add } = (await any.next('protocolOffer')).value;
    expect(add).toMatchObject([{ schema: kind, taskMessage: 'kinds.inspect.v1.InspectTask' }]);
    const asked = await fleet.request({ schema: kind, payload: Buffer.from([0x0a, 0x01, 0x41]) });
    await any.acknowledged(answer(any, kind, RevisionStatus.APPLIED));
    const { taskId, fence } = await any.lease();
    const payload = Buffer.from([0x08, 0x01]);
    any.result({ taskId, fence }, { outcome: 1, schema: kind, payload });
    const done = await fleet.until(asked.orderId, (all) => all.find(({ name }) => name === 'bots.task_succeeded'));
    expect(done.body).toMatchObject({ original: { schema: kind, payload } });
    any.cut();
  });
});

describe('a bot that can only speak what is retired', () => {
  it('is told so, and stays for what it can do', async () => {
    const third = await publish('shop', await descriptorsOf(shopRevision(3)));
    const young = fleet.bot({ botId: 'young', kinds: [{ kind: 'shop', digests: [third.digest] }] });
    await young.welcomed();
    await change('activate', third);
    await change('deprecate', shopSchema);
    await expect.poll(async () => (await standing(shopSchema)).blocksRetirement).toEqual([]);
    await change('retire', shopSchema);
    const supports = [
      { kind: 'shop', digests: [shopSchema.digest] },
      { kind: 'return', digests: [kinds.return.digest] },
    ];
    const old = fleet.bot({
      botId: 'old',
      kinds: supports,
      credits: supports.map(({ kind }) => ({ kind, amount: 1 })),
    });
    await old.welcomed();
    const { add, remove, retired } = (await old.next('protocolOffer')).value;
    expect([add.map(({ schema }) => schema!.digest), remove]).toEqual([[third.digest], [shopSchema.digest]]);
    expect(retired).toMatchObject([{ kind: 'shop', message: expect.stringContaining('RETIRED') }]);
    const schema = { kind: 'return', revision: 1, digest: kinds.return.digest };
    const { taskId } = await fleet.request({ schema, onlyBotId: 'old', orderId: newId() });
    expect((await old.next('offer')).value.taskId).toBe(taskId);
    // Depot goes on to write in the revision that it was built with: it reaches the bots that have a newer one.
    const shopping = await fleet.request();
    expect((await young.next('offer')).value).toMatchObject({ taskId: shopping.taskId, schema: third });
  });
});
