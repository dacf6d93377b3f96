import { isDeepStrictEqual } from 'node:util';
import { unavailable } from '../../contract/errors.ts';
import type { Database } from '../../database/port.ts';
import type { Status } from '../../gen/protocol/v1/protocol.ts';
import { pause } from '../../kit/backoff.ts';
import { readStatus } from './status.ts';

/** Between two looks at the tables while somebody watches: what a person at a terminal takes for at once. */
const lookEveryMs = 1_000;

/** The fleet's status for who watches it; those who watch the same share the look at the tables. */
export class StatusFeed {
  readonly #database: Database;
  readonly #closing = new AbortController();
  readonly #looks = new Map<string, Promise<Status>>();

  constructor(database: Database) {
    this.#database = database;
  }

  /**
   * The status at once, and again whenever it has changed.
   * @throws MallError UNAVAILABLE when the hub goes away or the database is, NOT_FOUND for a kind that there is not
   */
  async *watch(kind: string, signal?: AbortSignal): AsyncGenerator<Status> {
    const stop = signal ? AbortSignal.any([signal, this.#closing.signal]) : this.#closing.signal;
    let told: Status | undefined;
    while (!stop.aborted) {
      const status = await this.#look(kind);
      if (!told || !isDeepStrictEqual(told.kinds, status.kinds)) {
        told = status;
        yield status;
      }
      await pause(lookEveryMs, stop);
    }
    if (!signal?.aborted) throw unavailable('this hub goes away; watch again', 'HUB_DRAINING');
  }

  close(): void {
    this.#closing.abort();
  }

  #look(kind: string): Promise<Status> {
    const under = this.#looks.get(kind);
    if (under) return under;
    const look = this.#database
      .query((orm) => readStatus(orm, kind, new Date()))
      .finally(() => this.#looks.delete(kind));
    this.#looks.set(kind, look);
    return look;
  }
}
