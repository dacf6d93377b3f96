import { and, asc, type Column, eq, getTableColumns, gt, type SQL, sql } from 'drizzle-orm';
import type { Orm } from '../database/port.ts';
import { eachByIndex, rowsOf, statement } from '../database/statement.ts';
import type { Position } from '../gen/fleet/v1/fleet.ts';
import type { Introduction } from './hello.ts';
import type { BotLimit } from './limit-store.ts';
import { botLimits, botRevisions, bots, isHeld, revisions, tasks } from './store.ts';

export type BotRow = typeof bots.$inferSelect;

const rows = rowsOf(bots);

const locked = statement<{ botIds: string }, BotRow & { now: string }>(sql`
  select ${rows.columns}, now() as now from ${bots}
  where bot_id = any(array(select jsonb_array_elements_text(${sql.placeholder('botIds')}::text::jsonb)))
  order by bot_id for update`);

/**
 * The bots as they are known, with the database's clock; those that never said Hello are missing. Locked in the order of their ids, as
 * everywhere, so that two hubs do not wait for each other.
 */
export async function lockBots(orm: Orm, botIds: readonly string[]): Promise<Map<string, BotRow & { now: Date }>> {
  const found = await locked(orm, { botIds: JSON.stringify(botIds) });
  return new Map(found.map((row) => [row.botId, { ...rows.read(row), now: new Date(row.now) }]));
}

/** Tasks of a kind that a bot says it may hold at once. */
export type SaidCredit = BotRow['credits'][number];

export interface Claim {
  readonly botId: string;
  readonly instanceId: string;
  readonly bootCount: number;
  readonly sessionId: string;
  readonly resumeDigest: Uint8Array;
  readonly hubId: string;
  readonly position: Position | undefined;
  readonly kinds: Introduction['supports'];
  readonly anyKind: boolean;
  readonly credits: readonly SaidCredit[];
  readonly maxUnacknowledged: number;
  /** The epoch that `lockBots` saw; 0 when it saw nothing. */
  readonly knownEpoch: number;
}

/**
 * Makes these sessions their bots' newest and answers with the epochs by bot id. One is missing when another hub came first, which only a new
 * bot's can.
 */
export async function claimBots(orm: Orm, claims: readonly Claim[], leaseMs: number): Promise<Map<string, number>> {
  const rows = claims
    .toSorted((a, b) => (a.botId < b.botId ? -1 : 1))
    .map(({ position, resumeDigest, ...claim }) => ({
      ...claim,
      ...position,
      resumeDigest: Buffer.from(resumeDigest).toString('hex'),
    }));
  const claimed = await orm.execute<{ bot_id: string; epoch: string }>(sql`
    insert into ${bots} as b (bot_id, instance_id, boot_count, epoch, session_id, resume_digest, hub_id, connected,
      session_expires_at, last_seen_at, x, y, kinds, any_kind, credits, max_unacknowledged)
    select c."botId", c."instanceId", c."bootCount", c."knownEpoch" + 1, c."sessionId", decode(c."resumeDigest", 'hex'),
      c."hubId", true, now() + make_interval(secs => ${leaseMs / 1000}), now(), c.x, c.y, c.kinds, c."anyKind", c.credits, c."maxUnacknowledged"
    from jsonb_to_recordset(${JSON.stringify(rows)}::text::jsonb) as c("botId" text, "instanceId" text, "bootCount" bigint,
      "knownEpoch" bigint, "sessionId" text, "resumeDigest" text, "hubId" text, x float8, y float8, kinds jsonb, "anyKind" boolean, credits jsonb,
      "maxUnacknowledged" int)
    on conflict (bot_id) do update set
      instance_id = excluded.instance_id, boot_count = excluded.boot_count, epoch = excluded.epoch,
      session_id = excluded.session_id, resume_digest = excluded.resume_digest, hub_id = excluded.hub_id,
      connected = true, session_expires_at = excluded.session_expires_at, last_seen_at = excluded.last_seen_at,
      x = coalesce(excluded.x, b.x), y = coalesce(excluded.y, b.y), kinds = excluded.kinds,
      any_kind = excluded.any_kind, credits = excluded.credits, max_unacknowledged = excluded.max_unacknowledged
    where b.epoch = excluded.epoch - 1
    returning bot_id, epoch`);
  return new Map(claimed.map(({ bot_id, epoch }) => [bot_id, Number(epoch)]));
}

/** What a stream is known by in the tables: once its bot has a stream with a higher epoch, nothing that it brings counts. */
export interface StreamKey {
  readonly botId: string;
  readonly epoch: number;
}

const newest = statement<{ botIds: string }, { botId: string; epoch: number }>(sql`
  select bot_id as "botId", epoch from ${bots}
  where bot_id = any(array(select jsonb_array_elements_text(${sql.placeholder('botIds')}::text::jsonb)))`);

/** The newest epoch of each of these bots. */
export async function epochsOf(orm: Orm, botIds: readonly string[]): Promise<Map<string, number>> {
  const found = await newest(orm, { botIds: JSON.stringify(botIds) });
  return new Map(found.map(({ botId, epoch }) => [botId, epoch]));
}

/** Streams that are still their bot's newest have ended: the bot id is free at once, and the session can be resumed for `graceMs`. */
export async function detachBots(
  orm: Orm,
  ended: ReadonlyArray<StreamKey & { readonly graceMs: number }>,
): Promise<void> {
  await orm.execute(sql`
    with ended as (
      select b.bot_id, e."graceMs" from ${bots} b
      join jsonb_to_recordset(${JSON.stringify(ended)}::text::jsonb) as e("botId" text, epoch bigint, "graceMs" float8)
        on b.bot_id = e."botId" and b.epoch = e.epoch
      order by b.bot_id for update of b
    )
    update ${bots} b set connected = false, session_expires_at = now() + make_interval(secs => ended."graceMs" / 1000)
    from ended where b.bot_id = ended.bot_id`);
}

