import { type Column, type SQL, sql } from 'drizzle-orm';
import { index, integer, pgSchema, primaryKey, text } from 'drizzle-orm/pg-core';
import type { MessageName } from '../../contract/events.ts';
import { instant, int53 } from '../../database/columns.ts';
import type { Orm } from '../../database/port.ts';
import type { AttemptFact, Facts, OrderFact, ShortFact, StoreFact } from './fold.ts';

/** All of it is made from the journal, and is made again from it where the schema is dropped. */
export const analyticsSchema = pgSchema('analytics');

/** Up to where the journal is counted: one row. */
export const progress = analyticsSchema.table('progress', {
  id: integer('id').primaryKey(),
  position: int53('position').notNull(),
  countedTo: instant('counted_to').notNull(),
});

/*
 * Orders and attempts are never pruned, and most questions are about the last day. Of 200,000 orders that cost 175 ms by reading all of them; by these
 * indexes it costs 13.
 */
export const orders = analyticsSchema.table(
  'orders',
  {
    orderId: text('order_id').primaryKey(),
    placedAt: instant('placed_at'),
    readyAt: instant('ready_at'),
    outcome: text('outcome', { enum: ['completed', 'cancelled', 'rejected'] }),
  },
  (t) => [index('orders_by_placing').on(t.placedAt)],
);

export const attempts = analyticsSchema.table(
  'attempts',
  {
    taskId: text('task_id').notNull(),
    fence: int53('fence').notNull(),
    botId: text('bot_id').notNull(),
    startedAt: instant('started_at'),
    endedAt: instant('ended_at'),
    outcome: text('outcome', { enum: ['succeeded', 'failed', 'lost', 'cancelled'] }),
  },
  (t) => [
    primaryKey({ columns: [t.taskId, t.fence] }),
    index('attempts_by_start').on(t.startedAt),
    index('attempts_by_end').on(t.endedAt),
  ],
);

export const shorts = analyticsSchema.table(
  'shorts',
  {
    taskId: text('task_id').notNull(),
    fence: int53('fence').notNull(),
    lineId: text('line_id').notNull(),
    storeId: text('store_id').notNull(),
    quantity: integer('quantity').notNull(),
  },
  (t) => [primaryKey({ columns: [t.taskId, t.fence, t.lineId] })],
);

export const stores = analyticsSchema.table('stores', {
  storeId: text('store_id').primaryKey(),
  name: text('name').notNull(),
  version: int53('version').notNull(),
});

/** What happened to each order, as `Happening` has it. */
export const timeline = analyticsSchema.table(
  'timeline',
  {
    eventId: text('event_id').primaryKey(),
    orderId: text('order_id').notNull(),
    /** Of the first entry that told of it. */
    position: int53('position').notNull(),
    name: text('name').$type<MessageName>().notNull(),
    at: instant('at').notNull(),
    botId: text('bot_id').notNull(),
    taskId: text('task_id').notNull(),
    kind: text('kind').notNull(),
    attempt: integer('attempt').notNull(),
    storeId: text('store_id').notNull(),
    lineId: text('line_id').notNull(),
    quantity: int53('quantity').notNull(),
    amountMinor: int53('amount_minor').notNull(),
    currency: text('currency').notNull(),
    bay: text('bay').notNull(),
    reason: text('reason').notNull(),
  },
  (t) => [index('timeline_by_order').on(t.orderId, t.position), index('timeline_by_age').on(t.at)],
);

export type TimelineRow = typeof timeline.$inferSelect;

const theRow = 1;

/** Position of the last entry counted; undefined before the first. */
export async function readPosition(orm: Orm): Promise<number | undefined> {
  const [row] = await orm.select({ position: progress.position }).from(progress);
  return row?.position;
}

/** Counts what a part of the journal says, and that it is counted: in one transaction, so that nothing is counted twice. */
export async function writeFacts(orm: Orm, facts: Facts): Promise<void> {
  await writeOrders(orm, [...facts.orders.values()]);
  await writeAttempts(orm, [...facts.attempts.values()]);
  await writeShorts(orm, [...facts.shorts.values()]);
  await writeStores(orm, [...facts.stores.values()]);
  const { position, countedTo } = facts;
  await orm
    .insert(progress)
    .values({ id: theRow, position, countedTo })
    .onConflictDoUpdate({ target: progress.id, set: { position, countedTo } });
}

/** What an earlier event said of it stays, where this one says nothing. */
const kept = (column: Column): SQL => sql`coalesce(excluded.${sql.identifier(column.name)}, ${column})`;

async function writeOrders(orm: Orm, facts: readonly OrderFact[]): Promise<void> {
  if (facts.length === 0) return;
  const { placedAt, readyAt, outcome } = orders;
  const set = { placedAt: kept(placedAt), readyAt: kept(readyAt), outcome: kept(outcome) };
  await orm
    .insert(orders)
    .values([...facts])
    .onConflictDoUpdate({ target: orders.orderId, set });
}

async function writeAttempts(orm: Orm, facts: readonly AttemptFact[]): Promise<void> {
  if (facts.length === 0) return;
  const { startedAt, endedAt, outcome, taskId, fence } = attempts;
  const set = { startedAt: kept(startedAt), endedAt: kept(endedAt), outcome: kept(outcome) };
  await orm
    .insert(attempts)
    .values([...facts])
    .onConflictDoUpdate({ target: [taskId, fence], set });
}

