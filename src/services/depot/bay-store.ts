import { and, asc, eq, isNotNull, sql } from 'drizzle-orm';
import type { Orm } from '../../database/port.ts';
import { bays, lists } from './store.ts';

export const bayName = (number: number): string => `B${number}`;

/** Makes bays 1 to `count` where they are not there yet; never takes one away. */
export async function buildBays(orm: Orm, count: number): Promise<void> {
  await orm
    .insert(bays)
    .select(sql`select number, null, null from generate_series(1, ${count}::integer) as number`)
    .onConflictDoNothing();
}

/**
 * Until the transaction ends, only its caller moves goods in or out of bays. Comes before any lock on a list, or two orders would wait for
 * each other. `SKIP LOCKED` on single bays would be less to wait for and wrong: a list that finds no bay while another
 * transaction frees one, unseen by either, would wait beside a free bay for ever.
 */
export async function lockBays(orm: Orm): Promise<void> {
  await orm.execute(sql`lock table ${bays} in share row exclusive mode`);
}

/** The bay that the order's goods wait in; undefined where they wait in none. */
export async function bayOf(orm: Orm, orderId: string): Promise<string | undefined> {
  const [row] = await orm.select({ number: bays.number }).from(bays).where(eq(bays.orderId, orderId));
  return row && bayName(row.number);
}

/** Whether it held goods of the order. */
export async function freeBay(orm: Orm, orderId: string): Promise<boolean> {
  const rows = await orm
    .update(bays)
    .set({ orderId: null, since: null })
    .where(eq(bays.orderId, orderId))
    .returning({ number: bays.number });
  return rows.length > 0;
}

/** Gives the lowest free bays to the lists that have waited longest, as many as there are of both. */
export async function fillBays(orm: Orm, now: Date): Promise<Array<{ orderId: string; bay: string }>> {
  const rows = await orm.execute<{ number: number; order_id: string }>(sql`
    with free as (
      select number, row_number() over (order by number) as place from ${bays} where order_id is null
    ), waiting as (
      select order_id, row_number() over (order by waiting_since, order_id) as place
      from ${lists} where state = 'waiting_for_bay'
      order by waiting_since, order_id limit (select count(*) from free)
    ), filled as (
      update ${bays} as bay set order_id = waiting.order_id, since = ${now.toISOString()}::timestamptz
      from free join waiting using (place)
      where bay.number = free.number
      returning bay.number, bay.order_id
    )
    update ${lists} as list set state = 'completed', waiting_since = null
    from filled where list.order_id = filled.order_id
    returning filled.number, filled.order_id`);
  return [...rows].map((row) => ({ orderId: row.order_id, bay: bayName(row.number) }));
}

/** Since when its goods wait, as ISO 8601, and the bay: what its page of taken bays ends with. */
export type BayPlace = readonly [since: string, number: number];

/** Those that hold goods, longest first, behind `after`. Its index has them in this order, and as many as are taken. */
export function takenBays(orm: Orm, after: BayPlace | undefined, limit: number) {
  const isBehind = after && sql`(${bays.since}, ${bays.number}) > (${after[0]}::timestamptz, ${after[1]}::int)`;
  return orm
    .select()
    .from(bays)
    .where(and(isNotNull(bays.orderId), isBehind))
    .orderBy(asc(bays.since), asc(bays.number))
    .limit(limit);
}
