import { sql } from 'drizzle-orm';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type Bot, connectBot, type GenericTask, genericKind, shopKind } from '../../../bots/sdk/index.ts';
import { connectRabbitMq, deleteTopology } from '../../../src/broker/rabbitmq.ts';
import { newId } from '../../../src/contract/ids.ts';
import type { Received } from '../../../src/contract/message.ts';
import { mallTopology } from '../../../src/contract/topology.ts';
import type { SchemaRef } from '../../../src/gen/fleet/v1/fleet.ts';
import { kinds } from '../../../src/gen/kinds.ts';
import { RegistryService } from '../../../src/gen/protocol/v1/protocol.ts';
import { connectClient } from '../../../src/rpc/client.ts';
import { payloadsOf } from '../../support/revisions.ts';
import { amqpUrl, databaseUrl, describeWithRabbitMq } from '../../support/services.ts';
import { shopTranslation, shopV2 } from '../../support/shop-v2.ts';
import { silentLogger } from '../../support/silent-logger.ts';
import { type Fleet, startFleet } from '../fleet.ts';
import { shopSchema } from '../raw-bot.ts';
import { descriptorsOf } from './shop-revision.ts';

const patient = { timeout: 20_000, interval: 20 };
const { watchStatus: _, ...unary } = RegistryService;
const older = payloadsOf(Buffer.from(kinds.shop.fileDescriptorSet, 'base64'));

