import { eq, sql } from 'drizzle-orm';
import type { Orm } from '../database/port.ts';
import { rowsOf, statement } from '../database/statement.ts';
import type { SchemaRef } from '../gen/fleet/v1/fleet.ts';
import type { StreamKey } from './bot-store.ts';
import { rankOf } from './rank.ts';
import { bots, isHeld, tasks } from './store.ts';
import type { Phase, Task } from './task-phase.ts';

type Row = typeof tasks.$inferSelect;

/** As the driver has it: instants are text. */
export type ReadRow = Row & { readonly now: string };

/** Rows, and the database's clock when their transaction began. */
export interface Read {
  readonly now: Date;
  readonly tasks: Task[];
}

const rows = rowsOf(tasks);
/** What reads make of a task, and the database's clock. */
export const readColumns = sql`${rows.columns}, now() as now`;

/** A row that was written, and what it is now. */
export interface Written {
  readonly taskId: string;
  /** The transaction that wrote it: PostgreSQL has that with every row. */
  readonly version: string;
}

const inserted = statement<
  { rows: string; offerMs: number },
  Written & { state: string; heldUntil: string | null }
>(sql`
  insert into ${tasks} (task_id, order_id, kind, revision, digest, payload, priority, rank, deadline, only_bot_id, max_attempts,
    x, y, traceparent, correlation_id, causation_id, created_at, since, state, attempt, fence, bot_id, held_until, not_before,
    finished_at, reason, pinned_kind, pinned_revision, pinned_digest)
  select c."taskId", c."orderId", c.kind, c.revision, c.digest, decode(c.payload, 'base64'), c.priority, c.rank, c.deadline, c."onlyBotId",
    c."maxAttempts", c.x, c.y, c.traceparent, c."correlationId", c."causationId", c."createdAt", c.since,
    case when b.epoch is null then c.state else 'OFFERED' end, c.attempt, c.fence + (b.epoch is not null)::int, coalesce(b.bot_id, c."botId"),
    case when b.epoch is not null then now() + ${sql.placeholder('offerMs')}::float8 * interval '1 ms' end,
    case when b.epoch is null then c."notBefore" end, c."finishedAt", c.reason,
    case when b.epoch is not null then c."pinnedKind" end, case when b.epoch is not null then c."pinnedRevision" end,
    case when b.epoch is not null then c."pinnedDigest" end
  from jsonb_to_recordset(${sql.placeholder('rows')}::text::jsonb) as c(
    "taskId" text, "orderId" text, kind text, revision int, digest text, payload text, priority int, rank bigint, deadline timestamptz,
    "onlyBotId" text, "maxAttempts" int, x float8, y float8, traceparent text, "correlationId" text, "causationId" text,
    "createdAt" timestamptz, since timestamptz, state text, attempt int, fence bigint, "botId" text, "notBefore" timestamptz,
    "finishedAt" timestamptz, reason text, "pinnedKind" text, "pinnedRevision" int, "pinnedDigest" text, "offeredTo" text, epoch bigint)
  left join ${bots} b on b.bot_id = c."offeredTo" and b.epoch = c.epoch
  on conflict (task_id) do nothing
  returning task_id as "taskId", state, held_until as "heldUntil", xmin::text as version`);

/** A task that is offered at once, if that stream is its bot's newest. */
export interface Offer extends StreamKey {
  readonly task: Task;
}

/**
 * Adds what is new, and answers with it, so that a redelivered task has no second effect; those of `offers` (by task) as they are offered, for
 * `offerMs` from the database's now on.
 */
