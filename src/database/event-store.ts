import { asc, eq, inArray } from 'drizzle-orm';
import { bigserial, integer, jsonb, type PgSchema, primaryKey, text } from 'drizzle-orm/pg-core';
import { MallError } from '../contract/errors.ts';
import { instant } from './columns.ts';
import type { Orm, Transaction } from './port.ts';
import { SqlState, sqlState } from './sql-errors.ts';

/** An event as it is kept: never changed and never deleted. `data` and `meta` are JSON: instants as ISO strings, money as integers. */
export interface StoredEvent<D = unknown> {
  readonly type: string;
  /** Which shape `data` has; upcasters read the older ones. */
  readonly schemaVersion: number;
  readonly data: D;
  readonly meta: EventMeta;
}

export interface EventMeta {
  /** Id of the message or request that led to it. */
  readonly causationId: string;
  /** The message that was handled, where there was one. */
  readonly messageId?: string;
  /** ISO 8601. */
  readonly occurredAt: string;
}

export interface RecordedEvent<D = unknown> extends StoredEvent<D> {
  /** 1 for the stream's first event, without gaps. */
  readonly version: number;
}

/** The table of an event-sourced schema; a `store.ts` exports it beside the plumbing: `export const { events } = eventStoreTables(paymentsSchema)`. */
export function eventStoreTables(schema: PgSchema) {
  return {
    events: schema.table(
      'events',
      {
        /** Order of writing over all streams. Not of commit: readers of the whole table must not skip to above the highest one seen. */
        position: bigserial('position', { mode: 'number' }).notNull().unique(),
        streamId: text('stream_id').notNull(),
        version: integer('version').notNull(),
        type: text('type').notNull(),
        schemaVersion: integer('schema_version').notNull(),
        data: jsonb('data').notNull(),
        meta: jsonb('meta').$type<EventMeta>().notNull(),
        recordedAt: instant('recorded_at').notNull().defaultNow(),
      },
      // Two writers that decided on the same state cannot both commit.
      (t) => [primaryKey({ columns: [t.streamId, t.version] })],
    ),
  };
}

export type EventStoreTables = ReturnType<typeof eventStoreTables>;

/**
 * Appends to a stream that is at `expectedVersion` (0: does not exist yet).
 * @throws MallError ABORTED when somebody else appended meanwhile. The transaction is lost with it, as after any failed statement: read the stream
 *   again and decide again in a new one.
 */
export async function append(
  tx: Transaction,
  { events }: EventStoreTables,
  streamId: string,
  expectedVersion: number,
  added: readonly StoredEvent[],
): Promise<void> {
  if (added.length === 0) return;
  const rows = added.map(({ type, schemaVersion, data, meta }, index) => ({
    streamId,
    version: expectedVersion + 1 + index,
    type,
    schemaVersion,
    data,
    meta,
  }));
  try {
    await tx.orm.insert(events).values(rows);
  } catch (error) {
    if (sqlState(error) !== SqlState.uniqueViolation) throw error;
    throw new MallError(
      'ABORTED',
      `stream ${streamId} is no longer at version ${expectedVersion}; read it and decide again`,
      { reason: 'STREAM_CHANGED', field: 'expected_version', value: String(expectedVersion), remedy: 'try again' },
      { cause: error },
    );
  }
}

/** The stream's events in order; empty when there is no such stream. */
export async function read(orm: Orm, { events }: EventStoreTables, streamId: string): Promise<RecordedEvent[]> {
  return orm
    .select({
      version: events.version,
      type: events.type,
      schemaVersion: events.schemaVersion,
      data: events.data,
      meta: events.meta,
    })
    .from(events)
    .where(eq(events.streamId, streamId))
    .orderBy(asc(events.version));
}

/** The events of several streams, each stream's in order. */
export const readSeveral = (orm: Orm, { events }: EventStoreTables, streamIds: readonly string[]) =>
  orm
    .select({ streamId: events.streamId, version: events.version, type: events.type, data: events.data })
    .from(events)
    .where(inArray(events.streamId, [...streamIds]))
    .orderBy(asc(events.streamId), asc(events.version));
