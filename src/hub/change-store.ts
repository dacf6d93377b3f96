import { sql } from 'drizzle-orm';
import { insertMessages } from '../database/outbox-rows.ts';
import type { Orm } from '../database/port.ts';
import { eachByIndex, statement } from '../database/statement.ts';
import { bots, outbox, tasks } from './store.ts';
import type { Phase, Task } from './task-phase.ts';
import { toRow, type Written } from './task-store.ts';

/** What changes in the life of a task. */
const changing = (
  'taskId state attempt fence since onlyBotId botId heldUntil notBefore finishedAt reason running ' +
  'lostBotId lostFence lostKind lostRevision lostDigest pinnedKind pinnedRevision pinnedDigest'
).split(' ');
const swapping = [...changing, 'version', 'epoch', 'heldMs', 'isOver'];

const changes = sql`jsonb_to_recordset(${sql.placeholder('rows')}::text::jsonb) as c(
  "taskId" text, state text, attempt int, fence bigint, since timestamptz, "onlyBotId" text, "botId" text,
  "heldUntil" timestamptz, "notBefore" timestamptz, "finishedAt" timestamptz, reason text, running boolean,
  "lostBotId" text, "lostFence" bigint, "lostKind" text, "lostRevision" int, "lostDigest" text,
  "pinnedKind" text, "pinnedRevision" int, "pinnedDigest" text,
  version text, epoch bigint, "heldMs" float8, "isOver" boolean)`;
const changed = sql`
  state = c.state, attempt = c.attempt, fence = c.fence, only_bot_id = c."onlyBotId", bot_id = c."botId",
  not_before = c."notBefore", reason = c.reason, running = c.running,
  lost_bot_id = c."lostBotId", lost_fence = c."lostFence", lost_kind = c."lostKind", lost_revision = c."lostRevision",
  lost_digest = c."lostDigest", pinned_kind = c."pinnedKind", pinned_revision = c."pinnedRevision", pinned_digest = c."pinnedDigest"`;

const saved = statement<{ rows: string }, Written>(sql`
  update ${tasks} t set ${changed}, since = c.since, held_until = c."heldUntil", finished_at = c."finishedAt"
  from ${changes} where t.task_id = c."taskId" and ${eachByIndex(sql`c.fence`)}
  returning t.task_id as "taskId", t.xmin::text as version`);

/** Writes what can change of all of them in one statement; they are locked by this transaction. Answers with their versions. */
export async function saveTasks(orm: Orm, changed: readonly Task[]): Promise<ReadonlyMap<string, string>> {
  const written = await saved(orm, { rows: JSON.stringify(changed.map(toRow), changing) });
  return new Map(written.map(({ taskId, version }) => [taskId, version]));
}

const swapped = statement<
  { rows: string; messages: string },
  Written & { since: string; heldUntil: string | null; finishedAt: string | null }
>(sql`
  with same as (
    select t.task_id, c.* from ${tasks} t
    join ${changes} on t.task_id = c."taskId" and t.xmin = c.version::xid
    join ${bots} b on b.bot_id = c."botId" and b.epoch = c.epoch
    where ${eachByIndex(sql`c.fence`)}
    order by t.task_id for update of t
  ), told as (
    ${insertMessages(outbox, sql.placeholder('messages'), sql`m."taskId" in (select task_id from same)`)}
  )
  update ${tasks} t set ${changed}, since = now(),
    held_until = case when not c."isOver" then now() + c."heldMs" * interval '1 ms' end,
    finished_at = case when c."isOver" then now() end
  from same c where t.task_id = c.task_id
  returning t.task_id as "taskId", t.xmin::text as version, t.since, t.held_until as "heldUntil",
    t.finished_at as "finishedAt"`);

/** A task as it is to be, on the word of its bot's stream of `epoch`. */
export interface Swap {
  readonly task: Task;
  readonly epoch: number;
}

/**
 * Writes those whose row is of the task's version, the stream their bot's newest, and the `messages` about them with it; answers with these by
 * task. One statement in the place of a transaction. Each begins a stage of its life (`stageOf`) now by the database's clock: what is held is so for
 * `heldMs`, and what is over is so. Rows are locked in the order of their ids, as everywhere. A newer stream that is let in meanwhile has written all that its bot has, so the
 * version tells of that too.
 */
export async function swapTasks(
  orm: Orm,
  swaps: readonly Swap[],
  messages: string,
  heldMs: number,
): Promise<ReadonlyMap<string, Task>> {
  const rows = swaps.map(({ task, epoch }) => ({ ...toRow(task), epoch, heldMs, isOver: 'finishedAt' in task.phase }));
  const written = await swapped(orm, { rows: JSON.stringify(rows, swapping), messages });
  const byId = new Map(written.map((row) => [row.taskId, row]));
  return new Map(
    swaps.flatMap(({ task }) => {
      const row = byId.get(task.taskId);
      if (!row) return [];
      const phase = { ...task.phase, ...timesOf(row) } as Phase;
      return [[task.taskId, { ...task, since: new Date(row.since), version: row.version, phase }]];
    }),
  );
}

const timesOf = ({ heldUntil, finishedAt }: { heldUntil: string | null; finishedAt: string | null }) => ({
  ...(heldUntil && { heldUntil: new Date(heldUntil) }),
  ...(finishedAt && { finishedAt: new Date(finishedAt) }),
});
