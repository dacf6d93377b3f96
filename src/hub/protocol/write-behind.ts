import type { Logger } from 'pino';
import type { Database, Orm } from '../../database/port.ts';
import { pause } from '../../kit/backoff.ts';
import { Loop } from '../../kit/loop.ts';
import { retryBackoff } from '../limits.ts';

/** Rows of one statement; takes some 20 ms. */
const maxRows = 1_000;
/**
 * How long rows gather before a statement, ms: nobody waits for one, while a fleet that is told of a revision brings thousands a second, and a commit for
 * every few of them would stand in the way of the commits that tasks wait for.
 */
const gatherMs = 100;
/** Nothing is polled for: the loop is woken by what is noted. */
const idleMs = 3_600_000;

export interface WriteBehindPorts<T> {
  readonly database: Database;
  readonly logger: Logger;
  /** In a log line: "what bots say of revisions". */
  readonly what: string;
  keyOf(row: T): string;
  write(orm: Orm, rows: readonly T[]): Promise<void>;
  /** Rows are in the table. */
  onWritten?(): void;
}

/**
 * Rows on their way into a table, many in one statement, so that no frame waits for them: what a hub that dies takes along has to be such that it is said, or
 * found out, again. Holds one row for each key at most.
 */
export class WriteBehind<T> {
  readonly #ports: WriteBehindPorts<T>;
  readonly #loop: Loop;
  readonly #waiting = new Map<string, T>();
  readonly #stopping = new AbortController();

  constructor(ports: WriteBehindPorts<T>) {
    this.#ports = ports;
    this.#loop = new Loop(() => this.#gather(), {
      pollMs: idleMs,
      backoff: retryBackoff,
      onError: (error, retryInMs) =>
        ports.logger.warn(
          { err: error, retryInMs, what: ports.what },
          'rows that are written behind are not written; tried again',
        ),
    });
  }

  start(): this {
    this.#loop.start();
    return this;
  }

  note(row: T): void {
    this.#waiting.set(this.#ports.keyOf(row), row);
    this.#loop.wake();
  }

  /** What waits is written as far as the database takes it. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#loop.stop();
    await this.#write().catch(() => false);
  }

  async #gather(): Promise<boolean> {
    if (this.#waiting.size > 0) await pause(gatherMs, this.#stopping.signal);
    return this.#write();
  }

  async #write(): Promise<boolean> {
    const taken = [...this.#waiting].slice(0, maxRows);
    if (taken.length === 0) return false;
    const rows = taken.map(([, row]) => row);
    await this.#ports.database.query((orm) => this.#ports.write(orm, rows));
    // What was noted meanwhile waits for the next turn.
    for (const [key, row] of taken) if (this.#waiting.get(key) === row) this.#waiting.delete(key);
    this.#ports.onWritten?.();
    return this.#waiting.size > 0;
  }
}
