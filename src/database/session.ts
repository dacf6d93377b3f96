import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';
import { type BackoffPolicy, backoffMs, pause } from '../kit/backoff.ts';
import { withDeadline } from '../kit/deadline.ts';
import { Connection, type ConnectionOptions } from './connection.ts';

/** A holder of a lock has to notice within seconds that the connection is gone: before the server gives the lock away. */
const pingIntervalMs = 2_000;
const pingDeadlineMs = 3_000;
/**
 * The server gives the locks away of whoever has not pinged for so long. TCP alone would find out about a peer that is gone, but not about
 * a process that is stopped or stuck: its kernel answers for it, and nobody else would publish what it is to publish.
 */
const silenceTimeoutMs = 10_000;
/** How soon a free lock is found by those who wait for it. They ask, since waiting inside of PostgreSQL would occupy the connection. */
const lockPollMs = 1_000;
const reconnect: BackoffPolicy = { firstMs: 100, maxMs: 5_000, factor: 2 };

/** What lives as long as a connection does: advisory locks and LISTEN. One connection for all of a process's, opened when first needed. */
export class Session {
  readonly #options: ConnectionOptions;
  readonly #logger: Logger;
  readonly #held = new Set<string>();
  readonly #listeners = new Map<string, Set<(payload: string) => void>>();
  readonly #closing = new AbortController();
  #current: Promise<Connection> | undefined;
  #listening = false;

  constructor(options: ConnectionOptions, logger: Logger) {
    this.#options = {
      ...options,
      idleTimeoutMs: silenceTimeoutMs,
      onNotify: (channel, payload) => this.#notified(channel, payload),
    };
    this.#logger = logger;
  }

  async withLock(name: string, signal: AbortSignal, work: (signal: AbortSignal) => Promise<void>): Promise<void> {
    const stop = AbortSignal.any([signal, this.#closing.signal]);
    while (!stop.aborted) {
      const connection = await this.#connection();
      if (await this.#tryLock(connection, name)) {
        return this.#holding(connection, name, stop, work).finally(() => this.#unlock(connection, name));
      }
      await pause(lockPollMs * (0.5 + Math.random()), stop);
    }
  }

  async listen(channel: string, onNotify: (payload: string) => void): Promise<{ close(): Promise<void> }> {
    const listeners = this.#listeners.get(channel) ?? new Set();
    this.#listeners.set(channel, listeners.add(onNotify));
    await this.#subscribe(await this.#connection(), channel);
    if (!this.#listening) void this.#stayListening();
    return {
      close: async () => {
        listeners.delete(onNotify);
        if (listeners.size === 0) this.#listeners.delete(channel);
      },
    };
  }

  async close(): Promise<void> {
    this.#closing.abort();
    const connection = await this.#current?.catch(() => undefined);
    await connection?.end();
  }

  /** One session may take the same lock twice, so that others in this process are kept out here. */
  async #tryLock(connection: Connection, name: string): Promise<boolean> {
    if (this.#held.has(name)) return false;
    this.#held.add(name);
    let locked = false;
    try {
      const [row] = await withDeadline(
        'asking for a lock',
        pingDeadlineMs,
        connection.run(lockSql('pg_try_advisory_lock', name)),
      );
      locked = row?.done === true;
    } catch (error) {
      // The answer may still come, with a lock that nobody would know of.
      connection.destroy();
      throw error;
    } finally {
      if (!locked) this.#held.delete(name);
    }
    return locked;
  }

  async #holding(
    connection: Connection,
    name: string,
    stop: AbortSignal,
    work: (signal: AbortSignal) => Promise<void>,
  ) {
    const lost = new AbortController();
    const off = connection.onLost((reason) => {
      this.#logger.warn({ err: reason, lock: name }, 'lost the connection that held a lock');
      lost.abort(reason);
    });
    try {
      await work(AbortSignal.any([stop, lost.signal]));
    } finally {
      off();
    }
  }

  async #unlock(connection: Connection, name: string): Promise<void> {
    if (connection.alive) {
      const unlocked = withDeadline(
        'giving a lock back',
        pingDeadlineMs,
        connection.run(lockSql('pg_advisory_unlock', name)),
      );
      await unlocked.catch(() => connection.destroy());
    }
    this.#held.delete(name);
  }

  #connection(): Promise<Connection> {
    this.#current ??= this.#open();
    return this.#current;
  }

  async #open(): Promise<Connection> {
    const connection = new Connection(this.#options);
    connection.onLost(() => {
      this.#current = undefined;
    });
    try {
      await withDeadline('connecting to the database', pingDeadlineMs * 2, connection.run('select 1'));
    } catch (error) {
      connection.destroy();
      throw error;
    }
    void this.#keepAlive(connection);
    return connection;
  }

  /** Nothing else would tell of a peer that is gone without a word. */
  async #keepAlive(connection: Connection): Promise<void> {
    while (connection.alive) {
      await sleep(pingIntervalMs, undefined, { ref: false });
      try {
        await withDeadline('a ping of the database', pingDeadlineMs, connection.run('select 1'));
      } catch (error) {
        connection.destroy(error as Error);
      }
    }
  }

  /** Listens again after every loss, as long as anybody wants to hear. */
  async #stayListening(): Promise<void> {
    this.#listening = true;
    let failures = 0;
    while (this.#listeners.size > 0 && !this.#closing.signal.aborted) {
      try {
        const connection = await this.#connection();
        for (const channel of this.#listeners.keys()) await this.#subscribe(connection, channel);
        failures = 0;
        await new Promise<void>((resolve) => connection.onLost(() => resolve()));
      } catch (error) {
        failures += 1;
        const retryInMs = backoffMs(reconnect, failures, Math.random());
        const channels = [...this.#listeners.keys()];
        this.#logger.warn({ err: error, channels, retryInMs }, 'cannot listen to notifications');
        await pause(retryInMs, this.#closing.signal);
      }
    }
    this.#listening = false;
  }

  async #subscribe(connection: Connection, channel: string): Promise<void> {
    await withDeadline('listening', pingDeadlineMs, connection.run(`listen "${channel.replaceAll('"', '""')}"`));
  }

  #notified(channel: string, payload: string): void {
    for (const listener of this.#listeners.get(channel) ?? []) listener(payload);
  }
}

const lockSql = (what: 'pg_try_advisory_lock' | 'pg_advisory_unlock', name: string) =>
  `select ${what}(hashtextextended('${name.replaceAll("'", "''")}', 0)) as done`;
