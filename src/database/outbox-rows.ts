import { inArray, type Placeholder, type SQL, sql } from 'drizzle-orm';
import { ago } from './columns.ts';
import type { MessageRow } from './message-row.ts';
import type { Orm } from './port.ts';
import { rowsOf, statement } from './statement.ts';
import type { PlumbingTables } from './tables.ts';

export type OutboxRow = PlumbingTables['outbox']['$inferSelect'];

/** What is done to an outbox hundreds of times a second. */
export interface OutboxStatements {
  /** Messages in the order given. */
  add(orm: Orm, messages: readonly MessageRow[]): Promise<unknown>;
  /**
   * The oldest unpublished rows of keys other than `busyKeys`, without those of `known`. By their mark and not by `id > last seen`: ids are given out before the commit,
   * and what commits late would be skipped (1,650 of 4,000 rows in a measurement).
   */
  unpublished(orm: Orm, busyKeys: readonly string[], known: readonly number[], limit: number): Promise<OutboxRow[]>;
  markPublished(orm: Orm, ids: readonly number[]): Promise<unknown>;
}

const asArray = (ids: readonly number[]): string => `{${ids.join()}}`;

type OutboxTable = PlumbingTables['outbox'];

/** Messages as one parameter. */
export const messagesAsJson = (messages: readonly MessageRow[]): string =>
  JSON.stringify(messages.map((row) => ({ ...row, body: Buffer.from(row.body).toString('base64') })));

/**
 * An INSERT of the messages `m` in `rows` (`messagesAsJson`) that `where` holds of, for a statement that does more than that. `with ordinality`: ids,
 * which are the order of publishing, are given out in the order of the rows.
 */
export const insertMessages = (outbox: OutboxTable, rows: Placeholder, where: SQL = sql`true`): SQL => sql`
  insert into ${outbox} (message_id, name, key, correlation_id, causation_id, traceparent, task_id, fence, body, occurred_at)
  select m."messageId", m.name, m.key, m."correlationId", m."causationId", m.traceparent, m."taskId", m.fence,
    decode(m.body, 'base64'), m."occurredAt"
  from rows from (jsonb_to_recordset(${rows}::text::jsonb) as ("messageId" text, name text, key text,
    "correlationId" text, "causationId" text, traceparent text, "taskId" text, fence bigint, body text, "occurredAt" timestamptz))
    with ordinality m
  where ${where} order by m.ordinality`;

export function outboxStatements({ outbox }: Pick<PlumbingTables, 'outbox'>): OutboxStatements {
  const rows = rowsOf(outbox);
  const add = statement<{ rows: string }, object>(insertMessages(outbox, sql.placeholder('rows')));
  const unpublished = statement<{ busyKeys: string; known: string; limit: number }, OutboxRow>(sql`
    select ${rows.columns} from ${outbox}
    where published_at is null and key not in (select jsonb_array_elements_text(${sql.placeholder('busyKeys')}::text::jsonb))
      and id <> all(${sql.placeholder('known')}::text::bigint[])
    order by id limit ${sql.placeholder('limit')}`);
  // Its commit does not wait for the disk (fifty a second under load): marks that a crash of the server takes have their messages published again.
  const markPublished = statement<{ ids: string }, object>(sql`
    update ${outbox} set published_at = now()
    where id = any(${sql.placeholder('ids')}::text::bigint[])
      and (select set_config('synchronous_commit', 'off', true)) = 'off'`);
  return {
    add: (orm, messages) => add(orm, { rows: messagesAsJson(messages) }),
    async unpublished(orm, busyKeys, known, limit) {
      const found = await unpublished(orm, { busyKeys: JSON.stringify(busyKeys), known: asArray(known), limit });
      return found.map(rows.read);
    },
    markPublished: (orm, ids) => markPublished(orm, { ids: asArray(ids) }),
  };
}

/** What waits to be published, and what is parked; reads what the partial index has, and the few rows of `parked`. */
export async function backlogOf(
  orm: Orm,
  { outbox, parked }: Pick<PlumbingTables, 'outbox'> & Partial<PlumbingTables>,
): Promise<{ unpublished: number; lagSeconds: number; parked: number }> {
  const [row] = await orm.execute<{ unpublished: number; lag: number; parked: number }>(sql`
    select count(*)::int as unpublished,
      greatest(0, coalesce(extract(epoch from now() - min(occurred_at)), 0))::float8 as lag,
      ${parked ? sql`(select count(*) from ${parked})::int` : sql`0`} as parked
    from ${outbox} where published_at is null`);
  return { unpublished: row!.unpublished, lagSeconds: row!.lag, parked: row!.parked };
}

/** Deletes at most `limit` rows that were published more than `retentionMs` ago; how many. */
export async function pruneOutbox(
  orm: Orm,
  { outbox }: Pick<PlumbingTables, 'outbox'>,
  retentionMs: number,
  limit: number,
): Promise<number> {
  const old = orm
    .select({ id: outbox.id })
    .from(outbox)
    .where(sql`${outbox.publishedAt} < ${ago(retentionMs)}`)
    .limit(limit);
  return (await orm.delete(outbox).where(inArray(outbox.id, old))).count;
}

/** The same for the ids of messages taken in. Those of parked messages stay: they are not done with. */
export async function pruneInbox(
  orm: Orm,
  { inbox }: Pick<PlumbingTables, 'inbox'>,
  retentionMs: number,
  limit: number,
): Promise<number> {
  const old = orm
    .select({ id: inbox.messageId })
    .from(inbox)
    .where(sql`${inbox.handledAt} < ${ago(retentionMs)} and ${inbox.outcome} <> 'parked'`)
    .limit(limit);
  return (await orm.delete(inbox).where(inArray(inbox.messageId, old))).count;
}
