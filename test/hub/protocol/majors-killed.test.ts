import { randomUUID } from 'node:crypto';
import { sql } from 'drizzle-orm';
import { afterAll, beforeAll, expect, it, onTestFinished } from 'vitest';
import { type Bot, connectBot, genericKind, type ServedKind, shopKind } from '../../../bots/sdk/index.ts';
import type { Original } from '../../../src/gen/events/bots/v1/events.ts';
import type { SchemaRef } from '../../../src/gen/fleet/v1/fleet.ts';
import { kinds } from '../../../src/gen/kinds.ts';
import { RegistryService } from '../../../src/gen/protocol/v1/protocol.ts';
import { connectClient } from '../../../src/rpc/client.ts';
import { quick } from '../../bots/robot.ts';
import { mallTimeoutMs } from '../../support/program.ts';
import { checkDeadlineMs, payloadsOf } from '../../support/revisions.ts';
import { describeWithPostgres, describeWithRabbitMq } from '../../support/services.ts';
import { shopTranslation, shopV2 } from '../../support/shop-v2.ts';
import { TcpProxy } from '../../support/tcp-proxy.ts';
import { recordingTelemetry } from '../../support/telemetry.ts';
import { askForTask } from '../fleet.ts';
import { type HubProcess, type HubProcesses, startHubProcesses } from '../hub-processes.ts';
import { shopSchema } from '../raw-bot.ts';
import { descriptorsOf } from './shop-revision.ts';

/** Longer than a hub takes to start on a busy machine: a bot that comes back has its task. */
const leaseMs = 20_000;
const patient = { timeout: 60_000, interval: 20 };
const botsOfEach = 3;
const older = payloadsOf(Buffer.from(kinds.shop.fileDescriptorSet, 'base64'));