export async function insertTasks(
  orm: Orm,
  added: readonly Task[],
  offers: ReadonlyMap<string, Offer>,
  offerMs: number,
): Promise<Task[]> {
  const written = added.map((task) => {
    const offer = offers.get(task.taskId);
    const payload = Buffer.from(task.payload).toString('base64');
    const { pinnedKind, pinnedRevision, pinnedDigest } = toRow(offer?.task ?? task);
    const offered = offer && { pinnedKind, pinnedRevision, pinnedDigest, offeredTo: offer.botId, epoch: offer.epoch };
    return { ...toRow(task), payload, ...offered };
  });
  const news = await inserted(orm, { rows: JSON.stringify(written), offerMs });
  const byId = new Map(news.map((row) => [row.taskId, row]));
  return added.flatMap((task) => {
    const row = byId.get(task.taskId);
    if (!row) return [];
    const { version, state, heldUntil } = row;
    const offered = state === 'OFFERED' && offers.get(task.taskId)?.task;
    if (!offered || !heldUntil) return { ...task, version };
    return { ...offered, version, phase: { ...offered.phase, heldUntil: new Date(heldUntil) } as Phase };
  });
}

const locked = statement<{ taskIds: string }, ReadRow>(sql`
  select ${readColumns} from ${tasks}
  where task_id = any(array(select jsonb_array_elements_text(${sql.placeholder('taskIds')}::text::jsonb)))
  order by task_id for update`);

/** Locked in the order of their ids, so that two hubs do not wait for each other. */
export async function lockTasks(orm: Orm, taskIds: readonly string[]): Promise<Read> {
  return read(await locked(orm, { taskIds: JSON.stringify(taskIds) }));
}

const expired = statement<{ limit: number }, ReadRow>(sql`
  select ${readColumns} from ${tasks} where ${isHeld} and held_until <= now()
  order by held_until limit ${sql.placeholder('limit')} for update skip locked`);

/** Held tasks whose time is over; those that another hub is looking at are left to it. */
export async function lockExpired(orm: Orm, limit: number): Promise<Read> {
  return read(await expired(orm, { limit }));
}

const lockedOf = statement<{ botIds: string; claimed: string }, ReadRow>(sql`
  select ${readColumns} from ${tasks}
  where task_id = any(array(
    select t.task_id from ${tasks} t
    where ${isHeld} and t.bot_id = any(array(select jsonb_array_elements_text(${sql.placeholder('botIds')}::text::jsonb)))
    union select jsonb_array_elements_text(${sql.placeholder('claimed')}::text::jsonb)))
  order by task_id for update`);

/** What the bots have, and what they say they have. */
export async function lockTasksOf(orm: Orm, botIds: readonly string[], claimed: readonly string[]): Promise<Read> {
  return read(await lockedOf(orm, { botIds: JSON.stringify(botIds), claimed: JSON.stringify(claimed) }));
}

export async function findTask(orm: Orm, taskId: string): Promise<Task | undefined> {
  const [row] = await orm.select().from(tasks).where(eq(tasks.taskId, taskId));
  return row && toTask(row);
}

export function read(found: readonly ReadRow[]): Read {
  return { now: new Date(found[0]?.now ?? 0), tasks: found.map((row) => toTask(rows.read(row))) };
}

export function toRow({ schema, pinned, position, phase, lost, ...task }: Task): typeof tasks.$inferInsert {
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
    lostKind: otherKind(lost?.pinned, schema),
    lostRevision: lost?.pinned?.revision ?? null,
    lostDigest: lost?.pinned?.digest ?? null,
    pinnedKind: otherKind(pinned, schema),
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
        : {
            ...{ botId: row.lostBotId, fence: row.lostFence! },
            pinned: schemaOf(row.lostKind ?? kind, row.lostRevision, row.lostDigest),
          },
    pinned: schemaOf(row.pinnedKind ?? kind, row.pinnedRevision, row.pinnedDigest),
    phase: toPhase(row),
  };
}

const otherKind = (language: SchemaRef | undefined, { kind }: SchemaRef): string | null =>
  language && language.kind !== kind ? language.kind : null;

const schemaOf = (kind: string, revision: number | null, digest: string | null): SchemaRef | undefined =>
  revision === null || digest === null ? undefined : { kind, revision, digest };

/** Whatever writes a task (`change-store`, `insertTasks`) writes exactly the columns that a state has. */
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
