import { and, asc, desc, eq, getTableColumns, gt, inArray, sql } from 'drizzle-orm';
import type { Orm } from '../../database/port.ts';
import { kinds, revisionChanges, revisions } from '../store.ts';
import type { KnownKind, RevisionChange, Since } from './revision.ts';

export type RevisionRow = typeof revisions.$inferSelect;
export type ChangeRow = typeof revisionChanges.$inferSelect;

/** What a list of revisions needs: all but what is large. */
export type RevisionSummary = Omit<RevisionRow, 'descriptorSet' | 'sources'> & { readonly descriptorBytes: number };

/** Who changes something, and why. */
export interface Author {
  readonly by: string;
  readonly reason: string;
}

const { descriptorSet, sources: _, ...small } = getTableColumns(revisions);
const summary = { ...small, descriptorBytes: sql<number>`octet_length(${descriptorSet})` };

/** Makes the kind when there is none; false when there was. */
export async function addKind(orm: Orm, kind: string): Promise<boolean> {
  const added = await orm.insert(kinds).values({ kind, version: 0 }).onConflictDoNothing().returning();
  return added.length > 0;
}

/** The kind with its row locked, which is what every change of it begins with; undefined when there is none. */
export async function lockKind(orm: Orm, kind: string): Promise<KnownKind | undefined> {
  const [row] = await orm.select().from(kinds).where(eq(kinds.kind, kind)).for('update');
  if (!row) return undefined;
  const known = await orm
    .select({ digest: revisions.digest, revision: revisions.revision, state: revisions.state })
    .from(revisions)
    .where(eq(revisions.kind, kind))
    .orderBy(asc(revisions.revision));
  return { ...row, revisions: known };
}

/** A revision that is new to its locked kind, under the next number, with the beginning of its history; the kind is at the next version then. */
export async function addRevision(
  orm: Orm,
  { kind, version: before, revisions: known }: KnownKind,
  row: Omit<RevisionRow, 'kind' | 'revision' | 'changedAt' | 'changedBy'>,
): Promise<void> {
  const { digest, state: to, publishedAt: at, publishedBy: by, reason } = row;
  const revision = (known.at(-1)?.revision ?? 0) + 1;
  const version = before + 1;
  await orm.insert(revisions).values({ ...row, kind, revision, changedAt: at, changedBy: by });
  await orm.insert(revisionChanges).values({ digest, version, from: null, to, percent: null, at, by, reason });
  await orm.update(kinds).set({ version }).where(eq(kinds.kind, kind));
}

/** Writes changes of a locked kind, which is at `version` from then on. `percent` is the share of a canary. */
export async function changeRevisions(
  orm: Orm,
  kind: string,
  version: number,
  changes: ReadonlyArray<RevisionChange & { readonly percent?: number }>,
  { by, reason, at }: Author & { readonly at: Date },
): Promise<void> {
  for (const { digest, to } of changes) {
    await orm
      .update(revisions)
      .set({ state: to, changedAt: at, changedBy: by, reason })
      .where(eq(revisions.digest, digest));
  }
  const history = changes.map(({ percent = null, ...change }) => ({ ...change, version, percent, at, by, reason }));
  if (history.length > 0) await orm.insert(revisionChanges).values(history);
  await orm.update(kinds).set({ version }).where(eq(kinds.kind, kind));
}

/** Something else of a locked kind has changed. */
export async function bumpKind(orm: Orm, kind: string): Promise<void> {
  await orm
    .update(kinds)
    .set({ version: sql`${kinds.version} + 1` })
    .where(eq(kinds.kind, kind));
}

/** 0 when there is no such kind. */
export async function versionOf(orm: Orm, kind: string): Promise<number> {
  const [row] = await orm.select().from(kinds).where(eq(kinds.kind, kind));
  return row?.version ?? 0;
}

/** By kind: what tells whether a view is old. */
export async function versionsOf(orm: Orm): Promise<Map<string, number>> {
  const rows = await orm.select().from(kinds);
  return new Map(rows.map(({ kind, version }) => [kind, version]));
}

/** Every revision of these kinds, or of all, oldest first within its kind. */
export function listRevisions(orm: Orm, kind?: string): Promise<RevisionSummary[]> {
  return orm
    .select(summary)
    .from(revisions)
    .where(kind === undefined ? undefined : eq(revisions.kind, kind))
    .orderBy(asc(revisions.kind), asc(revisions.revision));
}

export async function findRevision(orm: Orm, digest: string): Promise<RevisionRow | undefined> {
  const [row] = await orm.select().from(revisions).where(eq(revisions.digest, digest));
  return row;
}

/** The revision of that number; for 0 the newest ACTIVE one. */
export async function findNumbered(orm: Orm, kind: string, revision: number): Promise<RevisionRow | undefined> {
  const wanted = revision === 0 ? eq(revisions.state, 'ACTIVE') : eq(revisions.revision, revision);
  const [row] = await orm
    .select()
    .from(revisions)
    .where(and(eq(revisions.kind, kind), wanted))
    .orderBy(desc(revisions.revision))
    .limit(1);
  return row;
}

/** Descriptors by digest. */
export async function descriptorSetsOf(orm: Orm, digests: readonly string[]): Promise<Map<string, Uint8Array>> {
  if (digests.length === 0) return new Map();
  const rows = await orm
    .select({ digest: revisions.digest, bytes: revisions.descriptorSet })
    .from(revisions)
    .where(inArray(revisions.digest, [...digests]));
  return new Map(rows.map(({ digest, bytes }) => [digest, bytes]));
}

/** What has become of a kind since it was at that version, oldest first. */
export function changesSince(orm: Orm, kind: string, version: number): Promise<Since> {
  return orm
    .select({ revision: revisions.revision, to: revisionChanges.to, by: revisionChanges.by })
    .from(revisionChanges)
    .innerJoin(revisions, eq(revisions.digest, revisionChanges.digest))
    .where(and(eq(revisions.kind, kind), gt(revisionChanges.version, version)))
    .orderBy(asc(revisionChanges.id));
}

/** Oldest first. */
export function historyOf(orm: Orm, digest: string): Promise<ChangeRow[]> {
  return orm.select().from(revisionChanges).where(eq(revisionChanges.digest, digest)).orderBy(asc(revisionChanges.id));
}
