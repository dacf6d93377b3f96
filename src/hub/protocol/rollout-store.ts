import { and, desc, eq, getTableColumns, isNull } from 'drizzle-orm';
import type { Orm } from '../../database/port.ts';
import { kinds, rollouts } from '../store.ts';
import type { RolloutOutcome } from './revision-states.ts';
import type { Ramp, RolloutProgress } from './rollout-record.ts';

export type RolloutRow = typeof rollouts.$inferSelect;

const underWay = (kind: string) => and(eq(rollouts.kind, kind), isNull(rollouts.outcome));

export interface NewRollout {
  readonly rolloutId: string;
  readonly kind: string;
  readonly digest: string;
  readonly baseline: string | null;
  readonly percent: number;
  readonly ramp: Ramp;
  readonly at: Date;
}

export async function beginRollout(orm: Orm, { ramp, at, ...rollout }: NewRollout): Promise<void> {
  const progress: RolloutProgress = { ramp, gates: {}, attemptsBefore: 0, waitsFor: [] };
  await orm.insert(rollouts).values({ ...rollout, progress, beganAt: at, stepBeganAt: at });
}

/** What was observed, and what the gates say of it; of this share and step, unless somebody has changed them meanwhile. */
export async function saveProgress(
  orm: Orm,
  { rolloutId, percent, stepBeganAt }: Pick<RolloutRow, 'rolloutId' | 'percent' | 'stepBeganAt'>,
  progress: RolloutProgress,
): Promise<void> {
  const same = and(
    eq(rollouts.rolloutId, rolloutId),
    eq(rollouts.percent, percent),
    eq(rollouts.stepBeganAt, stepBeganAt),
    isNull(rollouts.outcome),
  );
  await orm.update(rollouts).set({ progress }).where(same);
}

/** Another share from now on: what the gates have seen of the earlier ones goes on to count. */
export async function setShare(
  orm: Orm,
  kind: string,
  { percent, progress, at }: { readonly percent: number; readonly progress: RolloutProgress; readonly at: Date },
): Promise<void> {
  await orm.update(rollouts).set({ percent, progress, stepBeganAt: at }).where(underWay(kind));
}

export async function endRollout(
  orm: Orm,
  kind: string,
  { outcome, reason, at }: { readonly outcome: RolloutOutcome; readonly reason: string; readonly at: Date },
): Promise<void> {
  await orm.update(rollouts).set({ outcome, reason, decidedAt: at }).where(underWay(kind));
}

export async function rolloutUnderWay(orm: Orm, kind: string): Promise<RolloutRow | undefined> {
  const [row] = await orm.select().from(rollouts).where(underWay(kind));
  return row;
}

/** A rollout, and the version of its kind at which it was that. */
export type OpenRollout = RolloutRow & { readonly kindVersion: number };

/** Those under way, at most one of each kind. */
export async function openRollouts(orm: Orm): Promise<OpenRollout[]> {
  return orm
    .select({ ...getTableColumns(rollouts), kindVersion: kinds.version })
    .from(rollouts)
    .innerJoin(kinds, eq(kinds.kind, rollouts.kind))
    .where(isNull(rollouts.outcome));
}

/** The newest of each kind, under way or not. */
export function newestRollouts(orm: Orm): Promise<RolloutRow[]> {
  return orm.selectDistinctOn([rollouts.kind]).from(rollouts).orderBy(rollouts.kind, desc(rollouts.beganAt));
}
