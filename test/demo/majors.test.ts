import { afterEach, expect, test } from 'vitest';
import { connectBot, type GenericTask, genericKind, returnKind } from '../../bots/sdk/index.ts';
import { bringBack } from '../../bots/simulator/bring-back.ts';
import { check } from '../../src/audit/checks.ts';
import { checkProtocol } from '../../src/audit/protocol.ts';
import { readProtocolFacts } from '../../src/audit/protocol-store.ts';
import { mallTopology } from '../../src/contract/topology.ts';
import { letIn } from '../../src/demo/arrivals.ts';
import { openDesk } from '../../src/demo/desk.ts';
import { openDoors } from '../../src/demo/doors.ts';
import { maxOrders } from '../../src/demo/mall.ts';
import { createPlace } from '../../src/demo/place.ts';
import { planShoppers } from '../../src/demo/shopper.ts';
import { openStage } from '../../src/demo/stage.ts';
import { awaitRest } from '../../src/demo/verdict.ts';
import { RegistryService } from '../../src/gen/protocol/v1/protocol.ts';
import { connectClient } from '../../src/rpc/client.ts';
import { Cast } from '../chaos/cast.ts';
import { descriptorsOf } from '../hub/protocol/shop-revision.ts';
import { mallTimeoutMs } from '../support/program.ts';
import { checkDeadlineMs } from '../support/revisions.ts';
import { amqpUrl, databaseUrl, describeWithPostgres, describeWithRabbitMq } from '../support/services.ts';
import { shopTranslation, shopV2 } from '../support/shop-v2.ts';
import { silentLogger as logger } from '../support/silent-logger.ts';
import { recordingTelemetry } from '../support/telemetry.ts';

const seed = 11;
const timeScale = 50;
/** At least; more come for as long as processes are killed. */
const atLeast = 12;
const atOnce = 6;
/** What is under way after the last order has ended, ms. */
const restPatienceMs = 30_000;

let cleanUp = new AsyncDisposableStack();
afterEach(async () => {
  await cleanUp.disposeAsync();
  cleanUp = new AsyncDisposableStack();
});

interface Stop {
  readonly storeId: string;
  readonly items: ReadonlyArray<{ readonly lineId: string; readonly productId: string; readonly quantity: string }>;
}

/** Shopping in the words of the second major; of what is wanted more than once, one is missing. */
async function shopping(task: GenericTask): Promise<object> {
  const lines: object[] = [];
  for (const [stop, { storeId, items }] of (task.payload.stops as unknown as Stop[]).entries()) {
    await task.progress({ arrived: { storeId, stop } });
    await task.progress({ battery: { percent: 80 } });
    for (const { lineId, productId, quantity } of items) {
      const missing = Number(quantity) > 1 ? 1 : 0;
      const picked = Number(quantity) - missing;
      await task.progress({ itemPicked: { lineId, productId, storeId, quantity: `${picked}` } });
      if (missing) await task.progress({ itemShort: { lineId, productId, storeId, quantity: `${missing}` } });
      lines.push({ lineId, picked: `${picked}`, missing: `${missing}` });
    }
  }
  return { lines, walkedMm: '12500' };
}

/** It is where it has to be. */
const returner = {
  ...{ setOut() {}, onCollected() {}, onStop() {}, onReturned() {} },
  ...{ walkTo: async () => 1, putBack: async () => undefined, collect: async () => undefined },
};

describeWithRabbitMq('a mall whose bots speak two majors, on RabbitMQ', { timeout: mallTimeoutMs }, () => {
  describeWithPostgres('and PostgreSQL', () => {
    test('keeps every promise while the hub and each service are killed, though no service knows the second major', async () => {
      const place = await createPlace({ purpose: 'test', logLevel: 'silent', logger, databaseUrl, amqpUrl });
      cleanUp.defer(() => place.remove());
      const cast = new Cast();
      const { signal } = new AbortController();
      const stage = await openStage(place.environment, { processes: true, logger, events: cast, signal });
      cleanUp.defer(() => stage.close());
      const { mall, kiosk } = await openDoors(stage, { count: 2, processCount: 1, seed, timeScale }, signal);
      const { address } = stage.config;
      const telemetry = recordingTelemetry('test');

      const { watchStatus: _, ...unary } = RegistryService;
      const { api, close } = connectClient(unary, address.hub, telemetry);
      cleanUp.defer(close);
      const fileDescriptorSet = await descriptorsOf(shopV2);
      const author = { by: 'tester', reason: '' };
      const translation = JSON.stringify(shopTranslation);
      const published = { kind: 'shop.v2', fileDescriptorSet, sources: [], draft: false, translation, ...author };
      const { revision } = await api.publish(published, { deadlineMs: checkDeadlineMs });
      for (let n = 1; n <= 4; n++) {
        const kinds = [
          genericKind('shop.v2').serve((task) => shopping(task) as Promise<never>),
          returnKind.serve((task) => bringBack(task, returner)),
        ];
        const bot = connectBot({ hub: address.hub, botId: `second-${n}`, kinds });
        cleanUp.defer(() => bot.kill());
        await bot.ready();
      }
      const basedOn = (await api.list({ kind: 'shop.v2' })).kinds[0]!.version;
      await api.activate({ digest: revision!.digest, basedOn, ...author });

      const desk = openDesk(
        address.staff,
        { showsCode: (id) => kiosk.pickupCode(id), paysHere: () => false },
        telemetry,
      );
      cleanUp.defer(() => desk.close());
      let awaitsPick = Promise.withResolvers<void>();
      const events = {
        placed() {},
        happened(_plan: unknown, _order: unknown, { name }: { name: string }) {
          if (name !== 'bots.item_picked') return;
          awaitsPick.resolve();
        },
      };
      const plans = planShoppers(seed, mall, maxOrders, 0.1).map((plan) => ({ ...plan, pays: 'late' as const }));
      let isKilling = true;
      const visiting = letIn({ plans, atLeast, atOnce, goesOn: () => isKilling }, kiosk, events, signal);
      for (const name of ['hub', 'stores', 'hub', 'orders', 'depot', 'payments', 'hub']) {
        await awaitsPick.promise;
        awaitsPick = Promise.withResolvers();
        await cast.end(name, 'SIGKILL', signal);
      }
      isKilling = false;
      const placed = await visiting;

      const { database, broker } = stage.backends;
      await broker.declare(mallTopology);
      const facts = await awaitRest(database, restPatienceMs, signal);
      expect(check(facts)).toEqual([]);
      expect(facts.orders).toHaveLength(placed);
      expect(facts.orders.some(({ short }) => short > 0)).toBe(true);
      const told = { ...(await readProtocolFacts(database, broker, signal)), offers: [] };
      expect(checkProtocol(told)).toEqual([]);
      const second = told.reports.filter(({ digest }) => digest === revision!.digest);
      expect(second.length).toBeGreaterThan(0);
      expect(second.length).toBeLessThan(told.reports.length);
    });
  });
});
