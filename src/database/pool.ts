import { exhausted, MallError } from '../contract/errors.ts';
import { DeadlineExceeded } from '../kit/deadline.ts';
import { Connection, type ConnectionOptions } from './connection.ts';
import { SqlState, sqlState } from './sql-errors.ts';

/** A connection costs the server 5 MB or more: those above the first are closed when nobody needed them for so long. */
const idleCloseMs = 30_000;
/** Work that may wait for a connection. More are refused (RESOURCE_EXHAUSTED): they would only time out one after the other. */
const maxWaiting = 1_000;

/** A server that had no room for another connection is not asked again so soon: each try costs it a process. */
const fullPauseMs = 1_000;

interface Waiting {
  take(connection: Connection): void;
  refuse(error: Error): void;
}

interface Idle {
  readonly connection: Connection;
  readonly sinceMs: number;
}

/** Lends connections, at most `size` at once, to one borrower each: fewer, when the server has no room for more. */
export class Pool {
  readonly #size: number;
  readonly #options: ConnectionOptions;
  /** The last one given back is the first one lent, so that the others fall idle. */
  readonly #idle: Idle[] = [];
  readonly #lent = new Set<Connection>();
  readonly #waiting = new Set<Waiting>();
  readonly #onWaited = new Set<(ms: number) => void>();
  #opening = 0;
  #fullUntilMs = 0;
  #sweep: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(size: number, options: ConnectionOptions) {
    this.#size = size;
    this.#options = options;
  }

  /**
   * `work` with a connection of its own. After `deadlineMs`, waiting for one included, the connection is cut off, whatever the work waits for.
   * @throws DeadlineExceeded, MallError RESOURCE_EXHAUSTED
   */
  async use<T>(deadlineMs: number, work: (connection: Connection, leftMs: number) => Promise<T>): Promise<T> {
    const started = performance.now();
    const connection = await this.#borrow(deadlineMs);
    const leftMs = Math.max(1, deadlineMs - (performance.now() - started));
    // The server was told to end its statement before this: when it has not, it cannot be reached.
    const timer = setTimeout(
      () => connection.destroy(new DeadlineExceeded('work in the database', deadlineMs)),
      leftMs,
    );
    try {
      return await connection.untilLost(work(connection, leftMs));
    } finally {
      clearTimeout(timer);
      this.#giveBack(connection);
    }
  }

  get figures(): { used: number; idle: number; waiting: number } {
    return { used: this.#lent.size, idle: this.#idle.length, waiting: this.#waiting.size };
  }

  /** Those who waited in vain are told of too. */
  onWaited(listener: (ms: number) => void): void {
    this.#onWaited.add(listener);
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#sweep);
    const idle = this.#idle.splice(0).map(({ connection }) => connection.end());
    for (const connection of this.#lent) connection.destroy();
    for (const waiting of this.#waiting) waiting.refuse(closedError());
    await Promise.all(idle);
  }

  async #borrow(deadlineMs: number): Promise<Connection> {
    if (this.#closed) throw closedError();
    const started = performance.now();
    const idle = this.#idle.pop();
    if (idle) return this.#lend(idle.connection);
    if (this.#lent.size < this.#size && performance.now() >= this.#fullUntilMs) {
      const opened = await this.#tryOpen(deadlineMs);
      if (opened) return opened;
      const back = this.#idle.pop();
      if (back) return this.#lend(back.connection);
    }
    return this.#wait(deadlineMs - (performance.now() - started));
  }

  /** A connection that the server has let in; undefined when it is full and one of ours will come back sooner or later. */
  async #tryOpen(deadlineMs: number): Promise<Connection | undefined> {
    const connection = this.#lend(this.#open());
    const overdue = () => connection.destroy(new DeadlineExceeded('connecting to the database', deadlineMs));
    const timer = setTimeout(overdue, deadlineMs);
    this.#opening += 1;
    try {
      await connection.run('select 1');
      return connection;
    } catch (error) {
      this.#lent.delete(connection);
      const established = this.#idle.length + this.#lent.size - (this.#opening - 1);
      if (sqlState(error) !== SqlState.tooManyConnections || established === 0) throw error;
      this.#fullUntilMs = performance.now() + fullPauseMs;
      return undefined;
    } finally {
      clearTimeout(timer);
      this.#opening -= 1;
    }
  }

  async #wait(deadlineMs: number): Promise<Connection> {
    if (this.#waiting.size >= maxWaiting) {
      throw exhausted(`${maxWaiting} are waiting for the database already`, 'DATABASE_BUSY', 'try again later');
    }
    const sinceMs = performance.now();
    return new Promise((resolve, reject) => {
      const settle = <T>(how: (value: T) => void) => {
        return (value: T) => {
          clearTimeout(timer);
          this.#waiting.delete(waiting);
          for (const listener of this.#onWaited) listener(performance.now() - sinceMs);
          how(value);
        };
      };
      const waiting: Waiting = { take: settle(resolve), refuse: settle(reject) };
      const timer = setTimeout(() => {
        waiting.refuse(new DeadlineExceeded('waiting for a free connection to the database', deadlineMs));
      }, deadlineMs);
      this.#waiting.add(waiting);
    });
  }

  #open(): Connection {
    const connection = new Connection(this.#options);
    connection.onLost(() => this.#forget(connection));
    return connection;
  }

  #lend(connection: Connection): Connection {
    this.#lent.add(connection);
    return connection;
  }

  #giveBack(connection: Connection): void {
    this.#lent.delete(connection);
    // The idle ones have most likely gone the same way, and would each fail somebody's work before they are known to.
    if (!connection.alive) for (const { connection: idle } of this.#idle.splice(0)) idle.destroy();
    const [next] = this.#waiting;
    if (next) {
      next.take(this.#lend(connection.alive ? connection : this.#open()));
    } else if (this.#closed) {
      void connection.end();
    } else if (connection.alive) {
      this.#idle.push({ connection, sinceMs: performance.now() });
      this.#sweep ??= this.#sweepLater();
    }
  }

  #forget(connection: Connection): void {
    const at = this.#idle.findIndex((idle) => idle.connection === connection);
    if (at >= 0) this.#idle.splice(at, 1);
  }

  #sweepLater(): NodeJS.Timeout {
    return setTimeout(() => {
      const oldest = performance.now() - idleCloseMs;
      const surplus = this.#idle.slice(0, -1).filter(({ sinceMs }) => sinceMs < oldest);
      for (const { connection } of surplus) {
        this.#forget(connection);
        void connection.end();
      }
      this.#sweep = this.#idle.length > 1 ? this.#sweepLater() : undefined;
    }, idleCloseMs).unref();
  }
}

const closedError = () => new MallError('UNAVAILABLE', 'the database has been closed', { reason: 'DATABASE_CLOSED' });
