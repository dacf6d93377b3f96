import { and, asc, eq, getTableColumns, inArray, isNull, lte, or, sql } from 'drizzle-orm';
import type { Orm } from '../database/port.ts';
import type { SchemaRef } from '../gen/fleet/v1/fleet.ts';
import type { StreamKey } from './bot-store.ts';
import { rankOf } from './rank.ts';
import { bots, isHeld, outbox, tasks } from './store.ts';
import type { Phase, Task } from './task-phase.ts';

type Row = typeof tasks.$inferSelect;

/** Rows, and the database's clock when their transaction began. */
export interface Read {
  readonly now: Date;
  readonly tasks: Task[];
}

export const clock = sql<Date>`now()`.mapWith(tasks.createdAt);
const columns = { ...getTableColumns(tasks), now: clock };

/**
 * Adds what is new, and answers with it, so that a redelivered task has no second effect. What is offered already is so for `offerMs` from the
 * database's now on.
 */
export async function insertTasks(orm: Orm, added: readonly Task[], offerMs: number): Promise<Task[]> {
  const offeredUntil = sql`now() + make_interval(secs => ${offerMs / 1000})`;
  const rows = await orm
    .insert(tasks)
    .values(added.map(toRow).map((row) => (row.state === 'OFFERED' ? { ...row, heldUntil: offeredUntil } : row)))
    .onConflictDoNothing({ target: tasks.taskId })
    .returning({ taskId: tasks.taskId, heldUntil: tasks.heldUntil });
  const heldUntil = new Map(rows.map((row) => [row.taskId, row.heldUntil]));
  return added.flatMap((task) => {
    const until = heldUntil.get(task.taskId);
    if (until === undefined) return [];
    return until && 'heldUntil' in task.phase ? { ...task, phase: { ...task.phase, heldUntil: until } } : task;
  });
}

/** Locked in the order of their ids, so that two hubs do not wait for each other. */
export async function lockTasks(orm: Orm, taskIds: readonly string[]): Promise<Read> {
  return read(
    await orm
      .select(columns)
      .from(tasks)
      .where(inArray(tasks.taskId, [...taskIds]))
      .orderBy(asc(tasks.taskId))
      .for('update'),
  );
}

/** Held tasks whose time is over; those that another hub is looking at are left to it. */
export async function lockExpired(orm: Orm, limit: number): Promise<Read> {
  return read(
    await orm
      .select(columns)
      .from(tasks)
      .where(and(isHeld, lte(tasks.heldUntil, sql`now()`)))
      .orderBy(asc(tasks.heldUntil))
      .limit(limit)
      .for('update', { skipLocked: true }),
  );
}

/** What the bots have, and what they say they have. */
export async function lockTasksOf(orm: Orm, botIds: readonly string[], claimed: readonly string[]): Promise<Read> {
  return read(
    await orm
      .select(columns)
      .from(tasks)
      .where(or(and(isHeld, inArray(tasks.botId, [...botIds])), inArray(tasks.taskId, [...claimed])))
      .orderBy(asc(tasks.taskId))
      .for('update'),
  );
}

export async function findTask(orm: Orm, taskId: string): Promise<Task | undefined> {
  const [row] = await orm.select().from(tasks).where(eq(tasks.taskId, taskId));
  return row && toTask(row);
}

/** What changes in the life of a task. */
const changing = (
  'taskId state attempt fence since onlyBotId botId heldUntil notBefore finishedAt reason running ' +
  'lostBotId lostFence lostRevision lostDigest pinnedRevision pinnedDigest'
).split(' ');

/** Writes what can change of all of them in one statement; they are locked by this transaction. */
export async function saveTasks(orm: Orm, changed: readonly Task[]): Promise<void> {
  const rows = JSON.stringify(changed.map(toRow), changing);
  await orm.execute(sql`
    update ${tasks} set
      state = c.state, attempt = c.attempt, fence = c.fence, since = c.since, only_bot_id = c."onlyBotId",
      bot_id = c."botId", held_until = c."heldUntil", not_before = c."notBefore", finished_at = c."finishedAt",
      reason = c.reason, running = c.running, lost_bot_id = c."lostBotId", lost_fence = c."lostFence",
      lost_revision = c."lostRevision", lost_digest = c."lostDigest", pinned_revision = c."pinnedRevision",
      pinned_digest = c."pinnedDigest"
    from jsonb_to_recordset(${rows}::text::jsonb) as c(
      "taskId" text, state text, attempt int, fence bigint, since timestamptz, "onlyBotId" text, "botId" text,
      "heldUntil" timestamptz, "notBefore" timestamptz, "finishedAt" timestamptz, reason text, running boolean,
      "lostBotId" text, "lostFence" bigint, "lostRevision" int, "lostDigest" text, "pinnedRevision" int, "pinnedDigest" text)
    where ${tasks.taskId} = c."taskId"`);
}

/** What a stream knows of a lease that it wants to keep. */
export interface Renewal extends StreamKey {
  readonly taskId: string;
  readonly fence: number;
  /** The bot has reported progress. */
  readonly running: boolean;
}

/** A lease that was kept. */
export interface Renewed {
  /** From the database's now on. */
  readonly leftMs: number;
  /** Set when the bot is to stop. */
  readonly cancelReason: string | undefined;
}

/**
 * Keeps leases for `leaseMs` from the database's now on, and answers with those that were kept, by task: the others have another fence, are over,
 * or belong to a bot that has a newer stream. A suspect task is its bot's again. One that is being cancelled is kept for what it has
 * left, unless its bot goes on. Rows are locked in the order of their ids, as everywhere.
 */