/** Two majors of `shop` side by side. */
function twoMajors(start: () => Promise<Fleet>) {
  let fleet: Fleet;
  let client: ReturnType<typeof connectClient<typeof unary>>;
  let set: Buffer;
  let newer: ReturnType<typeof payloadsOf>;
  let second: SchemaRef;
  const bots: Bot[] = [];

  beforeAll(async () => {
    fleet = await start();
    client = connectClient(unary, fleet.hub.address, fleet.telemetry);
    set = await descriptorsOf(shopV2);
    newer = payloadsOf(set);
  });
  afterEach(async () => {
    const gone = bots.splice(0);
    await Promise.all(gone.map((bot) => bot.kill()));
    for (const { botId } of gone) await fleet.disconnected(botId);
  });
  afterAll(async () => {
    client.close();
    await fleet[Symbol.asyncDispose]();
  });

  const by = 'tester';
  const publish = (kind: string, fileDescriptorSet: Buffer, translation?: object) =>
    client.api.publish(
      {
        ...{ kind, fileDescriptorSet, sources: [], by, reason: '', draft: false },
        translation: translation && JSON.stringify(translation),
      },
      { deadlineMs: 60_000 },
    );
  async function change(what: 'activate' | 'deprecate' | 'retire', { kind, digest }: SchemaRef) {
    const basedOn = (await client.api.list({ kind })).kinds[0]!.version;
    return client.api[what]({ digest, basedOn, by, reason: '' });
  }
  const statusOf = async (kind: string) => (await client.api.getStatus({ kind })).kinds[0]!;

  /** Written for the first major. */
  async function firstBot(botId: string, seen: unknown[] = []): Promise<Bot> {
    const handler = shopKind.serve(async (task) => {
      seen.push(task.payload);
      const [item] = task.payload.stops[0]!.items;
      const value = { lineId: item!.lineId, productId: 'p', storeId: 's', quantity: item!.quantity };
      await task.progress({ step: { $case: 'itemPicked', value } });
      return { lines: [{ lineId: item!.lineId, picked: item!.quantity, short: 0 }], walkedMetres: 2.5 };
    });
    return connected(botId, [handler]);
  }

  type Work = (task: GenericTask) => Promise<object>;
  const usual: Work = async (task) => {
    await task.progress({ arrived: { storeId: 's', stop: 1 } });
    await task.progress({ battery: { percent: 40 } });
    await task.progress({ itemPicked: { lineId: 'l', productId: 'p', storeId: 's', quantity: '2' } });
    return { lines: [{ lineId: 'l', picked: '2', missing: '1' }], walkedMm: '2500' };
  };
  /** Knows the second major only. */
  const secondBot = (botId: string, seen: unknown[] = [], work = usual) =>
    connected(botId, [
      genericKind('shop.v2').serve(async (task) => {
        seen.push(task.payload);
        return (await work(task)) as never;
      }),
    ]);

  async function connected(botId: string, kindsServed: Parameters<typeof connectBot>[0]['kinds']): Promise<Bot> {
    const bot = connectBot({ hub: fleet.hub.address, botId, kinds: kindsServed });
    bots.push(bot);
    await bot.ready();
    return bot;
  }

  const stops = [{ storeId: 's', place: { x: 3, y: 4 }, items: [{ lineId: 'l', name: 'Tea', quantity: 3 }] }];
  const asked = () => ({ payload: older.write('kinds.shop.v1.ShopTask', { orderId: 'o', stops }) });
  const askedNewer = (quantity: string) => ({
    schema: second,
    payload: newer.write('kinds.shop.v2.ShopTask', {
      ...{
        reference: 'o',
        hurry: 3,
        stops: [{ storeId: 's', x: 3, y: 4, items: [{ lineId: 'l', title: 'Tea', quantity }] }],
      },
    }),
  });
  const ended = (orderId: string) =>
    fleet.until(orderId, (all) =>
      all.find(({ name }) => name === 'bots.task_succeeded' || name === 'bots.task_failed'),
    );
  const said = (orderId: string, name: Received['name']): object =>
    fleet.said(orderId).find((event) => event.name === name)!.body as object;

  describe('the next major of a kind', () => {
    it('is published with what it is called in the one before, and refused while that leaves something out', async () => {
      const fields = shopTranslation.fields.filter(({ newer }) => newer !== 'hurry');
      const refused = await publish('shop.v2', set, { ...shopTranslation, fields });
      expect(refused.revision).toBeUndefined();
      expect(refused.violations).toMatchObject([
        { rule: 'TRANSLATION_INCOMPLETE', field: 'hurry', against: ['shop'], message: 'kinds.shop.v2.ShopTask' },
      ]);
      const { revision, violations } = await publish('shop.v2', set, shopTranslation);
      expect(violations).toEqual([]);
      second = { kind: 'shop.v2', revision: revision!.revision, digest: revision!.digest };
      expect((await publish('shop.v2', set, shopTranslation)).known).toBe(true);
      const { kinds: known } = await client.api.list({ kind: '' });
      for (const kind of ['shop', 'shop.v2']) {
        expect(known.find((each) => each.kind === kind)!.translations).toMatchObject([
          { older: 'shop', newer: 'shop.v2', version: 1, publishedBy: by },
        ]);
      }
      await secondBot('activator');
      await change('activate', second);
    });

    it('holds later revisions of the other major to the translation', async () => {
      const source = shopV2
        .replace('kinds.shop.v2', 'kinds.shop.v2')
        .replace('string sku = 3;', 'string sku = 3;\n  string shade = 6;');
      const { violations } = await publish('shop.v2', await descriptorsOf(source));
      expect(violations).toMatchObject([{ rule: 'TRANSLATION_INCOMPLETE', field: 'shade' }]);
    });

    it('does tasks of the old one, and whoever knows only the old one understands what is said of them', async () => {
      const seen: unknown[] = [];
      await secondBot('new', seen);
      const { orderId } = await fleet.request(asked());
      const done = await ended(orderId);
      expect(seen).toMatchObject([
        { reference: 'o', hurry: 1, stops: [{ x: 3, y: 4, items: [{ title: 'Tea', quantity: '3' }] }] },
      ]);
      expect(said(orderId, 'bots.stop_reached')).toMatchObject({ storeId: 's', stopIndex: 1 });
      const picked = said(orderId, 'bots.item_picked') as {
        original: { payload: Buffer; translated: { payload: Buffer } };
      };
      expect(picked).toMatchObject({ lineId: 'l', quantity: 2, task: { kind: 'shop' } });
      expect(picked).toMatchObject({ original: { schema: second, translated: { schema: shopSchema } } });
      expect(newer.read('kinds.shop.v2.ShopProgress', picked.original.payload)).toMatchObject({
        itemPicked: { quantity: '2' },
      });
      expect(older.read('kinds.shop.v1.ShopProgress', picked.original.translated.payload)).toMatchObject({
        itemPicked: { quantity: 2 },
      });
      // The old major has no word for it: whoever knows the new one has it nevertheless.
      const battery = said(orderId, 'bots.task_progressed') as { original: { payload: Buffer; translated?: object } };
      expect(battery.original.translated).toBeUndefined();
      expect(newer.read('kinds.shop.v2.ShopProgress', battery.original.payload)).toEqual({ battery: { percent: 40 } });
      expect(done.body).toMatchObject({ lines: [{ lineId: 'l', picked: 2, short: 1 }], task: { botId: 'new' } });
    });

    it('is done by bots that know only the old one', async () => {
      const seen: unknown[] = [];
      await firstBot('old', seen);
      const { orderId } = await fleet.request(askedNewer('3'));
      const done = await ended(orderId);
      expect(seen).toMatchObject([
        { orderId: 'o', stops: [{ place: { x: 3, y: 4 }, items: [{ name: 'Tea', quantity: 3 }] }] },
      ]);
      expect(said(orderId, 'bots.item_picked')).toMatchObject({ quantity: 3, original: { schema: shopSchema } });
      expect(done.body).toMatchObject({
        lines: [{ lineId: 'l', picked: 3, short: 0 }],
        task: { botId: 'old', kind: 'shop.v2' },
      });
    });

    it('runs side by side with the old one', async () => {
      await Promise.all([firstBot('old'), secondBot('new')]);
      const orders = await Promise.all(
        Array.from({ length: 6 }, (_, n) => fleet.request(n % 2 ? asked() : askedNewer('2'))),
      );
      const done = await Promise.all(orders.map(({ orderId }) => ended(orderId)));
      expect(done.every(({ name }) => name === 'bots.task_succeeded')).toBe(true);
      expect((await statusOf('shop')).doneIn).toEqual(['shop.v2']);
    });
  });

  describe('what has no word in the other major', () => {
    const tooMany = '4294967296';

    it('waits for a bot of its own, keeps nobody else waiting, and is shown', async () => {
      await firstBot('old');
      const stuck = await fleet.request(askedNewer(tooMany));
      const behind = await fleet.request(askedNewer('2'));
      await ended(behind.orderId);
      await expect
        .poll(async () => (await statusOf('shop.v2')).untranslated, patient)
        .toMatchObject([{ fromKind: 'shop.v2', intoKind: 'shop', part: 'task', taskId: stuck.taskId, count: 1 }]);
      const [first] = (await statusOf('shop.v2')).untranslated;
      expect(first!.reason).toBe('stops[0].items[0].quantity is "4294967296", which is no uint32');
      await secondBot('new');
      expect((await ended(stuck.orderId)).body).toMatchObject({ task: { botId: 'new' } });
      expect((await statusOf('shop.v2')).untranslated).toEqual([]);
      const noted = () =>
        fleet.database.query(
          async (orm) => (await orm.execute(sql`select from hub.untranslated where task_id = ${stuck.taskId}`)).length,
        );
      await expect.poll(noted, patient).toBe(0);
    });

    it('is refused by its name in a result, and kept', async () => {
      const bot = await secondBot('boaster', [], async () => ({ lines: [{ lineId: 'l', picked: tooMany }] }));
      const nacks: string[] = [];
      bot.on('nack', ({ message }) => nacks.push(message));
      const { orderId, taskId } = await fleet.request(asked());
      const done = await ended(orderId);
      const why = 'payload.lines[0].picked is "4294967296", which is no uint32; the task was asked in another major';
      expect(done).toMatchObject({ name: 'bots.task_failed', body: { reason: expect.stringContaining(why) } });
      expect(nacks).toEqual([expect.stringContaining(why)]);
      const [kept] = await fleet.database.query((orm) =>
        orm.execute<{ payload: Uint8Array }>(sql`select payload from hub.untranslated where task_id = ${taskId}`),
      );
      expect(newer.read('kinds.shop.v2.ShopResult', kept!.payload)).toMatchObject({ lines: [{ picked: tooMany }] });
      expect((await statusOf('shop')).untranslated).toMatchObject([{ part: 'result', intoKind: 'shop', taskId }]);
    });
  });

  describe('the old major', () => {
    it('goes when nobody needs it any more, and its tasks go on in the new one', async () => {
      const old = await firstBot('old');
      await secondBot('new');
      await change('deprecate', shopSchema);
      const blocks = async () => (await statusOf('shop')).revisions[0]!.blocksRetirement;
      await expect
        .poll(blocks, patient)
        .toEqual(['1 connected bot can speak no other revision of shop that is in use, nor another major']);
      const refused = change('retire', shopSchema);
      await expect(refused).rejects.toMatchObject({ detail: { reason: 'STILL_NEEDED' } });
      await old.kill();
      await fleet.disconnected('old');
      await expect.poll(blocks, patient).toEqual([]);
      await change('retire', shopSchema);
      const { orderId } = await fleet.request(asked());
      expect((await ended(orderId)).body).toMatchObject({
        task: { botId: 'new', kind: 'shop' },
        lines: [{ picked: 2 }],
      });
      const late = fleet.bot({ botId: `late-${newId().slice(-4)}` });
      await late.welcomed();
      const { retired } = (await late.next('protocolOffer')).value;
      expect(retired).toMatchObject([
        {
          kind: 'shop',
          message: 'of shop the bot has applied revision 1, which is RETIRED; in use is shop.v2 revision 1',
        },
      ]);
      late.cut();
    });
  });
}

describe('embedded', () => twoMajors(startFleet));

describeWithRabbitMq('on RabbitMQ and PostgreSQL', () => {
  const namespace = `majors-${newId()}`;
  afterAll(() => deleteTopology(amqpUrl, namespace, mallTopology));
  twoMajors(async () => {
    const broker = await connectRabbitMq({ url: amqpUrl, namespace, logger: silentLogger });
    return startFleet({ broker, serverUrl: databaseUrl });
  });
});
