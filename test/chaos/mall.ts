import { openSync } from 'node:fs';
import { join } from 'node:path';
import type { Logger } from 'pino';
import type { Environment } from '../../src/config.ts';
import type { Database } from '../../src/database/port.ts';
import { openDoors } from '../../src/demo/doors.ts';
import type { Place } from '../../src/demo/place.ts';
import { openStage, type Stage } from '../../src/demo/stage.ts';
import { pause } from '../../src/kit/backoff.ts';
import { checkHealth } from '../../src/runtime/health.ts';
import { Cast } from './cast.ts';
import { Crowd } from './crowd.ts';
import { FleetView } from './fleet-view.ts';
import type { ChaosServers } from './servers.ts';
import { Wires } from './wires.ts';

const hubCount = 2;
export const botCount = 8;
const botProcesses = 4;
/** A tour takes some four seconds: longer than most faults, shorter than the patience of whoever waits for the mall to come to rest. */
const timeScale = 30;
/** Short, so that a run has time for many; long enough for a heartbeat to come through on a machine that starts processes all the time. */
const leaseMs = 2_500;

const preload = new URL('./preload.ts', import.meta.url).href;

/** What a fault can get at. */
export interface ChaosMall extends AsyncDisposable {
  readonly stage: Stage;
  readonly servers: ChaosServers;
  readonly database: Database;
  readonly cast: Cast;
  readonly wires: Wires;
  readonly fleet: FleetView;
  readonly crowd: Crowd;
  /** Of the crash points, and of the processes' log. */
  readonly directory: string;
  readonly leaseMs: number;
  /** Aborts when nobody wants to know any more. */
  readonly signal: AbortSignal;
  pass(ms: number): Promise<void>;
  isServing(hub: string): Promise<boolean>;
  /** The bots of a process. */
  botIdsOf(process: string): string[];
}

export interface MallOptions {
  readonly servers: ChaosServers;
  readonly place: Place;
  readonly seed: number;
  /** Empty: none. */
  readonly defect: string;
  readonly logger: Logger;
  readonly signal: AbortSignal;
}

/** A mall with a process per role and several hubs, each way in it through a proxy, its sources with crash points in them. */
export async function openChaosMall(options: MallOptions): Promise<ChaosMall> {
  const { servers, place, seed, defect, logger } = options;
  const closing = new AbortController();
  const signal = AbortSignal.any([options.signal, closing.signal]);
  const { directory } = place;
  const environment: Environment = {
    ...place.environment,
    MALLBOTS_HUB_LEASE_MS: String(leaseMs),
    MALLBOTS_CHAOS_DIRECTORY: directory,
    MALLBOTS_CHAOS_DEFECT: defect,
    NODE_OPTIONS: `--import=${preload}`,
  };
  await using opening = new AsyncDisposableStack();
  const cast = new Cast();
  const wires = await Wires.open(environment);
  opening.defer(() => wires.close());
  const stage = await openStage(environment, {
    processes: true,
    hubs: hubCount,
    prepare: (process) => wires.prepare(process),
    logger,
    events: cast,
    log: openSync(join(directory, 'processes.log'), 'a'),
    signal,
  });
  opening.defer(() => stage.close());
  const fleet = new FleetView(wires.hubs.map(({ listen }) => listen));
  opening.defer(() => fleet.close());
  const bots = { count: botCount, processCount: botProcesses, seed, timeScale };
  const crowd = new Crowd(await openDoors(stage, bots, signal), { config: stage.config, bots: botCount, seed, signal });
  opening.use(crowd);
  // Shoppers who are still inside come again for as long as they are not told.
  opening.defer(() => closing.abort(new Error('the mall is closed')));
  // Nobody ends who cannot run.
  opening.defer(() => cast.thaw());
  const parts = opening.move();
  return {
    stage,
    servers,
    database: stage.backends.database,
    cast,
    wires,
    fleet,
    crowd,
    directory,
    leaseMs,
    signal,
    async pass(ms) {
      await pause(ms, signal);
      signal.throwIfAborted();
    },
    async isServing(name) {
      const { listen } = wires.hubs.find((hub) => hub.name === name)!;
      return checkHealth('hub', listen).then(
        () => true,
        () => false,
      );
    },
    botIdsOf(process) {
      const [first = 0, last = first] = process.split(/[ -]/).slice(1).map(Number);
      return Array.from({ length: last - first + 1 }, (_, index) => `bot-${first + index}`);
    },
    [Symbol.asyncDispose]: () => parts.disposeAsync(),
  };
}
