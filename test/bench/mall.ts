import { trace } from '@opentelemetry/api';
import { newId } from '../../src/contract/ids.ts';
import { openDesk } from '../../src/demo/desk.ts';
import { openDoors } from '../../src/demo/doors.ts';
import { drawOrders } from '../../src/demo/mall.ts';
import { createPlace } from '../../src/demo/place.ts';
import { shop } from '../../src/demo/shopper.ts';
import { openStage, type Stage } from '../../src/demo/stage.ts';
import { FleetAdminService, ListBotsRequest } from '../../src/gen/fleet/v1/fleet.ts';
import { pause } from '../../src/kit/backoff.ts';
import { connectClient } from '../../src/rpc/client.ts';
import { createLogger } from '../../src/telemetry/logger.ts';
import { createTelemetry } from '../../src/telemetry/setup.ts';
import type { Servers } from './figure.ts';

const seed = 7;
const deadlineMs = 300_000;
const everyBot = ListBotsRequest.fromPartial({ connectedOnly: true, pageSize: 1_000 });

export interface Load {
  readonly orders: number;
  readonly bots: number;
  readonly botProcesses: number;
  readonly timeScale: number;
  /** Shoppers at the kiosks at once. */
  readonly shoppers: number;
}

/** A fresh mall under `load`, all roles in one process as in `mallbots up`; `look` runs when the last order has ended. */
export async function underLoad<T>(
  { servers, signal }: { servers: Servers; signal: AbortSignal },
  load: Load,
  look: (stage: Stage, elapsedMs: number) => Promise<T>,
): Promise<T> {
  const logger = createLogger('bench', 'error');
  const place = await createPlace({ purpose: 'bench', ...servers, logLevel: 'error', logger });
  try {
    const stage = await openStage(place.environment, { processes: false, logger, events: {} });
    try {
      const elapsedMs = await serve(stage, load, signal);
      return await look(stage, elapsedMs);
    } finally {
      await stage.close();
    }
  } finally {
    await place.remove();
  }
}

/** Lets every shopper in and answers with the time from the first order to the last hand-over. */
async function serve(stage: Stage, load: Load, interrupted: AbortSignal): Promise<number> {
  const { config } = stage;
  const { orders, bots, botProcesses, timeScale, shoppers } = load;
  const signal = AbortSignal.any([interrupted, AbortSignal.timeout(deadlineMs)]);
  const fleet = { count: bots, processCount: botProcesses, seed, timeScale, shortSkus: [] };
  const { mall, kiosk } = await openDoors(stage, fleet, signal);
  const hub = connectClient(FleetAdminService, config.address.hub, { tracer: trace.getTracer('bench') });
  await until(async () => (await hub.api.listBots(everyBot)).bots.length === bots, signal);
  hub.close();

  const telemetry = createTelemetry({ ...config, role: 'desk', instanceId: newId() });
  const desk = openDesk(config.address.staff, { showsCode: (orderId) => kiosk.pickupCode(orderId) }, telemetry);
  const plans = drawOrders(seed, mall, orders).entries();
  const startedAt = performance.now();
  try {
    const shopper = async () => {
      for (const [index, { shopper: name, lines }] of plans) {
        const plan = { shopper: name, currency: mall.currency, lines, pays: 'early' } as const;
        await shop(`bench-${index}`, plan, kiosk, { placed() {}, happened() {} }, signal);
      }
    };
    await Promise.all(Array.from({ length: shoppers }, shopper));
    return performance.now() - startedAt;
  } finally {
    await desk.close();
    await telemetry.shutdown();
  }
}

async function until(holds: () => Promise<boolean>, signal: AbortSignal): Promise<void> {
  while (!(await holds())) {
    signal.throwIfAborted();
    await pause(50, signal);
  }
}
