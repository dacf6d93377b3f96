import { type SQL, sql } from 'drizzle-orm';
import type { Orm } from '../../database/port.ts';
import type { SchemaRef } from '../../gen/fleet/v1/fleet.ts';
import { botRevisions, bots, isHeld, kinds, revisions, tasks } from '../store.ts';
import type { Majors } from './majors/majors.ts';
import type { Usage } from './revision.ts';
import type { BotStatus } from './revision-states.ts';

/** What the tables tell. */
type RevisionUsage = Omit<Usage, 'builtIn' | 'elsewhere'>;

/** What the fleet has to do with a revision, and what bots said of it. */
export interface Standing extends Omit<RevisionUsage, 'connected'> {
  /** Connected bots by what they said last. */
  readonly statuses: ReadonlyMap<BotStatus, number>;
  /** Why bots reject it: how many of the connected ones by reason, the most frequent first. */
  readonly rejections: ReadonlyArray<{ readonly reason: string; readonly bots: number }>;
}

export interface FleetUsage {
  /** Connected bots that serve the kind, by kind. */
  readonly connected: ReadonlyMap<string, number>;
  readonly standings: ReadonlyMap<string, Standing>;
}

/** Reasons of a revision that are told. */
const maxReasons = 5;

/** Connected bots, whose hub lives. */
export const liveBots = sql`live as (
  select b.bot_id, b.epoch, b.kinds, b.any_kind from ${bots} b where b.connected and b.session_expires_at > now())`;
export const isServed = (kind: SQL) =>
  sql`(live.any_kind or live.kinds @> jsonb_build_array(jsonb_build_object('kind', ${kind})))`;
/** What a bot has said of a revision on this stream, or that it was told to forget it. */
const isAnswered = (bot: SQL, digest: SQL, more = sql``) =>
  sql`exists (select from ${botRevisions} s where s.bot_id = ${bot}.bot_id and s.digest = ${digest} and s.epoch = ${bot}.epoch ${more})`;
/** What live bots say of revisions of kinds that they serve: what they answered on this stream, and they have applied the others that their Hello listed. */
const saidByBots = sql`said as (
  select s.bot_id, s.digest, s.status, s.reason from ${botRevisions} s join live using (bot_id, epoch) where s.status <> 'FORGOTTEN'
  union all
  select live.bot_id, r.digest, 'APPLIED', '' from live, jsonb_array_elements(live.kinds) k, jsonb_array_elements_text(k -> 'digests') listed
    join ${revisions} r on r.digest = listed
    where r.kind = k ->> 'kind' and not ${isAnswered(sql`live`, sql`r.digest`)}
)`;
/** The Hello of `bot` listed the revision under its kind, and nothing was said of it since. */
const holdsStill = (bot: SQL, kind: SQL, digest: SQL) => sql`(
  jsonb_path_exists(${bot}.kinds, '$[*] ? (@.kind == $k).digests[*] ? (@ == $d)', jsonb_build_object('k', ${kind}, 'd', ${digest}))
    and not ${isAnswered(bot, digest)})`;
/** The same of one revision, without a look at the others. */
export const saidOf = ({ kind, digest }: Pick<SchemaRef, 'kind' | 'digest'>) => sql`said as (
  select live.*, s.status from ${botRevisions} s join live using (bot_id, epoch) where s.digest = ${digest} and s.status <> 'FORGOTTEN'
  union all
  select live.*, 'APPLIED' as status from live where ${holdsStill(sql`live`, sql`${kind}::text`, sql`${digest}::text`)}
)`;
const inUse = sql`('ACTIVE', 'DEPRECATED')`;

/**
 * Of one revision, what a change of it goes by, as `readUsage` has it: short, since the kind is locked meanwhile, and for most changes next to nothing
 * (what else a bot speaks is asked for bots that have applied this one).
 */