describeWithRabbitMq('a hub that translates, killed, on RabbitMQ', { timeout: mallTimeoutMs }, () => {
  describeWithPostgres('and PostgreSQL', () => {
    let mall: HubProcesses;
    let hub: HubProcess;
    let newer: ReturnType<typeof payloadsOf>;
    let second: SchemaRef;
    beforeAll(async () => {
      mall = await startHubProcesses(1, { MALLBOTS_HUB_LEASE_MS: String(leaseMs) });
      hub = mall.hubs[0]!;
      const fileDescriptorSet = await descriptorsOf(shopV2);
      newer = payloadsOf(fileDescriptorSet);
      second = await inForce(fileDescriptorSet);
    }, mallTimeoutMs);
    afterAll(() => mall?.[Symbol.asyncDispose](), mallTimeoutMs);

    /** The second major, ACTIVE, with its translation. */
    async function inForce(fileDescriptorSet: Buffer): Promise<SchemaRef> {
      const { watchStatus: _, ...unary } = RegistryService;
      const client = connectClient(unary, hub.address, recordingTelemetry('test'));
      const author = { by: 'tester', reason: '' };
      const { revision, violations } = await client.api.publish(
        {
          ...{ kind: 'shop.v2', fileDescriptorSet, sources: [], draft: false, ...author },
          translation: JSON.stringify(shopTranslation),
        },
        { deadlineMs: checkDeadlineMs },
      );
      expect(violations).toEqual([]);
      const { digest } = revision!;
      const activator = connectBot({
        hub: hub.address,
        botId: 'activator',
        kinds: [genericKind('shop.v2').serve(never)],
      });
      await activator.ready();
      const basedOn = (await client.api.list({ kind: 'shop.v2' })).kinds[0]!.version;
      await client.api.activate({ digest, basedOn, ...author });
      await activator.kill();
      client.close();
      return { kind: 'shop.v2', revision: revision!.revision, digest };
    }

    function connect(served: ServedKind, address = hub.address): Bot {
      const botId = `bot-${randomUUID().slice(0, 8)}`;
      const bot = connectBot({ hub: address, botId, kinds: [served], reconnect: quick });
      onTestFinished(() => bot.kill());
      return bot;
    }
    const quantityFor = (orderId: string): number => 1 + (Number.parseInt(orderId.slice(-6), 16) % 1_000);

    /** Knows the second major only; says all but the first step when `gate` opens. */
    const secondBot = (gate: Promise<void>): Bot =>
      connect(
        genericKind('shop.v2').serve(async (task) => {
          const quantity = `${quantityFor(task.orderId)}`;
          await task.progress({ arrived: { storeId: 's', stop: 1 } });
          await gate;
          await task.progress({ battery: { percent: 40 } });
          await task.progress({ itemPicked: { lineId: 'l', productId: 'p', storeId: 's', quantity } });
          return { lines: [{ lineId: 'l', picked: quantity }], walkedMm: '2500' };
        }),
      );
    /** Knows the first one only. */
    const firstBot = (gate: Promise<void>): Bot =>
      connect(
        shopKind.serve(async (task) => {
          const quantity = quantityFor(task.orderId);
          const [stop] = task.payload.stops;
          expect(stop!.items[0]!.quantity).toBe(7);
          await task.progress({ step: { $case: 'stopReached', value: { storeId: 's', stopIndex: 1 } } });
          await gate;
          const value = { lineId: 'l', productId: 'p', storeId: 's', quantity };
          await task.progress({ step: { $case: 'itemPicked', value } });
          return { lines: [{ lineId: 'l', picked: quantity, short: 0 }], walkedMetres: 2.5 };
        }),
      );
    const inOlder = () => ({ payload: older.write('kinds.shop.v1.ShopTask', { orderId: 'o' }) });
    const inNewer = () => {
      const stops = [{ storeId: 's', items: [{ lineId: 'l', quantity: '7' }] }];
      return { schema: second, payload: newer.write('kinds.shop.v2.ShopTask', { reference: 'o', stops }) };
    };
    const isSaid = (orderId: string, name: string) =>
      mall.heard.until(() => mall.heard.of(orderId).find((message) => message.name === name));
    const waitingFrames = async () => (await hub.admin.getHubStatus({})).waitingFrames;

    /** What was said of the order, in the words of the first major, by a bot of the second one or of the first. */
    function expectTold(orderId: string, bySecond: boolean): void {
      const quantity = quantityFor(orderId);
      const said = mall.heard.of(orderId).map(({ name, body }) => ({ name, ...(body as { original?: Original }) }));
      const lines = [{ lineId: 'l', picked: quantity, short: 0 }];
      const task = { attempt: 1, fence: 1, kind: bySecond ? 'shop' : 'shop.v2' };
      expect(said).toMatchObject([
        { name: 'bots.task_started', task },
        { name: 'bots.stop_reached', stopIndex: 1, task },
        ...(bySecond ? [{ name: 'bots.task_progressed', task }] : []),
        { name: 'bots.item_picked', lineId: 'l', quantity, task },
        { name: 'bots.task_succeeded', lines, task },
      ]);
      const spoken = bySecond ? second : shopSchema;
      for (const { original } of said.slice(1)) expect(original!.schema).toMatchObject(spoken);
      const translated = said.map(({ original }) => original?.translated?.schema);
      expect(translated.filter(Boolean)).toMatchObject(bySecond ? [shopSchema, shopSchema, shopSchema] : []);
    }

    it.each([
      ['the broker has none of it', 'both'],
      ['the broker has it, and the hub does not know', 'down'],
    ] as const)(
      'loses nothing, says nothing twice, and keeps the order while reports wait: %s',
      async (_, direction) => {
        const gate = Promise.withResolvers<void>();
        const seconds = Array.from({ length: botsOfEach }, () => secondBot(gate.promise));
        const firsts = Array.from({ length: botsOfEach }, () => firstBot(gate.promise));
        const bots = [...seconds, ...firsts];
        await Promise.all(bots.map((bot) => bot.ready()));
        const ask = () =>
          Promise.all(
            bots.map(async ({ botId }, index) => {
              const bySecond = index < botsOfEach;
              const { orderId } = await askForTask(mall.broker, {
                ...(bySecond ? inOlder() : inNewer()),
                onlyBotId: botId,
              });
              return { orderId, bySecond };
            }),
          );
        const atWork = await ask();
        await Promise.all(atWork.map(({ orderId }) => isSaid(orderId, 'bots.stop_reached')));
        // These wait in the table for bots that are busy.
        const queued = await ask();

        hub.broker.blackhole(direction);
        gate.resolve();
        // Two steps of one, one of the other, and each one's result.
        await expect.poll(waitingFrames, patient).toBe(botsOfEach * 3 + botsOfEach * 2);
        await hub.program.kill('SIGKILL');
        await hub.broker.restore();
        // And these in the broker, for a hub.
        const late = await ask();
        await hub.start();

        const orders = [...atWork, ...queued, ...late];
        await Promise.all(orders.map(({ orderId }) => isSaid(orderId, 'bots.task_succeeded')));
        for (const { orderId, bySecond } of orders) expectTold(orderId, bySecond);
      },
    );

    it('refuses what has no word in the other major once, whenever it is killed', async () => {
      const gate = Promise.withResolvers<void>();
      const tooMany = '4294967296';
      const wire = await TcpProxy.toServer(`hub://${hub.address}`);
      onTestFinished(() => wire.close());
      const boaster = connect(
        genericKind('shop.v2').serve(async (task) => {
          await task.progress({ arrived: { storeId: 's', stop: 1 } });
          await gate.promise;
          return { lines: [{ lineId: 'l', picked: tooMany }] };
        }),
        `127.0.0.1:${wire.port}`,
      );
      await boaster.ready();
      const { orderId, taskId } = await askForTask(mall.broker, { ...inOlder(), onlyBotId: boaster.botId });
      await isSaid(orderId, 'bots.stop_reached');
      const kept = () =>
        mall.database.query(async (orm) => [
          ...(await orm.execute(sql`select part, reason from hub.untranslated where task_id = ${taskId}`)),
        ]);
      // It is kept, and the hub dies before the bot knows.
      wire.blackhole('down');
      gate.resolve();
      const reason = `lines[0].picked is "${tooMany}", which is no uint32`;
      await expect.poll(kept, patient).toEqual([{ part: 'result', reason }]);
      await hub.program.kill('SIGKILL');
      wire.cut();
      await wire.restore();
      await hub.start();
      expect(await isSaid(orderId, 'bots.task_failed')).toMatchObject({
        body: { reason: expect.stringContaining(reason), task: { attempt: 1 } },
      });
      expect(mall.heard.of(orderId).map(({ name }) => name)).toEqual([
        'bots.task_started',
        'bots.stop_reached',
        'bots.task_failed',
      ]);
      expect(await kept()).toHaveLength(1);
    });
  });
});

const never = () => Promise.reject(new Error('no task was to come'));
