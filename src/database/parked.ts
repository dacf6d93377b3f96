import { context, type Span, SpanKind, type Tracer, trace } from '@opentelemetry/api';
import { and, asc, count, eq, sql } from 'drizzle-orm';
import { notFound } from '../contract/errors.ts';
import type { Message } from '../contract/message.ts';
import { aboutMessage, processing } from '../telemetry/attributes.ts';
import { fail } from '../telemetry/failure.ts';
import { linkBothWays, noteIn } from '../telemetry/linked-trace.ts';
import { type Handle, reasonOf, settle } from './inbox.ts';
import { firstParked, type InboxTables, lockParked, type ParkedRow, raiseFence, setOutcome } from './inbox-rows.ts';
import { known, messageIn } from './message-row.ts';
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

export interface ParkedOptions {
  readonly database: Database;
  readonly tables: InboxTables;
  /** The queue that the messages came from. */
  readonly queue: string;
  readonly handle: Handle;
  readonly tracer: Tracer;
}

/** What staff do about messages that could not be handled. It happens in a trace of its own, or in that of the request for it; the message's and this one are linked. */
export function createParked({ database, tables, queue, handle, tracer }: ParkedOptions): Parked {
  const { parked } = tables;

  /** Settles the first message of the key in a transaction of its own; false when there was none. */
  async function settleFirst(key: string, onFirst: (row: ParkedRow) => void): Promise<boolean> {
    let span: Span | undefined;
    try {
      return await database.transaction(async (tx) => {
        await lockParked(tx.orm, tables, key);
        const row = await firstParked(tx.orm, tables, key);
        if (!row) return false;
        onFirst(row);
        const message = known(messageIn(row, row.source));
        // The transaction may be tried again: it is one retry of the message all the same.
        span ??= retrying(message);
        await tx.orm.delete(parked).where(eq(parked.id, row.id));
        await setOutcome(tx.orm, tables, message.id, 'handled');
        const fence = await raiseFence(tx.orm, tables, message);
        await context.with(trace.setSpan(context.active(), span), () => settle(tx, tables, message, fence, handle));
        return true;
      });
    } catch (error) {
      if (span) fail(span, error);
      throw error;
    } finally {
      span?.end();
    }
  }

  function retrying(message: Message): Span {
    const { name, attributes } = processing(message, queue);
    const span = tracer.startSpan(name, { kind: SpanKind.CONSUMER, attributes });
    linkBothWays(tracer, span, message.traceparent, aboutMessage(message));
    return span;
  }

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

    async drop(id) {
      const dropped = await database.transaction(async ({ orm }) => {
        const [wanted] = await orm.select({ key: parked.key }).from(parked).where(eq(parked.id, id));
        if (wanted) await lockParked(orm, tables, wanted.key);
        const [row] = await orm.delete(parked).where(eq(parked.id, id)).returning();
        if (!row) throw notFound('parked message', 'id', String(id), 'it may have been retried or dropped meanwhile');
        await setOutcome(orm, tables, row.messageId, 'dropped');
        return described(row);
      });
      const { message } = dropped;
      const by = trace.getActiveSpan()?.spanContext();
      noteIn(tracer, message.traceparent, `drop ${message.name}`, by, aboutMessage(message));
      return dropped;
    },
  };
}

function described(row: ParkedRow): ParkedMessage {
  const { id, source, reason, attempts, parkedAt } = row;
  return { id, message: messageIn(row, source), reason, attempts, parkedAt };
}