export async function readUsageOf(
  orm: Orm,
  majors: Majors,
  { kind, digest }: Pick<SchemaRef, 'kind' | 'digest'>,
): Promise<RevisionUsage> {
  const family = sql`select jsonb_array_elements_text(${JSON.stringify(majors.familyOf(kind))}::text::jsonb)`;
  const [usage] = await orm.execute<{ [K in keyof RevisionUsage]: number }>(sql`
    with ${liveBots}, ${saidOf({ kind, digest })}, others as (
      select kind, digest from ${revisions} r where r.kind in (${family}) and r.state in ${inUse} and r.digest <> ${digest}
    )
    select (select count(*)::int from live where ${isServed(sql`${kind}::text`)}) as connected,
      (select count(*)::int from said where status = 'APPLIED') as applied,
      (select count(*)::int from said where status = 'REJECTED') as rejected,
      (select count(*)::int from said where status = 'APPLIED' and not exists (
        select from others where ${holdsStill(sql`said`, sql`others.kind`, sql`others.digest`)}
          or ${isAnswered(sql`said`, sql`others.digest`, sql`and s.status = 'APPLIED'`)}
      )) as "onlyThis",
      (select count(*)::int from ${tasks} where coalesce(pinned_digest, digest) = ${digest} and ${isHeld}) as pinned,
      (select count(*)::int from ${tasks} where digest = ${digest} and state = 'QUEUED') as waiting`);
  return usage!;
}

/**
 * As the tables have it just now; a few aggregates over connected bots and open tasks, for operators and not for the way of a task. A bot that speaks
 * another of the `majors` of a kind has a choice.
 */
export async function readUsage(orm: Orm, majors: Majors): Promise<FleetUsage> {
  const serving = await orm.execute<{ kind: string; bots: number }>(sql`
    with ${liveBots} select k.kind, count(*)::int as bots from ${kinds} k join live on ${isServed(sql`k.kind`)} group by k.kind`);
  const statuses = await orm.execute<{ digest: string; status: BotStatus; bots: number; only_this: number }>(sql`
    with ${liveBots}, ${saidByBots}, known as (
      select said.*, coalesce(f.root, r.kind) as root, r.state in ${inUse} as in_use
      from said join ${revisions} r using (digest)
      left join jsonb_to_recordset(${JSON.stringify(majors.roots())}::text::jsonb) as f (kind text, root text) on f.kind = r.kind
    ), able as (
      select bot_id, root, count(*) as choices from known where status = 'APPLIED' and in_use group by bot_id, root
    )
    select digest, status, count(*)::int as bots,
      (count(*) filter (where status = 'APPLIED' and coalesce(choices, 0) = in_use::int))::int as only_this
    from known left join able using (bot_id, root) group by digest, status`);
  const rejected = await orm.execute<{ digest: string; reason: string; bots: number }>(sql`
    with ${liveBots}, ${saidByBots} select digest, reason, count(*)::int as bots from said where status = 'REJECTED'
    group by digest, reason order by count(*) desc, reason`);
  // A task that was offered by a hub of before there were pins is done in what its payload is written in.
  const open = await orm.execute<{ digest: string; pinned: number; waiting: number }>(sql`
    select digest, sum(pinned)::int as pinned, sum(waiting)::int as waiting from (
      select coalesce(pinned_digest, digest) as digest, count(*) as pinned, 0 as waiting from ${tasks} where ${isHeld} group by 1
      union all
      select digest, 0, count(*) from ${tasks} where state = 'QUEUED' group by 1
    ) t group by digest`);

  const digests = new Set([...statuses, ...rejected, ...open].map(({ digest }) => digest));
  const standingOf = (digest: string): Standing => {
    const of = statuses.filter((row) => row.digest === digest);
    const byStatus = new Map(of.map(({ status, bots }) => [status, bots]));
    const task = open.find((row) => row.digest === digest);
    return {
      statuses: byStatus,
      applied: byStatus.get('APPLIED') ?? 0,
      rejected: byStatus.get('REJECTED') ?? 0,
      onlyThis: of.reduce((sum, { only_this }) => sum + only_this, 0),
      pinned: task?.pinned ?? 0,
      waiting: task?.waiting ?? 0,
      rejections: rejected.filter((row) => row.digest === digest).slice(0, maxReasons),
    };
  };
  return {
    connected: new Map(serving.map(({ kind, bots }) => [kind, bots])),
    standings: new Map([...digests].map((digest) => [digest, standingOf(digest)])),
  };
}

const nothing: Standing = {
  statuses: new Map(),
  applied: 0,
  rejected: 0,
  onlyThis: 0,
  pinned: 0,
  waiting: 0,
  rejections: [],
};

export const standingIn = ({ standings }: FleetUsage, digest: string): Standing => standings.get(digest) ?? nothing;
