import { asc, eq, inArray, lt, sql } from 'drizzle-orm';
import type { Orm } from '../../database/port.ts';
import type { Happening } from './happenings.ts';
import { progress, type TimelineRow, timeline } from './store.ts';

/** Small, so that no lock is held for long. */
const pruneRows = 5_000;
/** Of one order: its lines in all of their attempts. More is no order that anybody reads. */
const maxRead = 2_000;

/** What is there stays: an event that comes twice, or is counted again, happened where it was first. */
export async function writeHappenings(
  orm: Orm,
  happenings: ReadonlyArray<Happening & { position: number }>,
): Promise<void> {
  if (happenings.length === 0) return;
  await orm
    .insert(timeline)
    .values([...happenings])
    .onConflictDoNothing();
}

/** In the order of the journal. */
export const readTimeline = (orm: Orm, orderId: string): Promise<TimelineRow[]> =>
  orm.select().from(timeline).where(eq(timeline.orderId, orderId)).orderBy(asc(timeline.position)).limit(maxRead);

/**
 * Deletes some of what happened `keepMs` before the newest event that is counted, so that what is here is what the journal would tell again. True when there
 * may be more.
 */
export async function pruneTimeline(orm: Orm, keepMs: number): Promise<boolean> {
  const end = orm.select({ at: sql`${progress.countedTo} - ${keepMs} * interval '1 millisecond'` }).from(progress);
  const old = orm.select({ id: timeline.eventId }).from(timeline).where(lt(timeline.at, end)).limit(pruneRows);
  const pruned = await orm.delete(timeline).where(inArray(timeline.eventId, old));
  return pruned.count === pruneRows;
}