async function writeShorts(orm: Orm, facts: readonly ShortFact[]): Promise<void> {
  if (facts.length > 0)
    await orm
      .insert(shorts)
      .values([...facts])
      .onConflictDoNothing();
}

async function writeStores(orm: Orm, facts: readonly StoreFact[]): Promise<void> {
  if (facts.length === 0) return;
  await orm
    .insert(stores)
    .values([...facts])
    .onConflictDoUpdate({
      target: stores.storeId,
      set: { name: sql`excluded.name`, version: sql`excluded.version` },
      setWhere: sql`excluded.version >= ${stores.version}`,
    });
}

/** Instants of a period; undefined where it is open. */
export interface Period {
  readonly since: Date | undefined;
  readonly until: Date | undefined;
}

const within = (column: SQL, { since, until }: Period): SQL =>
  sql`${column} >= ${since?.toISOString() ?? '-infinity'}::timestamptz and ${column} < ${until?.toISOString() ?? 'infinity'}::timestamptz`;

const rows = async <T>(orm: Orm, statement: SQL): Promise<T[]> => [
  ...((await orm.execute(statement)) as unknown as T[]),
];

export async function readCountedTo(orm: Orm): Promise<Date | undefined> {
  const [row] = await orm.select({ countedTo: progress.countedTo }).from(progress);
  return row?.countedTo;
}

export interface OrderCounts {
  readonly placed: number;
  readonly completed: number;
  readonly cancelled: number;
  readonly rejected: number;
}

export async function countOrders(orm: Orm, period: Period): Promise<OrderCounts> {
  const [row] = await rows<OrderCounts>(
    orm,
    sql`
      select count(*)::int as placed,
        (count(*) filter (where outcome = 'completed'))::int as completed,
        (count(*) filter (where outcome = 'cancelled'))::int as cancelled,
        (count(*) filter (where outcome = 'rejected'))::int as rejected
      from ${orders} where ${within(sql`placed_at`, period)}`,
  );
  return row!;
}

/** A month of them. */
const maxHours = 744;

export interface HourCounts {
  /** ms since 1970. */
  readonly beginMs: number;
  readonly placed: number;
  readonly ready: number;
}

export const countHours = (orm: Orm, period: Period): Promise<HourCounts[]> =>
  rows(
    orm,
    sql`
      select * from (
        select extract(epoch from date_trunc('hour', placed_at, 'UTC'))::float8 * 1000 as "beginMs",
          count(*)::int as placed, count(ready_at)::int as ready
        from ${orders} where ${within(sql`placed_at`, period)} group by 1 order by 1 desc limit ${maxHours}
      ) newest order by 1`,
  );

export interface LatencyMs {
  readonly count: number;
  readonly p50Ms: number;
  readonly p90Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
}

/** Percentiles are those of an order: nothing is interpolated. */
export async function measureReady(orm: Orm, period: Period): Promise<LatencyMs> {
  const percentile = (of: number) =>
    sql`coalesce(percentile_disc(${of}::float8) within group (order by took), 0)::float8`;
  const [row] = await rows<LatencyMs>(
    orm,
    sql`
      select count(*)::int as count, ${percentile(0.5)} as "p50Ms", ${percentile(0.9)} as "p90Ms", ${percentile(0.99)} as "p99Ms",
        coalesce(max(took), 0)::float8 as "maxMs"
      from (
        select round(extract(epoch from ready_at - placed_at) * 1000) as took
        from ${orders} where ready_at is not null and ${within(sql`placed_at`, period)}
      ) ready`,
  );
  return row!;
}

const maxListed = 1_000;

export interface BotCounts {
  readonly botId: string;
  readonly succeeded: number;
  readonly unsuccessful: number;
  readonly busyMs: number;
  readonly busyShare: number;
}

export const countBots = (orm: Orm, period: Period): Promise<BotCounts[]> =>
  rows(
    orm,
    sql`
      with ended as (
        select bot_id, outcome, started_at, ended_at, greatest(0, round(extract(epoch from ended_at - started_at) * 1000)) as took
        from ${attempts} where outcome is not null and started_at is not null and ${within(sql`started_at`, period)}
      )
      select bot_id as "botId", (count(*) filter (where outcome = 'succeeded'))::int as succeeded,
        (count(*) filter (where outcome <> 'succeeded'))::int as unsuccessful, sum(took)::float8 as "busyMs",
        least(1, coalesce(sum(took) / nullif((select extract(epoch from max(ended_at) - min(started_at)) * 1000 from ended), 0), 0))::float8
          as "busyShare"
      from ended group by bot_id order by sum(took) desc, bot_id limit ${maxListed}`,
  );

export interface ShortCounts {
  readonly storeId: string;
  readonly storeName: string;
  readonly lines: number;
  readonly units: number;
}

export const countShorts = (orm: Orm, period: Period): Promise<ShortCounts[]> =>
  rows(
    orm,
    sql`
      select s.store_id as "storeId", coalesce(n.name, '') as "storeName", count(*)::int as lines, sum(s.quantity)::int as units
      from ${shorts} s join ${attempts} a using (task_id, fence) left join ${stores} n using (store_id)
      where a.outcome = 'succeeded' and ${within(sql`a.ended_at`, period)}
      group by s.store_id, n.name order by units desc, s.store_id limit ${maxListed}`,
  );
