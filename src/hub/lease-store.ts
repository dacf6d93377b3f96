import { and, eq, isNull, sql } from 'drizzle-orm';
import type { Orm } from '../database/port.ts';
import { eachByIndex } from '../database/statement.ts';
import type { StreamKey } from './bot-store.ts';
import { bots, outbox, tasks } from './store.ts';

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
  /** Of the row, from now on. */
  readonly version: string;
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
  const rows = await orm.execute<{
    task_id: string;
    left_ms: number;
    state: string;
    reason: string | null;
    version: string;
  }>(sql`
    with wanted as (
      select * from jsonb_to_recordset(${JSON.stringify(renewals)}::text::jsonb)
        as w("taskId" text, fence bigint, "botId" text, epoch bigint, running boolean)
    ), held as (
      select t.task_id, w.running from ${tasks} t
      join wanted w on w."taskId" = t.task_id and w.fence = t.fence and w."botId" = t.bot_id
      join ${bots} b on b.bot_id = t.bot_id and b.epoch = w.epoch
      where t.state in ('LEASED', 'RUNNING', 'SUSPECT', 'CANCELLING') and ${eachByIndex(sql`w.fence`)}
      order by t.task_id for update of t
    )
    update ${tasks} t set
      held_until = case when t.state = 'CANCELLING' and not t.running then t.held_until
        else now() + make_interval(secs => ${leaseMs / 1000}) end,
      state = case when t.state = 'CANCELLING' then t.state
        when held.running or t.running or t.state = 'RUNNING' then 'RUNNING' else 'LEASED' end,
      running = case when t.state = 'CANCELLING' then t.running end
    from held where t.task_id = held.task_id
    returning t.task_id, t.state, t.reason, t.xmin::text as version, (extract(epoch from t.held_until - now()) * 1000)::float8 as left_ms`);
  return new Map(
    rows.map(({ task_id, left_ms, state, reason, version }) => [
      task_id,
      { leftMs: left_ms, version, cancelReason: state === 'CANCELLING' ? (reason ?? '') : undefined },
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
