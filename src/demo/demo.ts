import type { Facts } from '../audit/checks.ts';
import { offersOf, readProtocolFacts } from '../audit/protocol-store.ts';
import { factsOf, readRecorded } from '../audit/spans.ts';
import { hostEnvironment } from '../config.ts';
import { newId } from '../contract/ids.ts';
import { rootMessage } from '../kit/root-message.ts';
import type { SupervisorEvents } from '../runtime/supervisor.ts';
import { createLogger, type LogLevel, logLevels } from '../telemetry/logger.ts';
import { createTelemetry } from '../telemetry/setup.ts';
import { letIn } from './arrivals.ts';
import { type Changed, changingFleet, judgeChange, playChange } from './change/play.ts';
import { openDesk } from './desk.ts';
import { openDoors, productCount } from './doors.ts';
import { leaverOfTraces } from './leave-traces.ts';
import { maxOrders } from './mall.ts';
import { Narrator, type Say } from './narrator.ts';
import type { DemoOptions } from './options.ts';
import { createPlace } from './place.ts';
import type { DemoReport } from './report.ts';
import { planShoppers } from './shopper.ts';
import { openStage, type Stage } from './stage.ts';
import { awaitRest, judge } from './verdict.ts';

/** After the last order has ended, what it set off may still be under way; what is not at rest by then is a violation. */
const restTimeoutMs = 20_000;

/** The whole demo, from an empty place to the report; everything it made is gone afterwards unless `keep`. */
export async function runDemo(options: DemoOptions, say: Say, stop: AbortSignal): Promise<DemoReport> {
  const startedAt = Date.now();
  const { databaseUrl, amqpUrl, processes = false, hubs = 1, bots } = options;
  const logger = createLogger('demo', logLevel());
  const leaveTraces = leaverOfTraces(hostEnvironment);
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
    let played: Played;
    let protocol: Awaited<ReturnType<typeof readProtocolFacts>> | undefined;
    try {
      const signal = AbortSignal.any([stop, timeout]);
      played = await play(stage, options, narrator, signal);
      stop.throwIfAborted();
      const { database, broker } = stage.backends;
      facts = await awaitRest(database, restTimeoutMs, signal);
      if (options.protocolChange) protocol = await readProtocolFacts(database, broker, stop);
    } finally {
      await stage.close();
    }
    const recorded = readRecorded(stage.config.traceFile);
    const spans = factsOf(recorded);
    const { placed, change } = played;
    const orders = options.protocolChange ? placed : options.orders;
    const durationMs = Date.now() - startedAt;
    const judged = judge(facts, { orders, bots, spans, interrupted: deaths > 0, durationMs });
    if (!protocol) return judged;
    return judgeChange(judged, { ...protocol, offers: offersOf(recorded) }, change, deaths);
  } finally {
    await leaveTraces(place.environment.MALLBOTS_TRACE_FILE!, (what) => narrator.say('demo', what));
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

interface Played {
  /** Orders that were placed. */
  readonly placed: number;
  /** What was done to the protocol, where that was asked for and came to its end. */
  readonly change?: Changed | undefined;
}

/** Opens the mall, lets every shopper in, and returns when each order has ended or `signal` aborts. */
async function play(stage: Stage, options: DemoOptions, narrator: Narrator, signal: AbortSignal): Promise<Played> {
  const { config } = stage;
  const { seed, orders, bots, timeScale, crashRate, disconnectRate, cancelRate, protocolChange = false } = options;
  const fleet = { count: bots, seed, timeScale, crashRate, disconnectRate, ...(protocolChange ? changingFleet : {}) };
  const { mall, kiosk } = await openDoors(stage, fleet, signal);
  narrator.say(
    'mall',
    `opens: ${mall.stores.length} stores, ${productCount(mall)} products, ${bots} bots, ${orders} orders to come`,
  );

  const paysAtDesk = new Set<string>();
  const deskTelemetry = createTelemetry({ ...config, role: 'desk', instanceId: newId() });
  const visitors = {
    showsCode: (orderId: string) => kiosk.pickupCode(orderId),
    paysHere: (orderId: string) => paysAtDesk.has(orderId),
  };
  const desk = openDesk(config.address.staff, visitors, deskTelemetry);
  const cast = narrator.cast(mall);
  let placed = 0;
  const events = {
    ...cast,
    placed(...[who, order]: Parameters<typeof cast.placed>) {
      placed += 1;
      if (who.pays === 'at the desk') paysAtDesk.add(order.orderId);
      cast.placed(who, order);
    },
  };
  try {
    if (!protocolChange) {
      const plans = planShoppers(seed, mall, orders, cancelRate);
      return { placed: await letIn({ plans, atLeast: orders }, kiosk, events, signal) };
    }
    return await playChange({ stage, mall, narrator, options, placed: () => placed, signal }, (goesOn, signal) => {
      const plans = planShoppers(seed, mall, maxOrders, cancelRate);
      // Bots that have nothing to do are there as well: the share of a canary is not a matter of who is nearest.
      return letIn({ plans, atLeast: orders, goesOn, atOnce: Math.ceil(bots / 2) }, kiosk, events, signal);
    });
  } finally {
    await desk.close();
    await deskTelemetry.shutdown();
  }
}
