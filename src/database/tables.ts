import { sql } from 'drizzle-orm';
import { bigserial, index, integer, type PgSchema, text } from 'drizzle-orm/pg-core';
import { bytea, instant, int53 } from './columns.ts';

/** What came of a message that was taken in. `parked` becomes `handled`, `stale` or `dropped` when staff decide. */
const inboxOutcomes = ['handled', 'stale', 'parked', 'dropped'] as const;
export type InboxOutcome = (typeof inboxOutcomes)[number];

/** The columns of a message, the same wherever one is kept. */
export const messageColumns = () => ({
  messageId: text('message_id').notNull(),
  name: text('name').notNull(),
  key: text('key').notNull(),
  correlationId: text('correlation_id').notNull(),
  causationId: text('causation_id').notNull(),
  traceparent: text('traceparent').notNull(),
  taskId: text('task_id'),
  fence: int53('fence'),
  body: bytea('body').notNull(),
  occurredAt: instant('occurred_at').notNull(),
});

/**
 * The tables that every role with messages has in its schema. drizzle-kit sees only what a module exports, the schema included,
 * so a `store.ts` reads:
 *
 *     export const ordersSchema = pgSchema('orders');
 *     export const { outbox, inbox, fences, parked } = plumbing(ordersSchema);
 *     export const orders = ordersSchema.table('orders', { ... });
 *
 * and may import only drizzle, this file and columns.ts (and others that do): drizzle-kit loads it. Then
 * `node src/database/generate-migrations.ts orders` writes the migration. `waitsForTasks`: the role asks whether all is published that it
 * has said of a task.
 */
export function plumbing(schema: PgSchema, { waitsForTasks = false } = {}) {
  return {
    /** Messages that were decided on and committed with their cause; the relay publishes them. */
    outbox: schema.table(
      'outbox',
      {
        id: bigserial('id', { mode: 'number' }).primaryKey(),
        ...messageColumns(),
        publishedAt: instant('published_at'),
      },
      (t) => [
        // What the relay polls: as small as the backlog, however long the published rows are kept.
        index('outbox_unpublished').on(t.id).where(sql`published_at is null`),
        index('outbox_published').on(t.publishedAt).where(sql`published_at is not null`),
        ...(waitsForTasks ? [index('outbox_unpublished_by_task').on(t.taskId).where(sql`published_at is null`)] : []),
      ],
    ),
    /** Ids of the messages taken in: what is here is never handled again. */
    inbox: schema.table(
      'inbox',
      {
        messageId: text('message_id').primaryKey(),
        name: text('name').notNull(),
        handledAt: instant('handled_at').notNull(),
        outcome: text('outcome', { enum: inboxOutcomes }).notNull(),
      },
      (t) => [index('inbox_handled_at').on(t.handledAt)],
    ),
    /** The highest fence seen of each task. */
    fences: schema.table('fences', {
      taskId: text('task_id').primaryKey(),
      fence: int53('fence').notNull(),
    }),
    /** Messages that could not be handled, and those of the same key that wait behind them, in the order of arrival. */
    parked: schema.table(
      'parked',
      {
        id: bigserial('id', { mode: 'number' }).primaryKey(),
        ...messageColumns(),
        source: text('source').notNull(),
        reason: text('reason').notNull(),
        attempts: integer('attempts').notNull(),
        parkedAt: instant('parked_at').notNull(),
      },
      (t) => [index('parked_by_key').on(t.key, t.id)],
    ),
  };
}

export type PlumbingTables = ReturnType<typeof plumbing>;
