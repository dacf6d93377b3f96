import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { check, type Facts, type Violation } from '../audit/checks.ts';
import { readSpans } from '../audit/spans.ts';
import { readFacts } from '../audit/store.ts';
import { checkTraces, orderTraces } from '../audit/traces.ts';
import { type Config, hostEnvironment } from '../config.ts';
import { newId } from '../contract/ids.ts';
import { pause } from '../kit/backoff.ts';
import { rootMessage } from '../kit/root-message.ts';
import type { SupervisorEvents } from '../runtime/supervisor.ts';
import { createLogger, type LogLevel, logLevels } from '../telemetry/logger.ts';
import { createTelemetry } from '../telemetry/setup.ts';
import { openDesk } from './desk.ts';
import { KioskClient } from './kiosk-client.ts';
import { drawMall, drawOrders, type Mall } from './mall.ts';
import { Narrator, type Say } from './narrator.ts';
import { openMall } from './open-mall.ts';
import type { DemoOptions } from './options.ts';
import { type DemoReport, report } from './report.ts';
import { createScratch } from './scratch.ts';
import { type ShopperPlan, shop } from './shopper.ts';
import { openStage, type Stage } from './stage.ts';

/** One shopper after the other at the kiosk, ms apart: a queue, and so that the story can be followed. */
const shopperEveryMs = 60;
/** After the last order has ended, what it set off may still be under way; what is not at rest by then is a violation. */
const restTimeoutMs = 20_000;
const restPollMs = 200;

/** The whole demo, from an empty place to the report; everything it made is gone afterwards unless `keep`. */
export async function runDemo(options: DemoOptions, say: Say, stop: AbortSignal): Promise<DemoReport> {
  const startedAt = Date.now();
  const name = `mallbots_demo_${newId().slice(-12)}`;
  const logger = createLogger('demo', logLevel());
  const { databaseUrl = '', amqpUrl = '' } = options;
  const scratch = await createScratch(name, { databaseUrl, amqpUrl, logger });
  const directory = mkdtempSync(join(tmpdir(), `${name}-`));
  // The embedded PostgreSQL may run as another user, who has to get through.
  chmodSync(directory, 0o755);
  const environment = {
    ...hostEnvironment,
    DATABASE_URL: scratch.databaseUrl,
    AMQP_URL: amqpUrl,
    MALLBOTS_NAMESPACE: scratch.namespace,
    MALLBOTS_DATA: directory,
    MALLBOTS_TRACE_FILE: join(directory, 'traces.jsonl'),
    MALLBOTS_LOG_LEVEL: logLevel(),
  };
  const narrator = new Narrator(say, startedAt);
  const timeout = AbortSignal.timeout(options.timeout * 1_000);
  try {
    let deaths = 0;
    const events: SupervisorEvents = {
      started: (name, pid) => narrator.started(name, pid),
      died(name, how, restartInMs) {
        deaths += 1;
        narrator.died(name, how, restartInMs);
      },
    };
    const processes = options.processes === true;
    const stage = await openStage(environment, { processes, logger, events, signal: stop });
    let facts: Facts;
    try {
      await play(stage, options, narrator, AbortSignal.any([stop, timeout]));
      stop.throwIfAborted();
      facts = await awaitRest(stage, stop);
    } finally {
      await stage.close();
    }
    return judge(facts, stage.config, options, { interrupted: deaths > 0, durationMs: Date.now() - startedAt });
  } finally {
    if (options.keep) narrator.say('demo', `leaves ${scratch.databaseUrl || 'its database'} and ${directory} behind`);
    else {
      // A reason to fail that is under way is not replaced by this one.
      await scratch.remove().catch((error: unknown) => {
        narrator.say('demo', `cannot remove ${name} from the servers (${rootMessage(error)}); remove it by hand`);
      });
      rmSync(directory, { recursive: true, force: true });
    }
  }
}

