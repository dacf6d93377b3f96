import type { Facts } from '../audit/checks.ts';
import { readSpans } from '../audit/spans.ts';
import { hostEnvironment } from '../config.ts';
import { newId } from '../contract/ids.ts';
import { pause } from '../kit/backoff.ts';
import { rootMessage } from '../kit/root-message.ts';
import type { SupervisorEvents } from '../runtime/supervisor.ts';
import { createLogger, type LogLevel, logLevels } from '../telemetry/logger.ts';
import { createTelemetry } from '../telemetry/setup.ts';
import { openDesk } from './desk.ts';
import { openDoors, productCount } from './doors.ts';
import { Narrator, type Say } from './narrator.ts';
import type { DemoOptions } from './options.ts';
import { createPlace } from './place.ts';
import type { DemoReport } from './report.ts';
import { planShoppers, shop } from './shopper.ts';
import { openStage, type Stage } from './stage.ts';
import { awaitRest, judge } from './verdict.ts';

/** One shopper after the other at the kiosk, ms apart: a queue, and so that the story can be followed. */
const shopperEveryMs = 60;
/** After the last order has ended, what it set off may still be under way; what is not at rest by then is a violation. */
const restTimeoutMs = 20_000;

/** The whole demo, from an empty place to the report; everything it made is gone afterwards unless `keep`. */
export async function runDemo(options: DemoOptions, say: Say, stop: AbortSignal): Promise<DemoReport> {
  const startedAt = Date.now();
  const { databaseUrl, amqpUrl, processes = false, hubs = 1, bots, orders } = options;
  const logger = createLogger('demo', logLevel());
  const place = await createPlace({ purpose: 'demo', databaseUrl, amqpUrl, logLevel: logLevel(), logger });
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
    const stage = await openStage(place.environment, { processes, hubs, logger, events, signal: stop });
    let facts: Facts;
    try {
      const signal = AbortSignal.any([stop, timeout]);
      await play(stage, options, narrator, signal);
      stop.throwIfAborted();
      facts = await awaitRest(stage.backends.database, restTimeoutMs, signal);
    } finally {
      await stage.close();
    }
    const spans = readSpans(stage.config.traceFile);
    return judge(facts, { orders, bots, spans, interrupted: deaths > 0, durationMs: Date.now() - startedAt });
  } finally {
    if (options.keep) {
      narrator.say('demo', `leaves ${place.databaseUrl || 'its database'} and ${place.directory} behind`);
    } else {
      // A reason to fail that is under way is not replaced by this one.
      await place.remove().catch((error: unknown) => {
        narrator.say('demo', `cannot remove ${place.name} from the servers (${rootMessage(error)}); remove it by hand`);
      });
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
  const { seed, orders, bots, timeScale, crashRate, disconnectRate, cancelRate } = options;
  const fleet = { count: bots, seed, timeScale, crashRate, disconnectRate };
  const { mall, kiosk } = await openDoors(stage, fleet, signal);
  narrator.say(
    'mall',
    `opens: ${mall.stores.length} stores, ${productCount(mall)} products, ${bots} bots, ${orders} orders to come`,
  );

  const paysAtDesk = new Set<string>();
  const deskTelemetry = createTelemetry({ ...config, role: 'desk', instanceId: newId() });
  const desk = openDesk(config.address.staff, (orderId) => paysAtDesk.has(orderId), deskTelemetry);
  const cast = narrator.cast(mall);
  try {
    const shoppers = planShoppers(seed, mall, orders, cancelRate).map(async (plan, index) => {
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
