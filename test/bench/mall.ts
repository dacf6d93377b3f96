import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { trace } from '@opentelemetry/api';
import { hostEnvironment } from '../../src/config.ts';
import { newId } from '../../src/contract/ids.ts';
import { openDesk } from '../../src/demo/desk.ts';
import { KioskClient } from '../../src/demo/kiosk-client.ts';
import { drawMall, drawOrders } from '../../src/demo/mall.ts';
import { openMall } from '../../src/demo/open-mall.ts';
import { createScratch } from '../../src/demo/scratch.ts';
import { shop } from '../../src/demo/shopper.ts';
import { openStage, type Stage } from '../../src/demo/stage.ts';
import { FleetAdminService } from '../../src/gen/fleet/v1/fleet.ts';
import { pause } from '../../src/kit/backoff.ts';
import { connectClient } from '../../src/rpc/client.ts';
import { createLogger } from '../../src/telemetry/logger.ts';
import { createTelemetry } from '../../src/telemetry/setup.ts';
import type { Servers } from './figure.ts';

const seed = 7;
const deadlineMs = 300_000;

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
  const name = `mallbots_bench_${newId().slice(-12)}`;
  const directory = mkdtempSync(join(tmpdir(), `${name}-`));
  chmodSync(directory, 0o755);
  const logger = createLogger('bench', 'error');
  const scratch = await createScratch(name, { ...servers, logger });
  const environment = {
    ...hostEnvironment,
    DATABASE_URL: scratch.databaseUrl,
    AMQP_URL: servers.amqpUrl,
    MALLBOTS_NAMESPACE: scratch.namespace,
    MALLBOTS_DATA: directory,
    MALLBOTS_LOG_LEVEL: 'error',
  };
  try {
    const stage = await openStage(environment, { processes: false, logger, events: {} });
    try {
      const elapsedMs = await serve(stage, load, signal);
      return await look(stage, elapsedMs);
    } finally {
      await stage.close();
    }
  } finally {
    await scratch.remove();
    rmSync(directory, { recursive: true, force: true });
  }
}

/** Lets every shopper in and answers with the time from the first order to the last hand-over. */
async function serve(stage: Stage, load: Load, interrupted: AbortSignal): Promise<number> {
  const { config } = stage;
  const { orders, bots, botProcesses, timeScale, shoppers } = load;
  const signal = AbortSignal.any([interrupted, AbortSignal.timeout(deadlineMs)]);
  const mall = drawMall(seed);
  await openMall(mall, config.address.stores);
  stage.startBots({ count: bots, processCount: botProcesses, seed, timeScale, shortSkus: [] });
  const kiosk = new KioskClient(config.address.kiosk, signal);
  const productCount = mall.stores.reduce((sum, store) => sum + store.products.length, 0);
  await until(async () => (await kiosk.products()).products.length === productCount, signal);
  const hub = connectClient(FleetAdminService, config.address.hub, { tracer: trace.getTracer('bench') });
  await until(async () => (await hub.api.listBots({ connectedOnly: true })).bots.length === bots, signal);
  hub.close();

  const telemetry = createTelemetry({ ...config, role: 'desk', instanceId: newId() });
  const desk = openDesk(config.address.staff, () => false, telemetry);
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
