import { and, asc, eq, getTableColumns, gt, sql } from 'drizzle-orm';
import type { Orm } from '../database/port.ts';
import type { Position } from '../gen/fleet/v1/fleet.ts';
import { bots, isHeld, tasks } from './store.ts';

export type BotRow = typeof bots.$inferSelect;

const clock = sql<Date>`now()`.mapWith(bots.lastSeenAt);

/** The bot as it is known, with the database's clock; undefined for one that never said Hello. */
export async function lockBot(orm: Orm, botId: string): Promise<(BotRow & { now: Date }) | undefined> {
  const [row] = await orm
    .select({ ...getTableColumns(bots), now: clock })
    .from(bots)
    .where(eq(bots.botId, botId))
    .for('update');
  return row;
}

export interface Claim {
  readonly botId: string;
  readonly instanceId: string;
  readonly bootCount: number;
  readonly sessionId: string;
  readonly hubId: string;
  readonly position: Position | undefined;
  /** The epoch that `lockBot` saw; 0 when it saw nothing. */
  readonly knownEpoch: number;
}

/** Makes the session the bot's newest and answers with its epoch; undefined when another one came first, which only a new bot's can. */
export async function claimBot(orm: Orm, claim: Claim, leaseMs: number): Promise<number | undefined> {
  const { botId, knownEpoch, position, ...session } = claim;
  const changed = {
    ...session,
    connected: true,
    sessionExpiresAt: sql`now() + make_interval(secs => ${leaseMs / 1000})`,
    lastSeenAt: sql`now()`,
    ...(position && { x: position.x, y: position.y }),
  };
  const [row] = await orm
    .insert(bots)
    .values({ ...changed, botId, epoch: 1 })
    .onConflictDoUpdate({
      target: bots.botId,
      set: { ...changed, epoch: sql`${bots.epoch} + 1` },
      setWhere: eq(bots.epoch, knownEpoch),
    })
    .returning({ epoch: bots.epoch });
  return row?.epoch;
}

/** A session that is still the bot's newest has ended: the bot id is free at once. */
export async function detachBots(
  orm: Orm,
  ended: ReadonlyArray<{ readonly botId: string; readonly sessionId: string }>,
): Promise<void> {
  await orm.execute(sql`
    update ${bots} b set connected = false, session_expires_at = now()
    from jsonb_to_recordset(${JSON.stringify(ended)}::text::jsonb) as e("botId" text, "sessionId" text)
    where b.bot_id = e."botId" and b.session_id = e."sessionId"`);
}

/** The newest of what a bot said about itself. */
export interface Beat {
  readonly botId: string;
  readonly sessionId: string;
  readonly position: Position | undefined;
  /** 0 to 1. */
  readonly battery: number | undefined;
}

/** Keeps sessions for `leaseMs`, and answers with the ids of those that are still their bot's newest. */
export async function renewSessions(orm: Orm, beats: readonly Beat[], leaseMs: number): Promise<Set<string>> {
  const rows = beats.map(({ botId, sessionId, position, battery }) => ({ botId, sessionId, ...position, battery }));
  const renewed = await orm.execute<{ session_id: string }>(sql`
    update ${bots} b set
      session_expires_at = now() + make_interval(secs => ${leaseMs / 1000}), last_seen_at = now(),
      x = coalesce(s.x, b.x), y = coalesce(s.y, b.y), battery = coalesce(s.battery, b.battery)
    from jsonb_to_recordset(${JSON.stringify(rows)}::text::jsonb)
      as s("botId" text, "sessionId" text, x float8, y float8, battery float8)
    where b.bot_id = s."botId" and b.session_id = s."sessionId" returning b.session_id`);
  return new Set(renewed.map(({ session_id }) => session_id));
}

export interface BotListing extends BotRow {
  readonly isLive: boolean;
  readonly taskIds: string[];
}

export async function listBots(orm: Orm, connectedOnly: boolean): Promise<BotListing[]> {
  const isLive = and(bots.connected, gt(bots.sessionExpiresAt, sql`now()`));
  return orm
    .select({
      ...getTableColumns(bots),
      isLive: sql<boolean>`${isLive}`,
      taskIds: sql<string[]>`to_json(array(
        select t.task_id from ${tasks} t
        where t.bot_id = ${bots.botId} and ${isHeld} order by t.task_id))`,
    })
    .from(bots)
    .where(connectedOnly ? isLive : undefined)
    .orderBy(asc(bots.botId));
}
