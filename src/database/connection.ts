import { connect as connectSocket, type Socket } from 'node:net';
import { drizzle } from 'drizzle-orm/postgres-js';
import postgres, { type RowList, type Sql } from 'postgres';
import type { Orm } from './port.ts';

/** Time for TCP, TLS and the start-up messages together. A local server takes 5 ms, a far one 300. */
const connectTimeoutSec = 5;
/** Time for a goodbye; a peer that is gone does not read it. */
const endTimeoutMs = 500;
/**
 * A client that vanished without a goodbye holds its locks until the server's TCP gives up: with these after 25 s at most, where
 * the kernel's own settings take two hours.
 */
const serverKeepalive = { tcp_keepalives_idle: 10, tcp_keepalives_interval: 5, tcp_keepalives_count: 3 };
/** Statements kept prepared per connection, which halves their round trips; what comes after so many different texts is sent unprepared. */
const maxPrepared = 512;

export interface ConnectionOptions {
  readonly url: string;
  readonly applicationName: string;
  /** Server-side bounds in ms, 0 for none: on each statement, each wait for a lock, and each pause inside of a transaction. */
  readonly statementTimeoutMs: number;
  readonly lockTimeoutMs: number;
  readonly idleInTransactionTimeoutMs: number;
  /** The server ends the connection when nothing was asked for so long; 0 or not given: never. */
  readonly idleTimeoutMs?: number;
  readonly onNotify?: ((channel: string, payload: string) => void) | undefined;
}

export type Row = Record<string, unknown>;

/**
 * One connection to PostgreSQL: one socket, never replaced. The pool of postgres.js is not used because of what it does (3.4.9, measured):
 * when a socket closes inside of `begin`, the roll-back that it still sends ends the process with an uncaught TypeError ("reading 'write'")
 * or leaves that place of the pool stuck for ever; it reconnects underneath a session that holds locks; and one dead connection
 * cannot be thrown away alone.
 */
export class Connection {
  readonly orm: Orm;
  readonly #client: Sql;
  readonly #prepared = new Set<string>();
  readonly #onLost = new Set<(reason: Error) => void>();
  #socket: Socket | undefined;
  #lostBecause: Error | undefined;
  #inTransaction = false;
  #failure: unknown;

  constructor(options: ConnectionOptions) {
    this.#client = postgres(options.url, {
      max: 1,
      connect_timeout: connectTimeoutSec,
      // When a connection is closed is for its owner to say.
      idle_timeout: 0,
      max_lifetime: null,
      // Its own query for the types of arrays is awaited by nobody: when the connection is lost during it, the process would end.
      fetch_types: false,
      onnotice: () => undefined,
      onclose: () => this.#lose(closedError()),
      connection: {
        application_name: options.applicationName,
        statement_timeout: options.statementTimeoutMs,
        lock_timeout: options.lockTimeoutMs,
        idle_in_transaction_session_timeout: options.idleInTransactionTimeoutMs,
        idle_session_timeout: options.idleTimeoutMs ?? 0,
        // Statements here take milliseconds, and compiling one that the planner believes to be large takes a hundred (PostgreSQL 15, measured).
        jit: 'off',
        // A statement that is prepared while its table is small would read all of it from then on, whatever becomes of the table. Where there is no index it still does.
        enable_seqscan: 'off',
        ...serverKeepalive,
      },
      types: { bigint: { to: 20, from: [20], parse: parseInt8, serialize: String } },
      // Options that the driver has and its declarations do not.
      ...{ onnotify: options.onNotify, socket: (target: Target) => this.#open(target) },
    });
    this.orm = drizzle(this.#guarded()) as unknown as Orm;
  }

  get alive(): boolean {
    return this.#lostBecause === undefined;
  }

