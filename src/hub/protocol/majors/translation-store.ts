import { and, desc, eq, sql } from 'drizzle-orm';
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
  const waiting = orm
    .select({ id: tasks.taskId })
    .from(tasks)
    .where(and(eq(tasks.taskId, untranslated.taskId), eq(tasks.state, 'QUEUED')));
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
    .where(sql`${untranslated.part} <> 'task' or exists ${waiting}`)
    .groupBy(untranslated.fromKind, untranslated.intoKind, untranslated.part)
    .orderBy(sql`count(*) desc`);
}
