import type { PgDatabase } from 'drizzle-orm/pg-core';
import type { PostgresJsQueryResultHKT } from 'drizzle-orm/postgres-js';

/** Drizzle's query builder, on the pool or inside a transaction, and the driver below it for statements that are ready (`statement`). */
export type Orm = PgDatabase<PostgresJsQueryResultHKT> & {
  readonly $client: { unsafe(text: string, parameters: readonly unknown[]): Promise<readonly object[]> };
};

/** PostgreSQL as the rest of the program sees it, whether given by URL or started by the program itself. */
export interface Database {
  /** Where it is, without the password: for people. */
  readonly address: string;
  /** Connection URL for other processes of this mall. */
  readonly url: string;

  /**
   * One statement or several that need no transaction.
   * @throws MallError DEADLINE_EXCEEDED, UNAVAILABLE, RESOURCE_EXHAUSTED; what violates a constraint comes as Drizzle's error, see sql-errors.ts
   */
  query<T>(work: (orm: Orm) => Promise<T>, options?: { deadlineMs?: number }): Promise<T>;

  /**
   * All or nothing. Retried by itself when PostgreSQL asks for it (serialization failure 40001, deadlock 40P01): `work` may run
   * more than once and touches nothing but `tx`.
   * A connection that is lost while the COMMIT is under way is UNAVAILABLE too, although it may have been done: repeat only what is idempotent.
   * @throws MallError DEADLINE_EXCEEDED, UNAVAILABLE, RESOURCE_EXHAUSTED (too many wait for a connection), and whatever `work` throws (the transaction is rolled back)
   */
  transaction<T>(work: (tx: Transaction) => Promise<T>, options?: { deadlineMs?: number }): Promise<T>;

  /** NOTIFY is a hint that can be lost: poll as well. */
  listen(channel: string, onNotify: (payload: string) => void): Promise<{ close(): Promise<void> }>;
  notify(channel: string, ...payloads: readonly string[]): Promise<void>;

  /**
   * Holds a named lock (one holder over all processes) while `work` runs; waits for it first. `signal` of `work` aborts when the lock's
   * connection is lost: stop at once, somebody else has the lock. Returns when `work` does or `signal` aborts while waiting.
   */
  withLock(name: string, signal: AbortSignal, work: (signal: AbortSignal) => Promise<void>): Promise<void>;

  /** Brings `schema` to the newest of the migrations in `folder`. Safe to run from several processes at once. */
  migrate(schema: string, folder: string): Promise<void>;

  /** Just now. `waiting`: work that waits for one of them to be free. */
  readonly connections: { readonly used: number; readonly idle: number; readonly waiting: number };
  /** Calls `listener` with how long somebody had to wait for a free connection, each time that somebody had to. */
  onWaited(listener: (ms: number) => void): void;

  ping(): Promise<{ version: string }>;
  close(): Promise<void>;
}

export interface Transaction {
  readonly orm: Orm;
  /**
   * What was sent last and needs no answer before the COMMIT: both travel together, which saves a round trip. When it fails nothing is
   * committed, and the transaction fails with it.
   */
  withCommit(sent: Promise<unknown>): void;
  /** Runs after the commit, not after a roll-back; must not throw. */
  afterCommit(hook: () => void): void;
}
