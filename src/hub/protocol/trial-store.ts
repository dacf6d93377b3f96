import { isNull, notInArray, sql } from 'drizzle-orm';
import type { Orm } from '../../database/port.ts';
import { rolloutAttempts, rolloutReports, rollouts } from '../store.ts';
import { isMember } from './membership.ts';
import type { Arm, ArmFigures, RolloutFigures } from './rollout-record.ts';
import type { RolloutRow } from './rollout-store.ts';
import { isServed, liveBots, saidOf } from './usage-store.ts';

export type AttemptRow = typeof rolloutAttempts.$inferInsert;

/** Known ones change nothing: an attempt ends once. */
export async function addAttempts(orm: Orm, rows: readonly AttemptRow[]): Promise<void> {
  if (rows.length > 0)
    await orm
      .insert(rolloutAttempts)
      .values([...rows])
      .onConflictDoNothing();
}

export interface ReportCount {
  readonly rolloutId: string;
  readonly hubId: string;
  readonly arm: Arm;
  readonly total: number;
  readonly undecodable: number;
}

export async function addReports(orm: Orm, counts: readonly ReportCount[]): Promise<void> {
  await orm
    .insert(rolloutReports)
    .values([...counts])
    .onConflictDoUpdate({
      target: [rolloutReports.rolloutId, rolloutReports.hubId, rolloutReports.arm],
      set: {
        total: sql`${rolloutReports.total} + excluded.total`,
        undecodable: sql`${rolloutReports.undecodable} + excluded.undecodable`,
      },
    });
}

/** Forgets what was observed for rollouts that are decided. */
export async function forgetDecided(orm: Orm): Promise<void> {
  const underWay = orm.select({ id: rollouts.rolloutId }).from(rollouts).where(isNull(rollouts.outcome));
  await orm.delete(rolloutAttempts).where(notInArray(rolloutAttempts.rolloutId, underWay));
  await orm.delete(rolloutReports).where(notInArray(rolloutReports.rolloutId, underWay));
}

/** What was observed since the rollout began. */
export async function readFigures(
  orm: Orm,
  { rolloutId, kind, digest, percent }: Pick<RolloutRow, 'rolloutId' | 'kind' | 'digest' | 'percent'>,
): Promise<RolloutFigures> {
  const attempts = await orm.execute<{
    arm: Arm;
    attempts: number;
    failures: number;
    timed: number;
    mean: number | null;
    variance: number | null;
  }>(sql`
    select arm, count(*)::int as attempts, (count(*) filter (where outcome <> 'succeeded'))::int as failures,
      (count(*) filter (where outcome = 'succeeded'))::int as timed,
      avg(ln(greatest(seconds, 0.001))) filter (where outcome = 'succeeded') as mean,
      var_samp(ln(greatest(seconds, 0.001))) filter (where outcome = 'succeeded') as variance
    from ${rolloutAttempts} where rollout_id = ${rolloutId} group by arm`);
  const reports = await orm.execute<{ arm: Arm; total: number; undecodable: number }>(sql`
    select arm, sum(total)::float8 as total, sum(undecodable)::float8 as undecodable
    from ${rolloutReports} where rollout_id = ${rolloutId} group by arm`);
  const serving = await orm.execute<{ bot_id: string; status: string | null }>(sql`
    with ${liveBots}, ${saidOf({ kind, digest })}
    select live.bot_id, said.status from live left join said using (bot_id) where ${isServed(sql`${kind}::text`)}`);
  const members = serving.filter(({ bot_id }) => isMember(rolloutId, bot_id, percent));
  const figuresOf = (arm: Arm): ArmFigures => {
    const ended = attempts.find((row) => row.arm === arm);
    const read = reports.find((row) => row.arm === arm);
    return {
      reports: read?.total ?? 0,
      undecodable: read?.undecodable ?? 0,
      attempts: ended?.attempts ?? 0,
      failures: ended?.failures ?? 0,
      timed: ended?.timed ?? 0,
      logMean: ended?.mean ?? 0,
      logVariance: ended?.variance ?? 0,
    };
  };
  return {
    members: members.length,
    answered: members.filter(({ status }) => status === 'APPLIED' || status === 'REJECTED').length,
    rejected: members.filter(({ status }) => status === 'REJECTED').length,
    canary: figuresOf('canary'),
    control: figuresOf('control'),
  };
}
