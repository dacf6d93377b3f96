import { sql } from 'drizzle-orm';
import type { Logger } from 'pino';
import { type BackoffPolicy, backoffMs, pause } from '../kit/backoff.ts';
import type { Connection, ConnectionOptions } from './connection.ts';
import { migrate } from './migrate.ts';
import { Pool } from './pool.ts';
import type { Database } from './port.ts';
import { Session } from './session.ts';
import { fromDriver, isTransient } from './sql-errors.ts';
import { statement } from './statement.ts';

/** Long enough for a loaded machine, shorter than what a caller's own deadline usually is. */
const defaultDeadlineMs = 10_000;
/** A lock waited for longer than this is a queue that will not get shorter. */
const lockTimeoutMs = 5_000;
/** Handlers think for milliseconds; a transaction left open for longer holds back VACUUM for everybody. */
const idleInTransactionTimeoutMs = 10_000;
/**
 * The server ends a statement this part of the deadline earlier than the client gives up, so that a slow statement costs an error and
 * only a dead connection costs a connection.
 */
const serverShare = 0.9;
/** With 10, 2,000 to 3,000 small transactions a second were measured; more connections did not make more of them. */
const defaultPoolSize = 10;
const retry: BackoffPolicy = { firstMs: 5, maxMs: 200, factor: 2 };

export interface ConnectOptions {
  /** postgres://user:password@host:port/database */
  readonly url: string;
  readonly poolSize?: number;
  /** Shown in pg_stat_activity. */
  readonly applicationName: string;
  readonly logger: Logger;
}

/** Connects when first used: an unreachable server is an UNAVAILABLE of the first query. */
export function connectDatabase({
  url,
  poolSize = defaultPoolSize,
  applicationName,
  logger,
}: ConnectOptions): Database {
  const address = withoutPassword(url);
  const options: ConnectionOptions = {
    url,
    applicationName,
    statementTimeoutMs: defaultDeadlineMs * serverShare,
    lockTimeoutMs,
    idleInTransactionTimeoutMs,
  };
  const pool = new Pool(poolSize, options);
  const session = new Session(options, logger);

  const guarded = async <T>(work: () => Promise<T>): Promise<T> => {
    try {
      return await work();
    } catch (error) {
      throw fromDriver(error, address);
    }
  };

  /** Runs `attempt` again while PostgreSQL asks for it and time is left. */
  async function retrying<T>(deadlineMs: number, attempt: (leftMs: number) => Promise<T>): Promise<T> {
    const giveUpAt = performance.now() + deadlineMs;
    for (let failures = 1; ; failures += 1) {
      try {
        return await attempt(giveUpAt - performance.now());
      } catch (error) {
        const waitMs = backoffMs(retry, failures, Math.random());
        if (!isTransient(error) || performance.now() + waitMs >= giveUpAt) throw error;
        logger.debug({ err: error, failures }, 'a transaction is tried again');
        await pause(waitMs);
      }
    }
  }

  const database: Database = {
    address,
    url,
    query: (work, { deadlineMs = defaultDeadlineMs } = {}) =>
      guarded(() =>
        pool.use(deadlineMs, async (connection, leftMs) => {
          if (isDefault(deadlineMs, leftMs)) return work(connection.orm);
          return withStatementTimeout(connection, leftMs, () => work(connection.orm));
        }),
      ),
    transaction: (work, { deadlineMs = defaultDeadlineMs } = {}) =>
      guarded(async () => {
        const hooks: Array<() => void> = [];
        const result = await retrying(deadlineMs, (attemptMs) => {
          hooks.length = 0;
          return pool.use(attemptMs, (connection, leftMs) =>
            connection.transaction(
              (withCommit) => work({ orm: connection.orm, withCommit, afterCommit: (hook) => hooks.push(hook) }),
              isDefault(deadlineMs, leftMs) ? '' : `set local statement_timeout = ${serverTimeoutMs(leftMs)}`,
            ),
          );
        });
        for (const hook of hooks) hook();
        return result;
      }),
    listen: (channel, onNotify) => guarded(() => session.listen(channel, onNotify)),
    notify: async (channel, ...payloads) => {
      await database.query((orm) => notifyAll(orm, { channel, payloads: JSON.stringify(payloads) }));
    },
    withLock: (name, signal, work) => guarded(() => session.withLock(name, signal, work)),
    migrate: (schema, folder) => guarded(() => migrate(options, schema, folder)),
    get connections() {
      return pool.figures;
    },
    onWaited: (listener) => pool.onWaited(listener),
    ping: async () => {
      const [row] = await database.query((orm) => orm.execute<{ server_version: string }>(sql`show server_version`));
      return { version: row!.server_version };
    },
    close: async () => {
      await Promise.all([session.close(), pool.close()]);
    },
  };
  return database;
}

const notifyAll = statement<{ channel: string; payloads: string }, object>(sql`
  select pg_notify(${sql.placeholder('channel')}, payload)
  from jsonb_array_elements_text(${sql.placeholder('payloads')}::text::jsonb) as payload`);

/** The timeout that every connection has is the right one. */
const isDefault = (deadlineMs: number, leftMs: number) =>
  deadlineMs === defaultDeadlineMs && leftMs >= deadlineMs * serverShare;

const serverTimeoutMs = (leftMs: number) => Math.max(1, Math.floor(leftMs * serverShare));

async function withStatementTimeout<T>(connection: Connection, leftMs: number, work: () => Promise<T>): Promise<T> {
  // Not awaited: both travel with the statements around them, and only a lost connection can fail them.
  const set = (value: number | 'default') =>
    connection.run(`set statement_timeout = ${value}`).catch(() => connection.destroy());
  void set(serverTimeoutMs(leftMs));
  try {
    return await work();
  } finally {
    void set('default');
  }
}

/** For people: `host:port/database`, with the user and without the password. */
function withoutPassword(url: string): string {
  const { username, host, pathname } = new URL(url);
  return `${username ? `${username}@` : ''}${host}${pathname}`;
}
