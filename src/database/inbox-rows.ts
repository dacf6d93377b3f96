import { asc, eq, type SQL, sql } from 'drizzle-orm';
import { getTableConfig } from 'drizzle-orm/pg-core';
import type { Message } from '../contract/message.ts';
import { toRow } from './message-row.ts';
import type { Orm } from './port.ts';
import type { InboxOutcome, PlumbingTables } from './tables.ts';

export type InboxTables = Pick<PlumbingTables, 'inbox' | 'fences' | 'parked'>;
export type ParkedRow = PlumbingTables['parked']['$inferSelect'];

/** What a message met on its way in. */
export interface Entry {
  /** `handled` until something else is said; `parked` when its key has parked messages; null when it was here before. */
  readonly outcome: 'handled' | 'parked' | null;
  /** The highest fence of its task, this one included; null for messages without a task, and for those that do not go on. */
  readonly fence: number | null;
}

/**
 * Takes the message's id in, unless it was here before, looks for parked messages of its key and raises its task's fence: one
 * round trip instead of three. A second delivery at the same moment waits at the primary key until the first has committed or not.
 */
export async function enter(orm: Orm, tables: InboxTables, message: Message): Promise<Entry> {
  const { inbox, fences, parked } = tables;
  const { id, name, key, task } = message;
  const [entry] = await orm.execute<Entry & Record<string, unknown>>(sql`
    with entered as (
      insert into ${inbox} (message_id, name, handled_at, outcome)
      values (
        ${id}, ${name}, now(),
        case when exists (select from ${parked} where ${parked.key} = ${key}) then 'parked' else 'handled' end
      )
      on conflict do nothing
      returning outcome
    ), fenced as (
      insert into ${fences} (task_id, fence)
      select ${task?.id ?? null}::text, ${task?.fence ?? 0}::bigint
      from entered where outcome = 'handled' and ${task !== undefined}::boolean
      on conflict (task_id) do update set fence = greatest(${fences.fence}, excluded.fence)
      returning fence
    )
    select (select outcome from entered) as outcome, (select fence from fenced) as fence`);
  return entry!;
}

/** Raises the task's fence to the message's; the highest by now, or null for a message without a task. */
export async function raiseFence(orm: Orm, { fences }: InboxTables, { task }: Message): Promise<number | null> {
  if (!task) return null;
  const [row] = await orm
    .insert(fences)
    .values({ taskId: task.id, fence: task.fence })
    .onConflictDoUpdate({ target: fences.taskId, set: { fence: sql`greatest(${fences.fence}, excluded.fence)` } })
    .returning({ fence: fences.fence });
  return row!.fence;
}

export async function setOutcome(orm: Orm, { inbox }: InboxTables, id: string, outcome: InboxOutcome): Promise<void> {
  await orm.update(inbox).set({ outcome, handledAt: sql`now()` }).where(eq(inbox.messageId, id));
}

/** Takes the id in as parked; false when the message was here before. */
export async function enterParked(orm: Orm, { inbox }: InboxTables, { id, name }: Message): Promise<boolean> {
  const added = await orm
    .insert(inbox)
    .values({ messageId: id, name, handledAt: now, outcome: 'parked' })
    .onConflictDoNothing()
    .returning({ id: inbox.messageId });
  return added.length > 0;
}

export async function addParked(
  orm: Orm,
  { parked }: InboxTables,
  message: Message,
  reason: string,
  attempts: number,
): Promise<void> {
  await orm.insert(parked).values({ ...toRow(message), source: message.source, reason, attempts, parkedAt: now });
}

/** The key's first parked message. */
export async function firstParked(orm: Orm, { parked }: InboxTables, key: string): Promise<ParkedRow | undefined> {
  const [row] = await orm.select().from(parked).where(eq(parked.key, key)).orderBy(asc(parked.id)).limit(1);
  return row;
}

/**
 * Until the transaction ends, nobody else adds to the key's parked messages or takes from them. A statement of its own, since what comes
 * after it has to see what was committed while it waited. Only messages of a key with parked ones take it.
 */
export async function lockParked(orm: Orm, { parked }: InboxTables, key: string): Promise<void> {
  const name = `parked:${getTableConfig(parked).schema}:${key}`;
  await orm.execute(sql`select pg_advisory_xact_lock(hashtextextended(${name}, 0))`);
}

/** The server's clock, by which rows are pruned, too. */
const now: SQL<Date> = sql`now()`;
