import { afterEach, describe, expect, test } from 'vitest';
import { check } from '../../src/audit/checks.ts';
import { type Config, endpointNames, endpointVariable, readConfig } from '../../src/config.ts';
import type { Database } from '../../src/database/port.ts';
import { openDoors, productCount } from '../../src/demo/doors.ts';
import { KioskClient, KioskRefusal } from '../../src/demo/kiosk-client.ts';
import { drawMall, type Mall } from '../../src/demo/mall.ts';
import { createPlace, type Place } from '../../src/demo/place.ts';
import { planShoppers, type ShopperPlan } from '../../src/demo/shopper.ts';
import { openStage } from '../../src/demo/stage.ts';
import { awaitRest } from '../../src/demo/verdict.ts';
import { StaffService } from '../../src/gen/staff/v1/staff.ts';
import { freePort } from '../../src/kit/free-port.ts';
import { connectClient } from '../../src/rpc/client.ts';
import { Cast } from '../chaos/cast.ts';
import { mallTimeoutMs, Program } from '../support/program.ts';
import { amqpUrl, databaseUrl, describeWithPostgres, describeWithRabbitMq } from '../support/services.ts';
import { silentLogger as logger } from '../support/silent-logger.ts';
import { recordingTelemetry } from '../support/telemetry.ts';

const seed = 7;
/** A tour takes two seconds: long enough to be cancelled while it lasts. */
const timeScale = 50;
const botCount = 8;
/** Nobody finds what the eighth order of a mall is for: no bot ever picks anything for it. */
const unfindable = 7;
/** What is under way after the last order has ended, ms. */
const restPatienceMs = 30_000;

let cleanUp = new AsyncDisposableStack();
afterEach(async () => {
  await cleanUp.disposeAsync();
  cleanUp = new AsyncDisposableStack();
});

/** A mall whose processes can be killed, on one of the two stacks. */
interface TestMall {
  readonly config: Config;
  readonly mall: Mall;
  readonly kiosk: KioskClient;
  /** What is killed, once each while orders at all stages are being cancelled. Resolves when a successor runs. */
  readonly crashPoints: ReadonlyArray<readonly [name: string, kill: () => Promise<void>]>;
  /** The tables, when all orders have ended. */
  atRest(): Promise<Database>;
}

/** How far an order is when it is cancelled, and how it gets there. `paid` orders are paid before that, or at the same moment. */
const stages = {
  'just placed, while it is paid': { paid: 'meanwhile', until: undefined },
  'list created': { paid: 'no', until: 'depot.list_created' },
  'a bot has begun, paid': { paid: 'before', until: 'bots.task_started' },
  'items picked': { paid: 'no', until: 'bots.item_picked' },
  'in a bay, unpaid': { paid: 'no', until: 'orders.ready' },
  'in a bay, paid': { paid: 'before', until: 'orders.collectable' },
} as const;
type Stage = keyof typeof stages;
/** Their orders wait for as long as nobody cancels them: they are placed ahead. */
const waitingStages: readonly Stage[] = ['in a bay, unpaid', 'in a bay, paid'];
const fleetingStages = (Object.keys(stages) as Stage[]).filter((stage) => !waitingStages.includes(stage));

/** Shoppers and a desk who know what they want. */
class Shoppers {
  readonly #kiosk: KioskClient;
  readonly #plans: Iterator<ShopperPlan>;
  #placed = 0;

  constructor({ kiosk, mall }: TestMall, count: number) {
    this.#kiosk = kiosk;
    this.#plans = planShoppers(seed, mall, count + 1)
      .filter((_, index) => index !== unfindable)
      .values();
  }

  /** Resolves with the order's id when it is at `stage`. */
  async orderAt(stage: Stage): Promise<string> {
    const { shopper, currency, lines } = this.#plans.next().value as ShopperPlan;
    const { orderId } = await this.#kiosk.placeOrder(`order-${this.#placed++}`, { shopper, currency, lines });
    const { paid, until } = stages[stage];
    if (paid === 'before') await this.pay(orderId);
    if (until) await this.hearsOf(orderId, until);
    return orderId;
  }