/** The newest of what a bot said about itself. */
export interface Beat extends StreamKey {
  readonly position: Position | undefined;
  /** 0 to 1. */
  readonly battery: number | undefined;
  /** Undefined where they are as the tables have them, as nearly always. */
  readonly credits?: readonly SaidCredit[];
  readonly maxUnacknowledged?: number;
}

/** In the order of the ids, in which rows are locked everywhere, so that two hubs do not wait for each other. */
export const beatsAsJson = (beats: readonly Beat[]): string =>
  JSON.stringify(
    beats
      .toSorted((a, b) => (a.botId < b.botId ? -1 : 1))
      .map(({ position, ...beat }) => ({ ...beat, x: position?.x, y: position?.y })),
  );

const renewed = statement<{ beats: string; leaseMs: number }, StreamKey>(sql`
  with said as (
    select * from jsonb_to_recordset(${sql.placeholder('beats')}::text::jsonb)
      as s("botId" text, epoch bigint, x float8, y float8, battery float8, credits jsonb, "maxUnacknowledged" int)
  ), renewed as (
    update ${bots} b set
      session_expires_at = now() + ${sql.placeholder('leaseMs')}::float8 * interval '1 ms', last_seen_at = now(),
      x = coalesce(s.x, b.x), y = coalesce(s.y, b.y), battery = coalesce(s.battery, b.battery),
      credits = coalesce(s.credits, b.credits), max_unacknowledged = coalesce(s."maxUnacknowledged", b.max_unacknowledged)
    from said s where b.bot_id = s."botId" and b.epoch = s.epoch and ${eachByIndex(sql`s.epoch`)}
    returning b.bot_id
  )
  select "botId", epoch from said where "botId" not in (select bot_id from renewed)`);

/** Keeps the sessions of `beatsAsJson` for `leaseMs`, and answers with the streams that are not their bots' newest any more, as they were said. */
export const renewSessions = (orm: Orm, beats: string, leaseMs: number): Promise<StreamKey[]> =>
  renewed(orm, { beats, leaseMs });

export interface BotListing extends BotRow {
  /** Connected, and whoever says so lives. */
  readonly isLive: boolean;
  /** The session has not expired. */
  readonly isCurrent: boolean;
  readonly taskIds: string[];
  /** What operators let it hold, by kind. */
  readonly limits: Array<Pick<BotLimit, 'kind' | 'most'>>;
  /** The revisions that it has applied, by its hello and by what it has said since. */
  readonly speaks: Array<{ kind: string; revision: number; digest: string }>;
}

export interface BotFilter {
  readonly botId?: string | undefined;
  readonly connectedOnly?: boolean;
  /** Those that serve this kind. */
  readonly kind?: string | undefined;
  readonly hubId?: string | undefined;
  /** Ids above this one. */
  readonly after?: string | undefined;
  readonly limit: number;
}

/** A column of `bots` in a subquery: the library leaves the table out where a query has only one, and the subquery's own columns have the same names. */
const botsOwn = ({ name }: Column): SQL => sql`${bots}.${sql.identifier(name)}`;

/** What bots said of revisions on their newest stream. */
const answers = sql`${botRevisions} s where s.bot_id = ${botsOwn(bots.botId)} and s.epoch = ${botsOwn(bots.epoch)}`;

/** In the order of their ids. */
export async function listBots(orm: Orm, filter: BotFilter): Promise<BotListing[]> {
  const { botId, connectedOnly, kind, hubId, after, limit } = filter;
  const isCurrent = gt(bots.sessionExpiresAt, sql`now()`);
  const isLive = and(bots.connected, isCurrent);
  return orm
    .select({
      ...getTableColumns(bots),
      isLive: sql<boolean>`${isLive}`,
      isCurrent: sql<boolean>`${isCurrent}`,
      taskIds: sql<string[]>`to_json(array(
        select t.task_id from ${tasks} t
        where t.bot_id = ${botsOwn(bots.botId)} and ${isHeld} order by t.task_id))`,
      limits: sql<BotListing['limits']>`to_json(array(
        select json_build_object('kind', l.kind, 'most', l.most) from ${botLimits} l
        where l.bot_id = ${botsOwn(bots.botId)} order by l.kind))`,
      speaks: sql<BotListing['speaks']>`to_json(array(
        select json_build_object('kind', r.kind, 'revision', r.revision, 'digest', r.digest) from ${revisions} r
        where r.digest in (
          select jsonb_array_elements_text(k -> 'digests') from jsonb_array_elements(${botsOwn(bots.kinds)}) k
          except select s.digest from ${answers} and s.status <> 'APPLIED'
          union select s.digest from ${answers} and s.status = 'APPLIED')
        order by r.kind, r.revision))`,
    })
    .from(bots)
    .where(
      and(
        botId === undefined ? undefined : eq(bots.botId, botId),
        connectedOnly ? isLive : undefined,
        kind === undefined ? undefined : sql`${bots.kinds} @> ${JSON.stringify([{ kind }])}::text::jsonb`,
        hubId === undefined ? undefined : eq(bots.hubId, hubId),
        after === undefined ? undefined : gt(bots.botId, after),
      ),
    )
    .orderBy(asc(bots.botId))
    .limit(limit);
}
