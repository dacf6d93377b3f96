import { desc, sql } from 'drizzle-orm';
import { boolean, doublePrecision, index, integer, jsonb, pgSchema, text } from 'drizzle-orm/pg-core';
import { bytea, instant, int53 } from '../database/columns.ts';
import { plumbing } from '../database/tables.ts';
import type { KindSupport } from '../gen/fleet/v1/fleet.ts';
import { heldStates, taskStates } from './task-states.ts';

export const hubSchema = pgSchema('hub');
/** The hub consumes no events: of the plumbing it has what its relay works with. */
export const { outbox, inbox } = plumbing(hubSchema, { waitsForTasks: true });

/** One row for each bot that ever said Hello: its newest session, on whichever hub. */
export const bots = hubSchema.table('bots', {
  botId: text('bot_id').primaryKey(),
  instanceId: text('instance_id').notNull(),
  bootCount: int53('boot_count').notNull(),
  /** Of the newest stream: what comes from one of a lower epoch changes nothing. */
  epoch: int53('epoch').notNull(),
  sessionId: text('session_id').notNull(),
  /** SHA-256 of the token that the newest Welcome gave. */
  resumeDigest: bytea('resume_digest'),
  hubId: text('hub_id').notNull(),
  connected: boolean('connected').notNull(),
  /**
   * Connected: a hub that dies cannot clear that, and past this instant nobody has to believe it. Else: until then the bot finds its session
   * again.
   */
  sessionExpiresAt: instant('session_expires_at').notNull(),
  lastSeenAt: instant('last_seen_at').notNull(),
  x: doublePrecision('x'),
  y: doublePrecision('y'),
  battery: doublePrecision('battery'),
  /** As the newest Hello said. */
  kinds: jsonb('kinds').$type<Pick<KindSupport, 'kind' | 'digests'>[]>().notNull().default([]),
});

/** Literal, so that a query which says the same uses the indexes: with parameters PostgreSQL could not. */
export const isHeld = sql.raw(`state in (${heldStates.map((state) => `'${state}'`).join(', ')})`);

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
    /** Place in the queue, ms: see `rankOf`. */
    rank: int53('rank').notNull(),
    /** Nobody is offered the task from then on. */
    deadline: instant('deadline'),
    /** The only bot that may have it; empty, and not null, for any: one index then serves both. */
    onlyBotId: text('only_bot_id').notNull().default(''),
    maxAttempts: integer('max_attempts').notNull(),
    x: doublePrecision('x'),
    y: doublePrecision('y'),
    traceparent: text('traceparent').notNull(),
    correlationId: text('correlation_id').notNull(),
    causationId: text('causation_id').notNull(),
    createdAt: instant('created_at').notNull(),
    since: instant('since').notNull().defaultNow(),
    state: text('state', { enum: taskStates }).notNull(),
    attempt: integer('attempt').notNull(),
    fence: int53('fence').notNull(),
    /** Who has the task, or had it last. */
    botId: text('bot_id'),
    /** When the offer, the lease or the grace runs out. */
    heldUntil: instant('held_until'),
    /** Of a suspect task: its bot had begun. Of one that is being cancelled: its bot goes on, past the point of return. */
    running: boolean('running'),
    /** Who lost the attempt before this one, and may have it back under `lost_fence`. */
    lostBotId: text('lost_bot_id'),
    lostFence: int53('lost_fence'),
    notBefore: instant('not_before'),
    finishedAt: instant('finished_at'),
    reason: text('reason'),
  },
  (t) => [
    // Dispatch reads heads of this one, one for each digest and bot: as small as the backlog, and in its order.
    index('tasks_queued').on(t.onlyBotId, t.digest, t.rank).where(sql`state = 'QUEUED'`),
    index('tasks_overdue').on(t.deadline).where(sql`state = 'QUEUED' and deadline is not null`),
    index('tasks_held_until').on(t.heldUntil).where(isHeld),
    index('tasks_held_by').on(t.botId).where(isHeld),
    index('tasks_by_order').on(t.orderId),
    index('tasks_newest').on(desc(t.createdAt), desc(t.taskId)),
  ],
);
