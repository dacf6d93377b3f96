import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Bot, connectBot, shopKind } from '../../../bots/sdk/index.ts';
import { NackReason, RevisionStatus, type SchemaRef } from '../../../src/gen/fleet/v1/fleet.ts';
import { kinds } from '../../../src/gen/kinds.ts';
import { RegistryService } from '../../../src/gen/protocol/v1/protocol.ts';
import { connectClient } from '../../../src/rpc/client.ts';
import { checkDeadlineMs } from '../../support/revisions.ts';
import { type Fleet, startFleet } from '../fleet.ts';
import { type RawBot, shopSchema } from '../raw-bot.ts';
import { descriptorsOf, shopRevision } from './shop-revision.ts';

let fleet: Fleet;
let client: ReturnType<typeof connectClient<RegistryService>>;
beforeAll(async () => {
  fleet = await startFleet();
  client = connectClient(RegistryService, fleet.hub.address, fleet.telemetry);
});
afterAll(async () => {
  client.close();
  await fleet[Symbol.asyncDispose]();
});

const by = 'tester';
async function publish(revision: number, at = client): Promise<SchemaRef> {
  const request = { kind: 'shop', fileDescriptorSet: await descriptorsOf(shopRevision(revision)), sources: [] };
  const { revision: published, violations } = await at.api.publish(
    { ...request, by, reason: '', draft: false },
    { deadlineMs: checkDeadlineMs },
  );
  expect(violations).toEqual([]);
  return { kind: 'shop', revision: published!.revision, digest: published!.digest };
}
async function change(what: 'activate' | 'rollback', { kind, digest }: SchemaRef) {
  const basedOn = (await client.api.list({ kind })).kinds[0]!.version;
  await client.api[what]({ digest, basedOn, by, reason: '' });
}
const standing = async ({ kind, digest }: SchemaRef) =>
  (await client.api.getStatus({ kind })).kinds[0]!.revisions.find((each) => each.revision!.digest === digest)!;
const say = (bot: RawBot, schema: SchemaRef, status: RevisionStatus, reason = '') =>
  bot.acknowledged(bot.send({ $case: 'protocolStatus', value: { schema, status, reason } }));
const offered = async (bot: RawBot) => (await bot.next('protocolOffer')).value;
const digestsOf = (add: Awaited<ReturnType<typeof offered>>['add']) => add.map(({ schema }) => schema!.digest);

describe('a revision that comes back after a rollback', () => {
  let bot: Bot;
  beforeAll(async () => {
    const serve = shopKind.serve(async () => ({ lines: [], walkedMetres: 1 }));
    bot = connectBot({ hub: fleet.hub.address, botId: 'open', kinds: [serve] });
    await bot.ready();
  });
  afterAll(() => bot.kill());
  const speaks = ({ digest }: SchemaRef) => expect.poll(() => bot.revisions.get('shop')?.includes(digest) ?? false);

  it('is learnt and worked in once more by the bots that had it, as often as it comes', async () => {
    for (let round = 0; round < 2; round += 1) {
      const shop = await publish(2);
      await change('activate', shop);
      await speaks(shop).toBe(true);
      await expect.poll(async () => (await standing(shop)).bots).toMatchObject([{ status: RevisionStatus.APPLIED }]);
      const { orderId } = await fleet.request();
      const done = await fleet.until(orderId, (all) => all.find(({ name }) => name === 'bots.task_succeeded'));
      expect(done.body).toMatchObject({ original: { schema: shop } });
      await change('rollback', shop);
      await speaks(shop).toBe(false);
      // The bot has it no more, and is not counted among those that have.
      await expect.poll(async () => (await standing(shop)).bots).toEqual([]);
      expect((await fleet.admin.getBot({ botId: 'open' })).speaks).toMatchObject([shopSchema]);
    }
  });
});

