import { mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { hostEnvironment } from '../../src/config.ts';
import { newId } from '../../src/contract/ids.ts';
import { inboxOf, type Subscriber, subscriptions } from '../../src/contract/topology.ts';
import { createScratch } from '../../src/demo/scratch.ts';
import { freePort } from '../../src/kit/free-port.ts';
import { awaitHealth } from '../../src/runtime/health.ts';
import { createLogger } from '../../src/telemetry/logger.ts';
import type { Surroundings } from './figure.ts';
import type { UsageCommands } from './usage-preload.ts';
import { Worker } from './worker.ts';

const program = '../../src/cli/mallbots.js';
const preload = new URL('./usage-preload.ts', import.meta.url).href;

/** Of the log of a hub that does not start. */
const shownLogChars = 2_000;

/** A mall of which only the hub runs, as in production: a process, a database and AMQP names of its own. */
export interface HubMall extends AsyncDisposable {
  readonly address: string;
  readonly namespace: string;
  readonly databaseUrl: string;
  readonly amqpUrl: string;
  /** AMQP names of the services' inboxes. */
  readonly inboxes: readonly string[];
  readonly hub: Worker<UsageCommands>;
  /** `kill -9`, and the same hub again; resolves when it serves. */
  restart(): Promise<void>;
}

export async function openHubMall({ servers, signal, profileDirectory }: Surroundings): Promise<HubMall> {
  const name = `mallbots_bench_${newId().slice(-12)}`;
  const directory = mkdtempSync(join(tmpdir(), `${name}-`));
  const { databaseUrl, namespace, remove } = await createScratch(name, {
    ...servers,
    logger: createLogger('bench', 'error'),
  });
  const address = `127.0.0.1:${await freePort()}`;
  const log = join(directory, 'hub.log');
  const start = async () => {
    const started = new Worker<UsageCommands>(program, {
      signal,
      args: ['hub'],
      execArgv: [
        ...['--expose-gc', '--import', preload],
        ...(profileDirectory ? ['--cpu-prof', '--cpu-prof-dir', profileDirectory] : []),
      ],
      env: {
        ...hostEnvironment,
        DATABASE_URL: databaseUrl,
        AMQP_URL: servers.amqpUrl,
        MALLBOTS_NAMESPACE: namespace,
        MALLBOTS_DATA: directory,
        MALLBOTS_HUB_LISTEN: address,
        // All bots of a load come from this machine.
        MALLBOTS_HUB_MAX_CONNECTIONS_PER_ADDRESS: '1000000',
      },
      // At its usual level, as in production.
      stderr: openSync(log, 'a'),
    });
    try {
      await awaitHealth('hub', address);
      return started;
    } catch (cause) {
      await started.end();
      throw new Error(`the hub did not start: ${readFileSync(log, 'utf8').slice(-shownLogChars)}`, { cause });
    }
  };
  const close = async () => {
    await remove();
    rmSync(directory, { recursive: true, force: true });
  };
  let hub: Worker<UsageCommands>;
  try {
    hub = await start();
  } catch (error) {
    await close();
    throw error;
  }
  return {
    address,
    namespace,
    databaseUrl,
    amqpUrl: servers.amqpUrl,
    inboxes: (Object.keys(subscriptions) as Subscriber[]).map((subscriber) => `${namespace}.${inboxOf(subscriber)}`),
    get hub() {
      return hub;
    },
    async restart() {
      await hub.end();
      hub = await start();
    },
    async [Symbol.asyncDispose]() {
      // In good order where its profile is wanted: it is written at the exit.
      await hub.end(profileDirectory ? 'SIGTERM' : 'SIGKILL');
      await close();
    },
  };
}