  async hearsOf(orderId: string, ...names: string[]): Promise<string> {
    for await (const { name } of this.#kiosk.events(orderId)) if (names.includes(name)) return name;
    throw new Error(`order ${orderId} has ended without ${names}`);
  }

  /** Pays what is due, which is issued a moment after the order and falls when items are short; resolves with whether it could. */
  async pay(orderId: string): Promise<boolean> {
    for (;;) {
      const { invoice } = await this.#kiosk.order(orderId);
      if (!invoice) continue;
      try {
        await this.#kiosk.pay(`payment-${orderId}-${invoice.due.minor}`, orderId, invoice.due);
        return true;
      } catch (error) {
        if (!(error instanceof KioskRefusal)) throw error;
        if (error.reason === 'INVOICE_CANCELLED') return false;
      }
    }
  }

  /** Who cancels an order while it is paid does both at once. */
  async cancel(orderId: string, stage: Stage): Promise<void> {
    const paying = stages[stage].paid === 'meanwhile' ? this.pay(orderId) : undefined;
    const { state } = await this.#kiosk.cancel(`cancel-${orderId}`, orderId, stage);
    expect(['cancelling', 'cancelled'], stage).toContain(state);
    await paying;
  }
}

/** Cancels orders at every stage, kills one process after the other meanwhile, and holds what is left against every promise. */
async function cancelEverywhere(mall: TestMall): Promise<void> {
  const { crashPoints, kiosk, config } = mall;
  const shoppers = new Shoppers(mall, crashPoints.length * Object.keys(stages).length + 1);
  const ahead = crashPoints.flatMap(() => waitingStages);
  const [sold, ...inBays] = await Promise.all(
    (['in a bay, paid', ...ahead] as const).map(async (stage) => [stage, await shoppers.orderAt(stage)] as const),
  );
  const desk = connectClient(StaffService, config.address.staff, recordingTelemetry('desk'));
  cleanUp.defer(() => desk.close());
  const pickupCode = kiosk.pickupCode(sold![1])!;
  await desk.api.handOver({ orderId: sold![1], pickupCode, identityReason: '' });

  const cancelled: string[] = [];
  for (const [index, [, kill]] of crashPoints.entries()) {
    const isCancelled = Promise.withResolvers<void>();
    const cancel = async (stage: Stage, orderId: string) => {
      await shoppers.cancel(orderId, stage);
      cancelled.push(orderId);
      isCancelled.resolve();
    };
    const waiting = inBays.slice(index * waitingStages.length, (index + 1) * waitingStages.length);
    // The kill comes when the first cancellation is kept and the others are at any line.
    await Promise.all([
      isCancelled.promise.then(kill),
      ...fleetingStages.map(async (stage) => cancel(stage, await shoppers.orderAt(stage))),
      ...waiting.map(([stage, orderId]) => cancel(stage, orderId)),
      expect(kiosk.cancel(`late-${index}`, sold![1], 'too late')).rejects.toMatchObject({
        status: 409,
        reason: 'ORDER_COMPLETED',
      }),
    ]);
  }
  for (const orderId of cancelled) expect(await shoppers.hearsOf(orderId, 'orders.cancelled')).toBe('orders.cancelled');

  const database = await mall.atRest();
  const facts = await awaitRest(database, restPatienceMs, new AbortController().signal);
  expect(check(facts)).toEqual([]);
  expect(facts.cancellations.map(({ orderId }) => orderId).sort()).toEqual(cancelled.toSorted());
  expect(facts.orders.filter(({ state }) => state === 'COMPLETED').map(({ orderId }) => orderId)).toEqual([sold![1]]);
  // There was money to give back, and goods to bring back from bots and from bays.
  expect(facts.invoices.filter(({ refunded }) => refunded > 0).length).toBeGreaterThan(crashPoints.length);
  expect(facts.returns.filter(({ state }) => state === 'done').length).toBeGreaterThan(2 * crashPoints.length);
  expect(facts.returns.filter(({ state }) => state === 'lost')).toEqual([]);
}

/** Every role in a process of its own, on RabbitMQ and PostgreSQL. */
async function openOnServers(): Promise<TestMall> {
  const place = await scratch({ databaseUrl, amqpUrl });
  const cast = new Cast();
  const { signal } = new AbortController();
  const stage = await openStage(place.environment, { processes: true, logger, events: cast, signal });
  cleanUp.defer(() => stage.close());
  const doors = await openDoors(stage, { count: botCount, processCount: 2, seed, timeScale }, signal);
  return {
    ...doors,
    config: stage.config,
    crashPoints: (['orders', 'depot', 'payments', 'stores', 'hub'] as const).map((name) => [
      name,
      () => cast.end(name, 'SIGKILL', signal),
    ]),
    atRest: async () => stage.backends.database,
  };
}

/** Everything in one process, its PostgreSQL included; it is the only one there is to kill. */
async function openEmbedded(): Promise<TestMall> {
  const place = await scratch({});
  const listen: Record<string, string> = {};
  for (const each of endpointNames) listen[endpointVariable(each, 'LISTEN')] = `127.0.0.1:${await freePort()}`;
  const environment = { ...place.environment, ...listen } as Record<string, string>;
  const config = readConfig(environment);
  let program: Program | undefined;
  cleanUp.defer(async () => void (await program?.kill('SIGTERM')));
  const open = async () => {
    program = new Program(['up', `--bots=${botCount}`, `--seed=${seed}`, `--time-scale=${timeScale}`], environment);
    await program.line(/The mall is open/);
  };
  await open();
  const mall = drawMall(seed);
  const kiosk = new KioskClient(config.address.kiosk, new AbortController().signal);
  await expect
    .poll(async () => (await kiosk.products()).products.length, { timeout: mallTimeoutMs })
    .toBe(productCount(mall));
  return {
    ...{ config, mall, kiosk },
    crashPoints: [
      [
        'all of it',
        async () => {
          await program!.kill('SIGKILL');
          await open();
        },
      ],
    ],
    // Its roles come to rest in this process, which may look at their tables then.
    async atRest() {
      await program!.kill('SIGTERM');
      program = undefined;
      const stage = await openStage(place.environment, { processes: false, logger, events: {} });
      cleanUp.defer(() => stage.close());
      return stage.backends.database;
    },
  };
}

async function scratch(servers: { databaseUrl?: string; amqpUrl?: string }): Promise<Place> {
  const place = await createPlace({ purpose: 'test', logLevel: 'silent', logger, ...servers });
  cleanUp.defer(() => place.remove());
  return place;
}

const promise = 'gives all money and all goods back, whatever is killed while orders at every stage are cancelled';

describe('an embedded mall', { timeout: mallTimeoutMs }, () => {
  test(promise, async () => cancelEverywhere(await openEmbedded()));
});

describeWithRabbitMq('a mall on RabbitMQ', { timeout: mallTimeoutMs }, () => {
  describeWithPostgres('and PostgreSQL', () => {
    test(promise, async () => cancelEverywhere(await openOnServers()));
  });
});
