import { type Placeholder, type SQL, sql } from 'drizzle-orm';
import type { Orm } from '../database/port.ts';
import { rowsOf, statement } from '../database/statement.ts';
import { rankOf } from './rank.ts';
import { outbox, tasks, untranslated } from './store.ts';
import { type Read, type ReadRow, read, readColumns } from './task-store.ts';

/** For whom tasks are looked for. */
export interface Takers {
  /** Among those that tasks wait for; '' for tasks that any bot may have. */
  readonly botIds: readonly string[];
  /** Of tasks that are done as they are written. */
  readonly digests: readonly string[];
  /** Those that are done in another major: the digest, and the name of the translation. */
  readonly across: ReadonlyArray<{ readonly digest: string; readonly attempted: string }>;
}

/** Exported for its plan to be looked at. */
export const waits = sql`
  with recursive waited_for (bot_id) as (
    (select n.only_bot_id from ${tasks} n where n.state = 'QUEUED' order by n.only_bot_id limit 1)
    union all
    select (select n.only_bot_id from ${tasks} n where n.state = 'QUEUED' and n.only_bot_id > w.bot_id
      order by n.only_bot_id limit 1)
    from waited_for w where w.bot_id is not null
  )
  select bot_id as "botId" from waited_for where bot_id is not null`;

const waited = statement<object, { botId: string }>(waits);

/**
 * The bots that queued tasks wait for; '' when there are some that any bot may have. Leaps through the index from one to the next and locks
 * nothing. Asked before `lockQueued`: nearly always nothing is queued, and a hub may have ten thousand bots that nothing waits for.
 */
export async function waitedFor(orm: Orm): Promise<string[]> {
  return (await waited(orm, {})).map(({ botId }) => botId);
}

type Value<T> = T | Placeholder;

const headsOf = (botIds: Value<string>, digests: SQL, limit: Value<number>, condition = sql``) => sql`
  select ${rowsOf(tasks, 'head').columns}, now() as now
  from jsonb_array_elements_text(${botIds}::text::jsonb) as b (bot_id)
  cross join ${digests}
  cross join lateral (
    select t.* from ${tasks} t
    where t.state = 'QUEUED' and t.only_bot_id = b.bot_id and t.digest = d.digest
      and t.not_before <= now() and (t.deadline is null or t.deadline > now())
      and not exists (select from ${outbox} o where o.task_id = t.task_id and o.published_at is null)${condition}
    order by t.rank limit ${limit} for update skip locked
  ) head
  order by head.rank`;

/** Exported for its plan to be looked at. */
export const queuedHeads = (botIds: Value<string>, digests: Value<string>, limit: Value<number>) =>
  headsOf(botIds, sql`jsonb_array_elements_text(${digests}::text::jsonb) as d (digest)`, limit);

const heads = statement<{ botIds: string; digests: string; limit: number }, ReadRow>(
  queuedHeads(sql.placeholder('botIds'), sql.placeholder('digests'), sql.placeholder('limit')),
);

/** What has failed to be translated stays where it is, and those behind it are looked at. */
const headsAcross = statement<{ botIds: string; across: string; limit: number }, ReadRow>(
  headsOf(
    sql.placeholder('botIds'),
    sql`jsonb_to_recordset(${sql.placeholder('across')}::text::jsonb) as d (digest text, attempted text)`,
    sql.placeholder('limit'),
    sql` and not exists (
      select from ${untranslated} u where u.task_id = t.task_id and u.part = 'task' and u.attempted = d.attempted)`,
  ),
);

/**
 * The heads of the queue that `takers` can take: of each digest, those that any bot may have (bot id '') and those that wait for one of these
 * bots; at most `limit` of each, in the order of the queue. However many tasks of other digests or for other bots stand before them, they are
 * not read: each head is the beginning of a range of the index `tasks_queued`.
 *
 * Tasks that another hub has in hand are passed over. So are those whose bots.task_lost has not left the outbox: what the next bot says is
 * published directly and has a higher fence, so if it came first, every consumer would refuse the loss as stale and never take back what
 * the lost attempt had picked.
 */
export async function lockQueued(orm: Orm, { botIds, digests, across }: Takers, limit: number): Promise<Read> {
  const ids = JSON.stringify(botIds);
  const own = read(await heads(orm, { botIds: ids, digests: JSON.stringify(digests), limit }));
  if (across.length === 0) return own;
  const other = read(await headsAcross(orm, { botIds: ids, across: JSON.stringify(across), limit }));
  const tasks = [...new Map([...own.tasks, ...other.tasks].map((task) => [task.taskId, task])).values()];
  return { now: own.tasks.length > 0 ? own.now : other.now, tasks: tasks.sort((a, b) => rankOf(a) - rankOf(b)) };
}

const overdue = statement<{ limit: number }, ReadRow>(sql`
  select ${readColumns} from ${tasks} where state = 'QUEUED' and deadline <= now()
  order by deadline limit ${sql.placeholder('limit')} for update skip locked`);

/** Queued tasks whose deadline has passed; those that another hub is looking at are left to it. */
export async function lockOverdue(orm: Orm, limit: number): Promise<Read> {
  return read(await overdue(orm, { limit }));
}
