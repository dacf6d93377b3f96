import type { Tracer } from '@opentelemetry/api';
import type { BotLogger } from '../sdk/index.ts';
import { type FaultOptions, noFaults } from './faults.ts';
import { type FleetEvent, type FleetStats, Tally } from './fleet-event.ts';
import { Robot } from './robot.ts';

export interface FleetOptions {
  /** `host:port`, or several separated by commas. */
  readonly hub: string;
  readonly count: number;
  /** Bots are called by prefix and number: `bot-1`, `bot-2`, ... */
  readonly namePrefix?: string;
  readonly firstNumber?: number;
  /** The same seed brings the same faults upon the same orders. */
  readonly seed?: number;
  /** 10 is ten times faster than life. */
  readonly timeScale?: number;
  readonly faults?: Partial<FaultOptions>;
  /** Robots also do tasks of kinds that they were not made for, as well as they can. */
  readonly generic?: boolean;
  /** Exists; a file per bot there keeps what survives its program. */
  readonly stateDirectory?: string | undefined;
  readonly tracer?: Tracer;
  readonly logger?: BotLogger;
  readonly onEvent?: (event: FleetEvent) => void;
}

export interface Fleet extends AsyncDisposable {
  /** Robots end their tours first, for at most `deadlineMs` (30 s when not given); what is left goes back to the hub. */
  stop(options?: { deadlineMs?: number }): Promise<void>;
  stats(): FleetStats;
}

const stopDeadlineMs = 30_000;

/**
 * Sets simulated robots on the floor; they connect by themselves and come back after every loss, until `stop`.
 * @throws RangeError when a number is out of its range
 */
export function startFleet(options: FleetOptions): Fleet {
  const { hub, count, namePrefix = 'bot-', firstNumber = 1, seed = 1, timeScale = 1, tracer, logger } = options;
  const { generic = false } = options;
  if (!(timeScale > 0)) throw new RangeError(`timeScale is ${timeScale}; give a number above 0, 1 is real time`);
  if (!(Number.isInteger(count) && count >= 0)) throw new RangeError(`count is ${count}; give a whole number`);
  const tally = new Tally();
  const tell = (event: FleetEvent) => {
    tally.add(event);
    options.onEvent?.(event);
  };
  const faults = { ...noFaults, ...options.faults };
  const robots = Array.from({ length: count }, (_, index) => {
    const botId = `${namePrefix}${firstNumber + index}`;
    return new Robot({
      hub,
      botId,
      seed,
      timeScale,
      faults,
      generic,
      stateDirectory: options.stateDirectory,
      tracer,
      logger,
      tell,
    });
  });
  const stop = async ({ deadlineMs = stopDeadlineMs } = {}) => {
    await Promise.all(robots.map((robot) => robot.stop(deadlineMs)));
  };
  return {
    stop,
    stats: () => tally.stats(robots.length, robots.filter((robot) => robot.isConnected).length),
    [Symbol.asyncDispose]: stop,
  };
}