/** The story goes to the terminal, so only what is wrong is logged there, unless somebody asks for more. */
function logLevel(): LogLevel {
  const wanted = hostEnvironment.MALLBOTS_LOG_LEVEL as LogLevel;
  return logLevels.includes(wanted) ? wanted : 'error';
}

/** Opens the mall, lets every shopper in, and returns when each order has ended or `signal` aborts. */
async function play(stage: Stage, options: DemoOptions, narrator: Narrator, signal: AbortSignal): Promise<void> {
  const { config } = stage;
  const { seed, orders, bots, timeScale } = options;
  const mall = drawMall(seed);
  const { misplacedSkus } = await openMall(mall, config.address.stores);
  stage.startBots({ count: bots, seed, timeScale, shortSkus: misplacedSkus });
  const kiosk = new KioskClient(config.address.kiosk, signal);
  await catalogueArrived(kiosk, mall, signal);
  narrator.say(
    'mall',
    `opens: ${mall.stores.length} stores, ${productCount(mall)} products, ${bots} bots, ${orders} orders to come`,
  );

  const plans = drawOrders(seed, mall, orders).map(({ shopper, lines, paysEarly }, index): ShopperPlan => {
    // Of those who pay late, every second one does so at the desk.
    const late = index % 4 === 1 ? 'at the desk' : 'late';
    return { shopper, currency: mall.currency, lines, pays: paysEarly ? 'early' : late };
  });
  const paysAtDesk = new Set<string>();
  const deskTelemetry = createTelemetry({ ...config, role: 'desk', instanceId: newId() });
  const desk = openDesk(config.address.staff, (orderId) => paysAtDesk.has(orderId), deskTelemetry);
  const cast = narrator.cast(mall);
  try {
    const shoppers = plans.map(async (plan, index) => {
      await pause(index * shopperEveryMs, signal);
      const events = {
        ...cast,
        placed(...[who, order]: Parameters<typeof cast.placed>) {
          if (who.pays === 'at the desk') paysAtDesk.add(order.orderId);
          cast.placed(who, order);
        },
      };
      await shop(`shopper-${index}`, plan, kiosk, events, signal);
    });
    await Promise.all(
      shoppers.map((shopper) =>
        shopper.catch((error: unknown) => {
          if (!signal.aborted) throw error;
        }),
      ),
    );
  } finally {
    await desk.close();
    await deskTelemetry.shutdown();
  }
}

const productCount = (mall: Mall): number => mall.stores.reduce((sum, store) => sum + store.products.length, 0);

/** The kiosk and Orders keep their own copies of the catalogue; shoppers come when it is there. */
async function catalogueArrived(kiosk: KioskClient, mall: Mall, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    const { products } = await kiosk.products();
    if (products.length === productCount(mall)) return;
    await pause(restPollMs, signal);
  }
}

/** The facts of a mall at rest, or what they are when it does not come to rest in time. */
async function awaitRest(stage: Stage, signal: AbortSignal): Promise<Facts> {
  const giveUpAt = Date.now() + restTimeoutMs;
  for (;;) {
    const facts = await readFacts(stage.backends.database);
    if (check(facts).length === 0 || Date.now() > giveUpAt || signal.aborted) return facts;
    await pause(restPollMs, signal);
  }
}

function judge(
  facts: Facts,
  { traceFile }: Config,
  { bots, orders }: DemoOptions,
  { interrupted, durationMs }: { interrupted: boolean; durationMs: number },
): DemoReport {
  const spans = readSpans(traceFile);
  const violations: Violation[] = [...check(facts), ...checkTraces(facts, spans, interrupted)];
  if (facts.orders.length !== orders) {
    const message = `${facts.orders.length} orders are in the tables, ${orders} were to be placed`;
    violations.push({ rule: 'every order is placed once', subject: 'orders', message });
  }
  return report(facts, { bots, traces: orderTraces(facts.orders, spans), violations, durationMs });
}