  /** Calls `listener` once when the connection is gone, at once when it is already. Returns what takes the listener off again. */
  onLost(listener: (reason: Error) => void): () => void {
    if (this.#lostBecause) listener(this.#lostBecause);
    else this.#onLost.add(listener);
    return () => this.#onLost.delete(listener);
  }

  /** `work`'s outcome, or the reason of the loss when the connection is lost first: also when the work itself would never settle. */
  untilLost<T>(work: Promise<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const off = this.onLost(reject);
      work.then(resolve, reject).finally(off);
    });
  }

  /** One or several statements without parameters in one round trip; the rows of the last. Statements run in the order of the calls. */
  async run(statements: string): Promise<Row[]> {
    const result: Row[] | Row[][] = await this.untilLost(this.#send(statements, []));
    return (Array.isArray(result[0]) ? result.at(-1) : result) as Row[];
  }

  /**
   * All of `work` or nothing. What `work` gives to `withCommit` was sent and is answered together with the COMMIT. `settings` are SET LOCAL
   * statements that travel with the BEGIN.
   */
  async transaction<T>(work: (withCommit: (sent: Promise<unknown>) => void) => Promise<T>, settings = ''): Promise<T> {
    if (this.#inTransaction) throw new Error('a transaction inside of a transaction');
    this.#inTransaction = true;
    this.#failure = undefined;
    try {
      // Not awaited: the first statement of the work travels behind it.
      const begun = this.run(`begin;${settings}`);
      begun.catch(() => undefined);
      const last: Promise<unknown>[] = [];
      const result = await this.untilLost(
        work((sent) => {
          // At once, and once: Drizzle's queries are sent when somebody waits for them, each time.
          const done = sent.then(() => undefined);
          // Its failure is found below, also where another one comes first.
          done.catch(() => undefined);
          last.push(done);
        }),
      );
      if (this.#failure) throw this.#failure;
      await this.untilLost(Promise.all([begun, ...last, this.run('commit')]));
      // COMMIT after a failed statement answers ROLLBACK and no error: nobody may take that for a success.
      if (this.#failure) throw this.#failure;
      return result;
    } catch (error) {
      if (this.alive) await this.run('rollback').catch(() => this.destroy());
      throw error;
    } finally {
      this.#inTransaction = false;
    }
  }

  /** Says goodbye and closes. */
  async end(): Promise<void> {
    if (this.alive) await this.#client.end({ timeout: endTimeoutMs / 1000 });
    this.destroy();
  }

  /** Closes at once; what is under way fails with `reason`. */
  destroy(reason: Error = closedError()): void {
    this.#lose(reason);
    this.#socket?.destroy();
  }

  #lose(reason: Error): void {
    if (this.#lostBecause) return;
    this.#lostBecause = reason;
    for (const listener of this.#onLost) listener(reason);
    this.#onLost.clear();
  }

  /** The driver comes here again when it wants to reconnect, which nobody expects. */
  #open({ host, port, path }: Target): Socket {
    if (this.#socket || this.#lostBecause) throw closedError();
    const socket = path ? connectSocket(path) : connectSocket({ host: host[0]!, port: port[0]!, noDelay: true });
    // The driver reads the server's name for TLS from here.
    this.#socket = Object.assign(socket, { host: host[0] });
    return socket;
  }

  #send(text: string, parameters: readonly unknown[]) {
    const query = this.#client.unsafe(text, parameters as never[], { prepare: this.#mayPrepare(text, parameters) });
    const answer = query.then((rows) => takenFrom(query, rows));
    answer.catch((error: unknown) => {
      this.#failure ??= error;
      // A socket's error comes before its close: whoever is told of the one must not find the connection fit for use until the other.
      const isAnswer = error instanceof postgres.PostgresError && error.severity !== 'FATAL';
      if (!isAnswer) this.destroy(error as Error);
    });
    const values = () => {
      query.values();
      return answer;
    };
    return Object.assign(answer, { values });
  }

  #mayPrepare(text: string, parameters: readonly unknown[]): boolean {
    if (parameters.length === 0) return false;
    if (this.#prepared.size < maxPrepared) this.#prepared.add(text);
    return this.#prepared.has(text);
  }

  /** The driver as Drizzle uses it, without the way to write to a socket that is gone. */
  #guarded(): Sql {
    return {
      options: this.#client.options,
      unsafe: (text: string, parameters: readonly unknown[] = []) => {
        if (!this.#lostBecause) return this.#send(text, parameters);
        const lost = Promise.reject(this.#lostBecause);
        return Object.assign(lost, { values: () => lost });
      },
      begin: (work: (client: Sql) => Promise<unknown>) => this.transaction(() => work(this.#guarded())),
    } as unknown as Sql;
  }
}

/**
 * The rows, of which nothing stays with the query. The driver keeps two functions on each query, and functions that are assigned to a property V8 puts among
 * the old objects at once: all that hangs on them, which was every row and parameter, counted as alive until the next full collection, and made those frequent.
 */
function takenFrom(query: object, rows: RowList<Row[]>): Row[] {
  const { count } = rows;
  // Fields that the driver has and its declarations do not.
  Object.assign(query, { strings: [], args: [], parameters: [] });
  // As the driver has it: beside the rows, not among them.
  return Object.defineProperty(rows.splice(0), 'count', { value: count });
}

interface Target {
  readonly host: readonly string[];
  readonly port: readonly number[];
  readonly path?: string | false;
}

const closedError = () =>
  Object.assign(new Error('the connection to the database is closed'), { code: 'CONNECTION_CLOSED' });

/** int8 as a number where one can hold it exactly. */
function parseInt8(text: string): number | bigint {
  const number = Number(text);
  return Number.isSafeInteger(number) ? number : BigInt(text);
}
