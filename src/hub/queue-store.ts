import { and, asc, eq, getTableColumns, lte, Subquery, sql } from 'drizzle-orm';
import { alias } from 'drizzle-orm/pg-core';
import type { Orm } from '../database/port.ts';
import { outbox, tasks } from './store.ts';
import { clock, type Read, read } from './task-store.ts';

const queued = alias(tasks, 'queued');
const columns = { ...getTableColumns(queued), now: clock };

/** Bots and digests for whom tasks are looked for. */
export interface Takers {
  readonly botIds: readonly string[];
  readonly digests: readonly string[];
}

/**
 * The heads of the queue that `takers` can take: of each digest, those that any bot may have and those that wait for one of these bots; at
 * most `limit` of each, in the order of the queue. However many tasks of other digests or for other bots stand before them, they are not
 * read: each head is the beginning of a range of the index `tasks_queued`. `waited_for` leaps through that index from one bot that tasks
 * wait for to the next; of bots that nothing waits for, nobody asks, though a hub may have ten thousand of them.
 *
 * Tasks that another hub has in hand are passed over. So are those whose bots.task_lost has not left the outbox: what the next bot says is
 * published directly and has a higher fence, so if it came first, every consumer would refuse the loss as stale and never take back what
 * the lost attempt had picked.
 */
export async function lockQueued(orm: Orm, takers: Takers, limit: number): Promise<Read> {
  const heads = new Subquery(queuedHeads(takers, limit), getTableColumns(queued), 'queued');
  return read(await orm.select(columns).from(heads).orderBy(asc(queued.rank)));
}

/** Queued tasks whose deadline has passed; those that another hub is looking at are left to it. */
export async function lockOverdue(orm: Orm, limit: number): Promise<Read> {
  const overdue = and(eq(tasks.state, sql`'QUEUED'`), lte(tasks.deadline, sql`now()`));
  return read(
    await orm
      .select({ ...getTableColumns(tasks), now: clock })
      .from(tasks)
      .where(overdue)
      .orderBy(asc(tasks.deadline))
      .limit(limit)
      .for('update', { skipLocked: true }),
  );
}

/** Exported for its plan to be looked at. */
export const queuedHeads = ({ botIds, digests }: Takers, limit: number) => sql`
  with recursive waited_for (bot_id) as (
    select ''
    union all
    select (select n.only_bot_id from ${tasks} n where n.state = 'QUEUED' and n.only_bot_id > w.bot_id
      order by n.only_bot_id limit 1)
    from waited_for w where w.bot_id is not null
  )
  select head.* from (
    select w.bot_id from waited_for w
    where w.bot_id = '' or w.bot_id in (select jsonb_array_elements_text(${JSON.stringify(botIds)}::text::jsonb))
  ) b
  cross join jsonb_array_elements_text(${JSON.stringify(digests)}::text::jsonb) as d (digest)
  cross join lateral (
    select t.* from ${tasks} t
    where t.state = 'QUEUED' and t.only_bot_id = b.bot_id and t.digest = d.digest
      and t.not_before <= now() and (t.deadline is null or t.deadline > now())
      and not exists (select from ${outbox} o where o.task_id = t.task_id and o.published_at is null)
    order by t.rank limit ${limit} for update skip locked
  ) head`;
