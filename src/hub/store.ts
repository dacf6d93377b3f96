import { desc, sql } from 'drizzle-orm';
import {
  bigserial,
  boolean,
  doublePrecision,
  index,
  integer,
  jsonb,
  pgSchema,
  primaryKey,
  text,
  uniqueIndex,
} from 'drizzle-orm/pg-core';
import { bytea, instant, int53 } from '../database/columns.ts';
import { plumbing } from '../database/tables.ts';
import type { Credit, KindSupport } from '../gen/fleet/v1/fleet.ts';
import { parts } from './protocol/majors/parts.ts';
import { botWords, revisionStates, rolloutOutcomes } from './protocol/revision-states.ts';
import { arms, attemptOutcomes, type RolloutProgress } from './protocol/rollout-record.ts';
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
  /** It serves whatever kind it applies a revision of. */
  anyKind: boolean('any_kind').notNull().default(false),
  /** Tasks that it may hold at once, as it said last. */
  credits: jsonb('credits').$type<Pick<Credit, 'kind' | 'amount'>[]>().notNull().default([]),
  /** Reliable frames that it may have unacknowledged, as it was told last. */
  maxUnacknowledged: integer('max_unacknowledged').notNull().default(0),
});

/** Tasks of a kind that operators let a bot hold at once; an empty kind is every other one. As few rows as bots are limited. */
export const botLimits = hubSchema.table(
  'bot_limits',
  {
    botId: text('bot_id').notNull(),
    kind: text('kind').notNull(),
    most: integer('most').notNull(),
  },
  (table) => [primaryKey({ columns: [table.botId, table.kind] })],
);

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
    /** Null: the task's own kind. */
    lostKind: text('lost_kind'),
    lostRevision: integer('lost_revision'),
    lostDigest: text('lost_digest'),
    /** The revision that the task is done in, from its offer on; null while nobody has it. `digest` is the one that its payload is written in. */
    pinnedRevision: integer('pinned_revision'),
    pinnedDigest: text('pinned_digest'),
    /** The major that it is done in; null: the task's own. */
    pinnedKind: text('pinned_kind'),
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

/** The kinds that there are. */
export const kinds = hubSchema.table('kinds', {
  kind: text('kind').primaryKey(),
  /** Grows by one with every change of the kind, under the row's lock: hubs see by it that their view is old, and callers that theirs is. */
  version: int53('version').notNull(),
});

export interface SourceFile {
  readonly path: string;
  readonly text: string;
}

export const revisions = hubSchema.table(
  'revisions',
  {
    /** Of `descriptorSet`. */
    digest: text('digest').primaryKey(),
    kind: text('kind').notNull(),
    /** From 1, in the order of publishing. */
    revision: integer('revision').notNull(),
    state: text('state', { enum: revisionStates }).notNull(),
    /** In canonical form. */
    descriptorSet: bytea('descriptor_set').notNull(),
    /** What it was compiled from, as far as the publisher gave it. */
    sources: jsonb('sources').$type<readonly SourceFile[]>().notNull(),
    taskMessage: text('task_message').notNull(),
    progressMessage: text('progress_message').notNull(),
    resultMessage: text('result_message').notNull(),
    publishedAt: instant('published_at').notNull(),
    publishedBy: text('published_by').notNull(),
    changedAt: instant('changed_at').notNull(),
    changedBy: text('changed_by').notNull(),
    reason: text('reason').notNull(),
  },
  (t) => [uniqueIndex('revisions_of_kind').on(t.kind, t.revision)],
);

/** Every change of a revision's state, kept for ever. */
export const revisionChanges = hubSchema.table(
  'revision_changes',
  {
    id: bigserial('id', { mode: 'number' }).primaryKey(),
    digest: text('digest').notNull(),
    /** Of the kind, after it. */
    version: int53('version').notNull(),
    /** Null at the beginning. */
    from: text('from_state', { enum: revisionStates }),
    to: text('to_state', { enum: revisionStates }).notNull(),
    /** Of bots, in CANARY. */
    percent: integer('percent'),
    at: instant('at').notNull(),
    by: text('by').notNull(),
    reason: text('reason').notNull(),
  },
  (t) => [index('revision_changes_of').on(t.digest, t.id)],
);

