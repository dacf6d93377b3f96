import { and, asc, desc, eq, inArray, sql } from 'drizzle-orm';
import type { Orm } from '../database/port.ts';
import { isHeld, tasks } from './store.ts';
import type { Phase, Task } from './task-phase.ts';
import { toTask } from './task-store.ts';

/**
 * How many tasks have not ended, by state; once per export. Reads what the partial indexes have and no finished task. Measured on a busy machine
 * with 100,000 queued among a million: 30 ms once vacuumed, 170 to 450 ms right after they were written.
 */
export async function countOpenTasks(orm: Orm): Promise<ReadonlyMap<string, number>> {
  const rows = await orm.execute<{ state: string; count: number }>(sql`
    select 'QUEUED' as state, count(*)::int as count from ${tasks} where state = 'QUEUED'
    union all
    select state, count(*)::int as count from ${tasks} where ${isHeld} group by state`);
  return new Map(rows.map(({ state, count }) => [state, count]));
}

export interface TaskFilter {
  readonly orderId?: string | undefined;
  readonly botId?: string | undefined;
  readonly kind?: string | undefined;
  /** Any of these; empty for all. */
  readonly states?: readonly Phase['state'][];
  readonly openOnly?: boolean;
  readonly limit: number;
}

/** Where a page of tasks ended: the instant that it is ordered by, ms since 1970, and the task's id. */
export interface Place {
  readonly atMs: number;
  readonly taskId: string;
}

/** Said so that the partial indexes of the open tasks serve it, however many have ended. */
const isOpen = sql`(${tasks.state} = 'QUEUED' or ${isHeld})`;

const matching = ({ orderId, botId, kind, states = [], openOnly }: TaskFilter) => [
  orderId === undefined ? undefined : eq(tasks.orderId, orderId),
  botId === undefined ? undefined : eq(tasks.botId, botId),
  kind === undefined ? undefined : eq(tasks.kind, kind),
  states.length === 0 ? undefined : inArray(tasks.state, [...states]),
  openOnly ? isOpen : undefined,
];

/** Newest first, from behind `after` on. */
export async function listNewest(orm: Orm, filter: TaskFilter, after: Place | undefined): Promise<Task[]> {
  const rows = await orm
    .select()
    .from(tasks)
    .where(and(...matching(filter), after && sql`(${tasks.createdAt}, ${tasks.taskId}) < ${placed(after)}`))
    .orderBy(desc(tasks.createdAt), desc(tasks.taskId))
    .limit(filter.limit);
  return rows.map(toTask);
}

/** Open tasks whose `since` is `forMs` ago or more, the longest first, from behind `after` on. */
export async function listStuck(
  orm: Orm,
  filter: TaskFilter,
  forMs: number,
  after: Place | undefined,
): Promise<Task[]> {
  const isStuck = sql`${tasks.since} <= now() - make_interval(secs => ${forMs / 1000})`;
  const isBehind = after && sql`(${tasks.since}, ${tasks.taskId}) > ${placed(after)}`;
  const rows = await orm
    .select()
    .from(tasks)
    .where(and(...matching({ ...filter, openOnly: true }), isStuck, isBehind))
    .orderBy(asc(tasks.since), asc(tasks.taskId))
    .limit(filter.limit);
  return rows.map(toTask);
}

const placed = ({ atMs, taskId }: Place) => sql`(${new Date(atMs).toISOString()}::timestamptz, ${taskId}::text)`;