export async function renewLeases(
  orm: Orm,
  renewals: readonly Renewal[],
  leaseMs: number,
): Promise<Map<string, Renewed>> {
  const rows = await orm.execute<{ task_id: string; left_ms: number; state: string; reason: string | null }>(sql`
    with wanted as (
      select * from jsonb_to_recordset(${JSON.stringify(renewals)}::text::jsonb)
        as w("taskId" text, fence bigint, "botId" text, epoch bigint, running boolean)
    ), held as (
      select t.task_id, w.running from ${tasks} t
      join wanted w on w."taskId" = t.task_id and w.fence = t.fence and w."botId" = t.bot_id
      join ${bots} b on b.bot_id = t.bot_id and b.epoch = w.epoch
      where t.state in ('LEASED', 'RUNNING', 'SUSPECT', 'CANCELLING')
      order by t.task_id for update of t
    )
    update ${tasks} t set
      held_until = case when t.state = 'CANCELLING' and not t.running then t.held_until
        else now() + make_interval(secs => ${leaseMs / 1000}) end,
      state = case when t.state = 'CANCELLING' then t.state
        when held.running or t.running or t.state = 'RUNNING' then 'RUNNING' else 'LEASED' end,
      running = case when t.state = 'CANCELLING' then t.running end
    from held where t.task_id = held.task_id
    returning t.task_id, t.state, t.reason, (extract(epoch from t.held_until - now()) * 1000)::float8 as left_ms`);
  return new Map(
    rows.map(({ task_id, left_ms, state, reason }) => [
      task_id,
      { leftMs: left_ms, cancelReason: state === 'CANCELLING' ? (reason ?? '') : undefined },
    ]),
  );
}

/** Something that was said of the task has not left the outbox. */
export async function isUntold(orm: Orm, taskId: string): Promise<boolean> {
  const unpublished = await orm
    .select({ id: outbox.id })
    .from(outbox)
    .where(and(eq(outbox.taskId, taskId), isNull(outbox.publishedAt)))
    .limit(1);
  return unpublished.length > 0;
}

export function read(rows: ReadonlyArray<Row & { now: Date }>): Read {
  return { now: rows[0]?.now ?? new Date(0), tasks: rows.map(toTask) };
}

function toRow({ schema, pinned, position, phase, lost, ...task }: Task): typeof tasks.$inferInsert {
  return {
    ...task,
    kind: schema.kind,
    revision: schema.revision,
    digest: schema.digest,
    rank: rankOf(task),
    deadline: task.deadline ?? null,
    x: position?.x ?? null,
    y: position?.y ?? null,
    state: phase.state,
    botId: 'botId' in phase ? phase.botId : null,
    heldUntil: 'heldUntil' in phase ? phase.heldUntil : null,
    running: 'running' in phase ? phase.running : null,
    lostBotId: lost?.botId ?? null,
    lostFence: lost?.fence ?? null,
    lostRevision: lost?.pinned?.revision ?? null,
    lostDigest: lost?.pinned?.digest ?? null,
    pinnedRevision: pinned?.revision ?? null,
    pinnedDigest: pinned?.digest ?? null,
    notBefore: 'notBefore' in phase ? phase.notBefore : null,
    finishedAt: 'finishedAt' in phase ? phase.finishedAt : null,
    reason: 'reason' in phase ? phase.reason : null,
  };
}

export function toTask(row: Row): Task {
  const { kind, revision, digest, x, y } = row;
  return {
    taskId: row.taskId,
    orderId: row.orderId,
    schema: { kind, revision, digest },
    payload: row.payload,
    priority: row.priority,
    deadline: row.deadline ?? undefined,
    onlyBotId: row.onlyBotId,
    maxAttempts: row.maxAttempts,
    position: x === null || y === null ? undefined : { x, y },
    traceparent: row.traceparent,
    correlationId: row.correlationId,
    causationId: row.causationId,
    createdAt: row.createdAt,
    since: row.since,
    attempt: row.attempt,
    fence: row.fence,
    lost:
      row.lostBotId === null
        ? undefined
        : { botId: row.lostBotId, fence: row.lostFence!, pinned: schemaOf(kind, row.lostRevision, row.lostDigest) },
    pinned: schemaOf(kind, row.pinnedRevision, row.pinnedDigest),
    phase: toPhase(row),
  };
}

const schemaOf = (kind: string, revision: number | null, digest: string | null): SchemaRef | undefined =>
  revision === null || digest === null ? undefined : { kind, revision, digest };

/** `saveTasks` and `insertTasks` write exactly the columns that a state has. */
function toPhase(row: Row): Phase {
  const botId = row.botId ?? '';
  switch (row.state) {
    case 'QUEUED':
      return { state: row.state, notBefore: row.notBefore! };
    case 'OFFERED':
    case 'LEASED':
    case 'RUNNING':
      return { state: row.state, botId, heldUntil: row.heldUntil! };
    case 'SUSPECT':
      return { state: row.state, botId, heldUntil: row.heldUntil!, running: row.running! };
    case 'CANCELLING':
      return { state: row.state, botId, heldUntil: row.heldUntil!, running: row.running!, reason: row.reason! };
    case 'SUCCEEDED':
      return { state: row.state, botId, finishedAt: row.finishedAt! };
    case 'FAILED':
    case 'CANCELLED':
    case 'POISON':
      return { state: row.state, botId, finishedAt: row.finishedAt!, reason: row.reason! };
    default:
      return row.state satisfies never;
  }
}