/** How a canary goes, or went. All that decides about it is here: a hub that takes over goes on where the last one stopped. */
export const rollouts = hubSchema.table(
  'rollouts',
  {
    rolloutId: text('rollout_id').primaryKey(),
    kind: text('kind').notNull(),
    digest: text('digest').notNull(),
    /** What it is compared with; null for the first revision of a kind. */
    baseline: text('baseline'),
    /** Of the bots. */
    percent: integer('percent').notNull(),
    progress: jsonb('progress').$type<RolloutProgress>().notNull(),
    beganAt: instant('began_at').notNull(),
    stepBeganAt: instant('step_began_at').notNull(),
    /** Null while it is under way. */
    outcome: text('outcome', { enum: rolloutOutcomes }),
    decidedAt: instant('decided_at'),
    reason: text('reason').notNull().default(''),
  },
  (t) => [
    uniqueIndex('rollouts_under_way').on(t.kind).where(sql`outcome is null`),
    index('rollouts_of_kind').on(t.kind, desc(t.beganAt)),
  ],
);

/** Attempts that ended while a rollout of their kind was under way; gone when that is decided. */
export const rolloutAttempts = hubSchema.table(
  'rollout_attempts',
  {
    rolloutId: text('rollout_id').notNull(),
    taskId: text('task_id').notNull(),
    fence: int53('fence').notNull(),
    arm: text('arm', { enum: arms }).notNull(),
    outcome: text('outcome', { enum: attemptOutcomes }).notNull(),
    /** From its lease. */
    seconds: doublePrecision('seconds').notNull(),
  },
  (t) => [primaryKey({ columns: [t.rolloutId, t.taskId, t.fence] })],
);

/** Reports that each hub has read while a rollout of their kind was under way. */
export const rolloutReports = hubSchema.table(
  'rollout_reports',
  {
    rolloutId: text('rollout_id').notNull(),
    hubId: text('hub_id').notNull(),
    arm: text('arm', { enum: arms }).notNull(),
    total: int53('total').notNull(),
    undecodable: int53('undecodable').notNull(),
  },
  (t) => [primaryKey({ columns: [t.rolloutId, t.hubId, t.arm] })],
);

/** What each bot said last of each revision that it was offered; those that its Hello listed are in `bots`. */
export const botRevisions = hubSchema.table(
  'bot_revisions',
  {
    botId: text('bot_id').notNull(),
    digest: text('digest').notNull(),
    /** Of the stream that brought it: once the bot has a newer one, its Hello and what it says after that count. */
    epoch: int53('epoch').notNull(),
    status: text('status', { enum: botWords }).notNull(),
    /** Why, when rejected. */
    reason: text('reason').notNull(),
    changedAt: instant('changed_at').notNull(),
  },
  (t) => [primaryKey({ columns: [t.botId, t.digest] }), index('bot_revisions_of').on(t.digest, t.status)],
);

/** What kinds say to each other across majors; the newest version counts, the others are history. */
export const translations = hubSchema.table(
  'translations',
  {
    newer: text('newer').notNull(),
    /** From 1. */
    version: integer('version').notNull(),
    older: text('older').notNull(),
    /** As it was published: `readTranslation` reads it. */
    document: text('document').notNull(),
    publishedAt: instant('published_at').notNull(),
    publishedBy: text('published_by').notNull(),
    reason: text('reason').notNull(),
  },
  (t) => [primaryKey({ columns: [t.newer, t.version] })],
);

/** What could not be brought into another major: tasks wait for bots of their own then, reports were refused and are kept here. */
export const untranslated = hubSchema.table(
  'untranslated',
  {
    taskId: text('task_id').notNull(),
    part: text('part', { enum: parts }).notNull(),
    /** Which translation it was: another one may succeed. */
    attempted: text('attempted').notNull(),
    fromKind: text('from_kind').notNull(),
    intoKind: text('into_kind').notNull(),
    /** What the payload is written in. */
    digest: text('digest').notNull(),
    /** Of a report; a task's is with the task. */
    payload: bytea('payload'),
    reason: text('reason').notNull(),
    at: instant('at').notNull(),
  },
  (t) => [primaryKey({ columns: [t.taskId, t.part, t.attempted] })],
);
