import { asc, gt, inArray, lt, max } from 'drizzle-orm';
import type { Logger } from 'pino';
import {
  clockSkewMs,
  isSince,
  type JournalEntry,
  type JournalReading,
  type JournalStore,
} from '../../broker/journal.ts';
import { MallError, unavailable } from '../../contract/errors.ts';
import type { Message } from '../../contract/message.ts';
import { type BackoffPolicy, pause } from '../../kit/backoff.ts';
import { Loop } from '../../kit/loop.ts';
import { ago } from '../columns.ts';
import { known, messageIn, toRow } from '../message-row.ts';
import type { Database } from '../port.ts';
import { entries } from './store.ts';

/** One statement's rows: 14 parameters each, and PostgreSQL takes 65,535. */
const insertRows = 512;
/** Messages that wait for their row; more are refused (RESOURCE_EXHAUSTED), and their publisher has them. As many as one queue holds. */
const maxWaiting = 10_000;
const readRows = 512;
/** Behind the wake-up by a write in this process, ms: a reader in another one. */
const pollMs = 1_000;
const pruneIntervalMs = 600_000;
/** Small, so that no lock is held for long. */
const pruneRows = 5_000;
const backoff: BackoffPolicy = { firstMs: 100, maxMs: 5_000, factor: 2 };

type EntryRow = typeof entries.$inferSelect;

interface Waiting {
  readonly message: Message;
  readonly done: PromiseWithResolvers<void>;
}

/**
 * A stream as a table, written by one process: the one that has the broker in it. One insert is under way at a time, so that rows become
 * visible in the order of their positions, and no reader passes over one.
 */
export class TableJournal implements JournalStore {
  readonly #database: Database;
  readonly #logger: Logger;
  readonly #waiting: Waiting[] = [];
  readonly #writing: Loop;
  readonly #pruning: Loop;
  readonly #followers = new Set<() => void>();
  #writes = 0;
  #closed = false;

  /** The schema `journal` has been migrated. `maxAgeMs`: what is older goes. */
  constructor({ database, logger, maxAgeMs }: { database: Database; logger: Logger; maxAgeMs: number }) {
    this.#database = database;
    this.#logger = logger;
    this.#writing = new Loop(() => this.#write(), { pollMs, backoff, onError: () => {} }).start();
    this.#pruning = new Loop(() => this.#prune(maxAgeMs), {
      pollMs: pruneIntervalMs,
      backoff: { ...backoff, maxMs: pruneIntervalMs },
      onError: (error) => logger.warn({ err: error }, 'pruning the journal failed; tried again'),
    }).start();
  }

  append(message: Message): Promise<void> {
    if (this.#closed) return Promise.reject(unavailable('the journal is closed', 'BROKER_CLOSED'));
    if (this.#waiting.length >= maxWaiting) return Promise.reject(full());
    const done = Promise.withResolvers<void>();
    this.#waiting.push({ message, done });
    this.#writing.wake();
    return done.promise;
  }

  async *read({ after = 0, since, follow, signal }: JournalReading): AsyncGenerator<readonly JournalEntry[]> {
    const end = follow ? Number.POSITIVE_INFINITY : await this.#end();
    const older = since ? await this.#lastBefore(new Date(since.getTime() - clockSkewMs)) : 0;
    for (let last = Math.max(after, older); last < end && !signal.aborted; ) {
      const seen = this.#writes;
      const rows = await this.#database.query((orm) =>
        orm.select().from(entries).where(gt(entries.position, last)).orderBy(asc(entries.position)).limit(readRows),
      );
      if (rows.length > 0) {
        last = rows.at(-1)!.position;
        const wanted = rows.flatMap((row) => this.#entryOf(row)).filter(({ message }) => isSince(message, since));
        if (wanted.length > 0) yield wanted;
      } else if (follow) await this.#writeAfter(seen, signal);
      // All that was there at the beginning has been pruned since.
      else return;
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all([this.#writing.stop(), this.#pruning.stop()]);
    for (const { done } of this.#waiting.splice(0)) done.reject(unavailable('the journal is closed', 'BROKER_CLOSED'));
  }

  /** What a newer version of the program has written stays where it is, and is passed over by readers that do not know its name. */
  #entryOf(row: EntryRow): JournalEntry[] {
    const { position, messageId, source } = row;
    try {
      return [{ position, message: known(messageIn(row, source)) }];
    } catch (error) {
      this.#logger.warn({ err: error, position, message: messageId }, 'unreadable entry passed over');
      return [];
    }
  }

  async #end(): Promise<number> {
    const [row] = await this.#database.query((orm) => orm.select({ end: max(entries.position) }).from(entries));
    return row?.end ?? 0;
  }

  async #lastBefore(instant: Date): Promise<number> {
    const [row] = await this.#database.query((orm) =>
      orm
        .select({ last: max(entries.position) })
        .from(entries)
        .where(lt(entries.recordedAt, instant)),
    );
    return row?.last ?? 0;
  }

  /** True when there is more. What cannot be written is told to its publisher, who tries again. */
  async #write(): Promise<boolean> {
    const batch = this.#waiting.splice(0, insertRows);
    if (batch.length === 0) return false;
    const rows = batch.map(({ message }) => ({ ...toRow(message), source: message.source }));
    try {
      await this.#database.query((orm) => orm.insert(entries).values(rows));
      for (const { done } of batch) done.resolve();
    } catch (error) {
      for (const { done } of batch) done.reject(error);
    }
    this.#writes += 1;
    for (const woken of this.#followers) woken();
    return this.#waiting.length > 0;
  }

  async #writeAfter(seen: number, signal: AbortSignal): Promise<void> {
    if (this.#writes !== seen) return;
    const woken = new AbortController();
    const wake = () => woken.abort();
    this.#followers.add(wake);
    await pause(pollMs, AbortSignal.any([signal, woken.signal]));
    this.#followers.delete(wake);
  }

  /** True when there is more to delete. */
  async #prune(maxAgeMs: number): Promise<boolean> {
    const pruned = await this.#database.query((orm) => {
      const old = orm
        .select({ position: entries.position })
        .from(entries)
        .where(lt(entries.recordedAt, ago(maxAgeMs)))
        .limit(pruneRows);
      return orm.delete(entries).where(inArray(entries.position, old));
    });
    return pruned.count === pruneRows;
  }
}

const full = () =>
  new MallError('RESOURCE_EXHAUSTED', 'the journal is full', {
    reason: 'JOURNAL_FULL',
    field: 'journal',
    value: String(maxWaiting),
    remedy: 'publish it again when the database has caught up',
  });
