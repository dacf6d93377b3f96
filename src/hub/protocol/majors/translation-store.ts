import { and, desc, eq, exists, lt, ne, not, or, sql } from 'drizzle-orm';
import type { Orm } from '../../../database/port.ts';
import { tasks, translations, untranslated } from '../../store.ts';
import { readTranslation } from './document.ts';
import { Majors } from './majors.ts';

export type TranslationRow = typeof translations.$inferSelect;
export type UntranslatedRow = typeof untranslated.$inferInsert;

/** Those in force, one for each newer major. */
export function translationsInForce(orm: Orm): Promise<TranslationRow[]> {
  return orm
    .selectDistinctOn([translations.newer])
    .from(translations)
    .orderBy(translations.newer, desc(translations.version));
}

export async function majorsInForce(orm: Orm): Promise<Majors> {
  const rows = await translationsInForce(orm);
  return new Majors(rows.map(({ document, version }) => ({ rules: readTranslation(document), version })));
}

export async function addTranslation(orm: Orm, row: TranslationRow): Promise<void> {
  await orm.insert(translations).values(row);
}

/** Known ones change nothing. */
export async function addUntranslated(orm: Orm, rows: readonly UntranslatedRow[]): Promise<void> {
  await orm
    .insert(untranslated)
    .values([...rows])
    .onConflictDoNothing();
}

/**
 * Forgets tasks that wait no more, and reports that are older than `keptMs`. A task that comes to wait again is found out again; what a bot said is in no
 * journal, and is kept for as long as if it were.
 */
export async function forgetUntranslated(orm: Orm, keptMs: number): Promise<void> {
  await orm
    .delete(untranslated)
    .where(
      or(
        and(eq(untranslated.part, 'task'), not(stillWaits(orm))),
        and(ne(untranslated.part, 'task'), lt(untranslated.at, sql`now() - make_interval(secs => ${keptMs / 1_000})`)),
      ),
    );
}

const stillWaits = (orm: Orm) =>
  exists(
    orm
      .select({ id: tasks.taskId })
      .from(tasks)
      .where(and(eq(tasks.taskId, untranslated.taskId), eq(tasks.state, 'QUEUED'))),
  );

export interface UntranslatedFigures {
  readonly fromKind: string;
  readonly intoKind: string;
  readonly part: string;
  readonly reason: string;
  readonly taskId: string;
  readonly count: number;
}

/** What could not be translated: tasks that still wait, and all reports; the most frequent first. */
export async function readUntranslated(orm: Orm): Promise<UntranslatedFigures[]> {
  const newest = sql`(array_agg(${untranslated.reason} order by ${untranslated.at} desc))[1]`;
  const newestTask = sql`(array_agg(${untranslated.taskId} order by ${untranslated.at} desc))[1]`;
  return orm
    .select({
      fromKind: untranslated.fromKind,
      intoKind: untranslated.intoKind,
      part: untranslated.part,
      reason: sql<string>`${newest}`,
      taskId: sql<string>`${newestTask}`,
      count: sql<number>`count(distinct ${untranslated.taskId})::int`,
    })
    .from(untranslated)
    .where(or(ne(untranslated.part, 'task'), stillWaits(orm)))
    .groupBy(untranslated.fromKind, untranslated.intoKind, untranslated.part)
    .orderBy(sql`count(*) desc`);
}