describe('what a bot says of a revision', () => {
  let bot: RawBot;
  let shop: SchemaRef;
  beforeAll(async () => {
    bot = fleet.bot({ botId: 'raw' });
    await bot.welcomed();
    bot.keepBeating([]);
    shop = await publish(3);
    await change('activate', shop);
    expect(digestsOf((await offered(bot)).add)).toEqual([shop.digest]);
    await say(bot, shop, RevisionStatus.APPLIED);
  });
  afterAll(() => bot.cut());

  it('is corrected by what it says of an offer: it is taught what it has not got', async () => {
    await fleet.request();
    const { value: offer } = await bot.next('offer');
    expect(offer.schema).toMatchObject(shop);
    const { taskId, fence } = offer;
    const reason = 'digest is not applied on this bot';
    bot.send({
      $case: 'offerReply',
      value: { taskId, fence, accepted: false, refusal: NackReason.UNKNOWN_SCHEMA, reason },
    });
    expect(digestsOf((await offered(bot)).add)).toEqual([shop.digest]);
    await expect.poll(async () => (await standing(shop)).bots).toEqual([]);
    const { value: next } = await bot.next('offer');
    expect(next.schema).toMatchObject(shopSchema);
    await bot.acknowledged(bot.reply(next, true));
    await bot.acknowledged(bot.result(next, { outcome: 1, schema: shopSchema }));
    await say(bot, shop, RevisionStatus.APPLIED);
  });

  it.each<[string, Partial<SchemaRef>, RevisionStatus, string]>([
    ['a digest that nobody has', { digest: `sha256:${'7'.repeat(64)}` }, 3, 'repeat that of the protocol_offer'],
    ['no status', {}, 0, 'say RECEIVED, VALIDATED, APPLIED or REJECTED'],
    ['a status that there is not', {}, 9 as RevisionStatus, 'say RECEIVED, VALIDATED, APPLIED or REJECTED'],
    [
      'a kind that it does not serve',
      { digest: kinds.return.digest },
      3,
      'a revision of return, which hello.kinds does not list',
    ],
  ])('is refused with %s', async (_, schema, status, remedy) => {
    bot.send({ $case: 'protocolStatus', value: { schema: { ...shop, ...schema }, status, reason: '' } });
    expect((await bot.next('nack')).value.message).toContain(remedy);
    await expect
      .poll(async () => (await fleet.admin.getBot({ botId: 'raw' })).speaks)
      .toMatchObject([shopSchema, shop]);
  });

  it('counts against what its hello listed', async () => {
    bot.cut();
    await fleet.disconnected('raw');
    const listing = fleet.bot({
      botId: 'listing',
      kinds: [{ kind: 'shop', digests: [shopSchema.digest, shop.digest] }],
    });
    await listing.welcomed();
    await say(listing, shop, RevisionStatus.REJECTED, 'it breaks my arm');
    await expect
      .poll(() => standing(shop))
      .toMatchObject({
        bots: [{ status: RevisionStatus.REJECTED, bots: 1 }],
        rejections: [{ reason: 'it breaks my arm', bots: 1 }],
      });
    expect((await fleet.admin.getBot({ botId: 'listing' })).speaks).toMatchObject([shopSchema]);
    listing.cut();
    await fleet.disconnected('listing');
  });

  it('comes too late where the revision was taken back meanwhile: it may forget that', async () => {
    const late = fleet.bot({ botId: 'late' });
    await late.welcomed();
    expect(digestsOf((await offered(late)).add)).toEqual([shop.digest]);
    await say(late, shop, RevisionStatus.RECEIVED);
    await change('rollback', shop);
    await expect.poll(async () => (await standing(shop)).revision!.state).toBe(8);
    await say(late, shop, RevisionStatus.APPLIED);
    expect((await offered(late)).remove).toEqual([shop.digest]);
    late.cut();
  });
});

it('a bot that comes from another hub with work in a revision which this one has not heard of yet is believed', async () => {
  const mute = await fleet.addHub({ isMute: true });
  const registry = connectClient(RegistryService, mute.address, fleet.telemetry);
  const bot = fleet.bot({ botId: 'mover' }, mute);
  const { resumeToken } = await bot.welcomed();
  const shop = await publish(4, registry);
  const basedOn = (await registry.api.list({ kind: 'shop' })).kinds[0]!.version;
  await registry.api.activate({ digest: shop.digest, basedOn, by, reason: '' });
  await offered(bot);
  await say(bot, shop, RevisionStatus.APPLIED);
  const { orderId } = await fleet.request();
  const { taskId, fence } = await bot.lease();
  bot.cut();
  const heldTasks = [{ taskId, fence, finished: true }];
  const digests = [shopSchema.digest, shop.digest];
  const again = fleet.bot({ ...bot.hello, kinds: [{ kind: 'shop', digests }], resumeToken, heldTasks });
  again.seq = bot.seq;
  await again.welcomed();
  again.result({ taskId, fence }, { outcome: 1, schema: shop });
  const done = await fleet.until(orderId, (all) => all.find(({ name }) => name === 'bots.task_succeeded'));
  expect(done.body).toMatchObject({ original: { schema: shop } });
  registry.close();
});
