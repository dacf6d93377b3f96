import { context } from '@opentelemetry/api';
import { and, asc, count, eq, sql } from 'drizzle-orm';
import { notFound } from '../contract/errors.ts';
import type { Message } from '../contract/message.ts';
import { contextOf } from '../telemetry/propagation.ts';
import { type Handle, reasonOf, settle } from './inbox.ts';
import { firstParked, type InboxTables, lockParked, type ParkedRow, raiseFence, setOutcome } from './inbox-rows.ts';
import { fromRow } from './message-row.ts';
import type { Database } from './port.ts';

/** What one answer lists at most; there is more behind `afterId`. */
const listRows = 100;

export interface ParkedMessage {
  /** Of the parked row, in the order of arrival: what `drop` takes. */
  readonly id: number;
  readonly message: Message;
  readonly reason: string;
  /** Tries so far; 0 for one that only waits behind another. */
  readonly attempts: number;
  readonly parkedAt: Date;
}

export interface RetryResult {
  /** Messages that are done with now, stale ones included. */
  readonly settled: number;
  /** Those still parked. */
  readonly left: number;
  /** Why the first of them failed again; undefined when none is left. */
  readonly failure?: string;
}

export interface Parked {
  /** In the order of arrival, at most 100. */
  list(filter?: { key?: string; afterId?: number }): Promise<ParkedMessage[]>;
  /** Handles the key's messages in order and stops at the first that fails. What arrives meanwhile waits its turn. */
  retry(key: string): Promise<RetryResult>;
  /** Gives one message up, for good; the inbox remembers it as dropped. @throws MallError NOT_FOUND */
  drop(id: number): Promise<ParkedMessage>;
}

/** What staff do about messages that could not be handled. */
export function createParked(o: { database: Database; tables: InboxTables; handle: Handle }): Parked {
  const { database, tables, handle } = o;
  const { parked } = tables;

  /** Settles the first message of the key in a transaction of its own; false when there was none. */
  const settleFirst = (key: string, onFirst: (row: ParkedRow) => void): Promise<boolean> =>
    database.transaction(async (tx) => {
      await lockParked(tx.orm, tables, key);
      const row = await firstParked(tx.orm, tables, key);
      if (!row) return false;
      onFirst(row);
      const message = fromRow(row, row.source);
      await tx.orm.delete(parked).where(eq(parked.id, row.id));
      await setOutcome(tx.orm, tables, message.id, 'handled');
      const fence = await raiseFence(tx.orm, tables, message);
      // What follows from the message belongs to its trace and not to that of whoever asked for the retry.
      await context.with(contextOf(message.traceparent), () => settle(tx, tables, message, fence, handle));
      return true;
    });

  return {
    list: ({ key, afterId = 0 } = {}) =>
      database.query(async (orm) => {
        const rows = await orm
          .select()
          .from(parked)
          .where(and(sql`${parked.id} > ${afterId}`, key === undefined ? undefined : eq(parked.key, key)))
          .orderBy(asc(parked.id))
          .limit(listRows);
        return rows.map(described);
      }),

    async retry(key) {
      let settled = 0;
      let current: ParkedRow | undefined;
      try {
        while (await settleFirst(key, (row) => (current = row))) settled += 1;
        return { settled, left: 0 };
      } catch (error) {
        if (!current) throw error;
        const failure = reasonOf(error);
        const id = current.id;
        const left = await database.transaction(async ({ orm }) => {
          await orm
            .update(parked)
            .set({ reason: failure, attempts: sql`${parked.attempts} + 1` })
            .where(eq(parked.id, id));
          const [row] = await orm.select({ left: count() }).from(parked).where(eq(parked.key, key));
          return row!.left;
        });
        return { settled, left, failure };
      }
    },

    drop: (id) =>
      database.transaction(async ({ orm }) => {
        const [wanted] = await orm.select({ key: parked.key }).from(parked).where(eq(parked.id, id));
        if (wanted) await lockParked(orm, tables, wanted.key);
        const [row] = await orm.delete(parked).where(eq(parked.id, id)).returning();
        if (!row) throw notFound('parked message', 'id', String(id), 'it may have been retried or dropped meanwhile');
        await setOutcome(orm, tables, row.messageId, 'dropped');
        return described(row);
      }),
  };
}

function described(row: ParkedRow): ParkedMessage {
  const { id, source, reason, attempts, parkedAt } = row;
  return { id, message: fromRow(row, source), reason, attempts, parkedAt };
}
