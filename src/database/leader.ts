import type { Logger } from 'pino';
import { type BackoffPolicy, backoffMs, pause } from '../kit/backoff.ts';
import type { Database } from './port.ts';

const backoff: BackoffPolicy = { firstMs: 100, maxMs: 5_000, factor: 2 };

export interface LeaderOptions {
  readonly database: Pick<Database, 'withLock'>;
  /** Name of the lock: whoever holds it leads. */
  readonly lock: string;
  readonly logger: Logger;
}

/** The time from getting the lock until it is lost or given back. */
export interface Term {
  /** Aborts at the end of the term. When `stopping` has not aborted as well the lock is lost: begin nothing more, somebody else has it. */
  readonly signal: AbortSignal;
  /** Aborts when this process is to stop; until `lead` returns it holds the lock still. */
  readonly stopping: AbortSignal;
  /** The term has done some of its work: a failure after that is a first one again. */
  readonly progressed: () => void;
}

/**
 * Leader election: `lead` runs in one process at a time, over all processes; the others stand by, and one of them follows within seconds when a leader
 * dies or freezes. Goes on after every failure, of the lock as of `lead`, with back-off, until it is stopped.
 */
export function standForLeader(options: LeaderOptions, lead: (term: Term) => Promise<void>): { stop(): Promise<void> } {
  const stopping = new AbortController();
  const done = keepStanding(options, stopping.signal, lead);
  return {
    async stop() {
      stopping.abort();
      await done;
    },
  };
}

async function keepStanding(
  { database, lock, logger }: LeaderOptions,
  stopping: AbortSignal,
  lead: (term: Term) => Promise<void>,
): Promise<void> {
  let failures = 0;
  const progressed = () => {
    failures = 0;
  };
  while (!stopping.aborted) {
    try {
      await database.withLock(lock, stopping, (signal) => lead({ signal, stopping, progressed }));
    } catch (error) {
      logger.warn({ err: error, lock, failures }, 'a leader failed; tried again');
    }
    failures += 1;
    await pause(backoffMs(backoff, failures, Math.random()), stopping);
  }
}
