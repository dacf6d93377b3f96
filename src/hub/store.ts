import { desc, sql } from 'drizzle-orm';
import { boolean, doublePrecision, index, integer, pgSchema, text } from 'drizzle-orm/pg-core';
import { bytea, instant, int53 } from '../database/columns.ts';
import { plumbing } from '../database/tables.ts';
import { taskStates } from './task-states.ts';

export const hubSchema = pgSchema('hub');
/** The hub consumes no events: of the plumbing it has what its relay works with. */
export const { outbox, inbox } = plumbing(hubSchema);

/** One row for each bot that ever said Hello; `session_id` is the newest stream's, on whichever hub. */
export const bots = hubSchema.table('bots', {
  botId: text('bot_id').primaryKey(),
  instanceId: text('instance_id').notNull(),
  bootCount: int53('boot_count').notNull(),
  epoch: int53('epoch').notNull(),
  sessionId: text('session_id').notNull(),
  hubId: text('hub_id').notNull(),
  connected: boolean('connected').notNull(),
  /** A hub that dies cannot clear `connected`: past this instant nobody has to believe it. */
  sessionExpiresAt: instant('session_expires_at').notNull(),
  lastSeenAt: instant('last_seen_at').notNull(),
  x: doublePrecision('x'),
  y: doublePrecision('y'),
  battery: doublePrecision('battery'),
});

export const tasks = hubSchema.table(
  'tasks',
  {
    taskId: text('task_id').primaryKey(),
    orderId: text('order_id').notNull(),
    kind: text('kind').notNull(),
    revision: integer('revision').notNull(),
    digest: text('digest').notNull(),
    payload: bytea('payload').notNull(),
    priority: integer('priority').notNull(),
    maxAttempts: integer('max_attempts').notNull(),
    x: doublePrecision('x'),
    y: doublePrecision('y'),
    traceparent: text('traceparent').notNull(),
    correlationId: text('correlation_id').notNull(),
    causationId: text('causation_id').notNull(),
    createdAt: instant('created_at').notNull(),
    state: text('state', { enum: taskStates }).notNull(),
    attempt: integer('attempt').notNull(),
    fence: int53('fence').notNull(),
    /** Who has the task, or had it last. */
    botId: text('bot_id'),
    /** When the offer or the lease runs out. */
    heldUntil: instant('held_until'),
    notBefore: instant('not_before'),
    finishedAt: instant('finished_at'),
    reason: text('reason'),
  },
  (t) => [
    // Dispatch reads the head of this one: as small as the backlog, and in its order.
    index('tasks_queued').on(desc(t.priority), t.createdAt).where(sql`state = 'QUEUED'`),
    index('tasks_held_until').on(t.heldUntil).where(sql`state in ('OFFERED', 'LEASED', 'RUNNING')`),
    index('tasks_held_by').on(t.botId).where(sql`state in ('OFFERED', 'LEASED', 'RUNNING')`),
    index('tasks_by_order').on(t.orderId),
    index('tasks_newest').on(desc(t.createdAt)),
  ],
);
