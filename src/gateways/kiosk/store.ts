import { and, asc, count, eq, gt, inArray, lt, lte, sql } from 'drizzle-orm';
import { bigserial, boolean, index, jsonb, pgSchema, text } from 'drizzle-orm/pg-core';
import { instant, int53 } from '../../database/columns.ts';
import type { Orm } from '../../database/port.ts';
import { plumbing } from '../../database/tables.ts';

export const kioskSchema = pgSchema('kiosk');
export const { outbox, inbox, fences, parked } = plumbing(kioskSchema);

/** Copy of the stores, as their events told; no foreign key from products, since a store's events may come after its products'. */
export const stores = kioskSchema.table('stores', {
  storeId: text('store_id').primaryKey(),
  name: text('name').notNull(),
  participating: boolean('participating').notNull(),
  version: int53('version').notNull(),
});

/** Copy of the products. A removed one stays, so that what is older than its removal does not bring it back. */
export const products = kioskSchema.table(
  'products',
  {
    productId: text('product_id').primaryKey(),
    storeId: text('store_id').notNull(),
    sku: text('sku').notNull(),
    name: text('name').notNull(),
    priceMinor: int53('price_minor').notNull(),
    currency: text('currency').notNull(),
    stock: int53('stock').notNull(),
    removed: boolean('removed').notNull(),
    version: int53('version').notNull(),
  },
  (t) => [index('products_by_store').on(t.storeId)],
);

/** What happened to each order, in the order in which the kiosk heard of it. */
export const timeline = kioskSchema.table(
  'timeline',
  {
    id: bigserial('id', { mode: 'number' }).primaryKey(),
    orderId: text('order_id').notNull(),
    name: text('name').notNull(),
    at: instant('at').notNull(),
    data: jsonb('data').$type<Record<string, unknown>>().notNull(),
    /** Of the event: all of an order's are in the trace of the request that placed it, or linked to it. */
    traceparent: text('traceparent').notNull(),
  },
  (t) => [index('timeline_by_order').on(t.orderId, t.id)],
);

export type StoreRow = typeof stores.$inferSelect;
export type ProductRow = typeof products.$inferSelect;
export type TimelineRow = typeof timeline.$inferSelect;

/** Keeps `row` unless what is there is as new. */
export async function putStore(orm: Orm, row: StoreRow): Promise<void> {
  await orm
    .insert(stores)
    .values(row)
    .onConflictDoUpdate({ target: stores.storeId, set: row, setWhere: lt(stores.version, row.version) });
}

/** Keeps `row` unless what is there is as new. */
export async function putProduct(orm: Orm, row: ProductRow): Promise<void> {
  await orm
    .insert(products)
    .values(row)
    .onConflictDoUpdate({ target: products.productId, set: row, setWhere: lt(products.version, row.version) });
}

/** Changes a product unless what is there is as new. False when there is no such product. */
export async function changeProduct(
  orm: Orm,
  productId: string,
  change: Partial<Omit<ProductRow, 'productId'>> & { version: number },
): Promise<boolean> {
  const changed = await orm
    .update(products)
    .set(change)
    .where(and(eq(products.productId, productId), lt(products.version, change.version)))
    .returning({ productId: products.productId });
  if (changed.length > 0) return true;
  const [there] = await orm.select({ one: sql`1` }).from(products).where(eq(products.productId, productId));
  return there !== undefined;
}

/** By name. */
export const listStores = (orm: Orm): Promise<StoreRow[]> =>
  orm.select().from(stores).orderBy(asc(stores.name), asc(stores.storeId));

/** What can be ordered: in the range of a store that takes part, by name. */
export async function listProducts(orm: Orm, storeId?: string): Promise<ProductRow[]> {
  const rows = await orm
    .select({ product: products })
    .from(products)
    .innerJoin(stores, eq(stores.storeId, products.storeId))
    .where(
      and(
        eq(products.removed, false),
        eq(stores.participating, true),
        storeId === undefined ? undefined : eq(products.storeId, storeId),
      ),
    )
    .orderBy(asc(products.name), asc(products.productId));
  return rows.map(({ product }) => product);
}

/**
 * Adds to an order's time line. The lock makes the ids of one order commit in the order of their numbers, also while one kiosk takes
 * over from another: whoever follows by `id > last` would miss a lower id that commits later.
 */
export async function addToTimeline(orm: Orm, entry: Omit<TimelineRow, 'id'>): Promise<void> {
  await orm.execute(sql`select pg_advisory_xact_lock(hashtextextended(${`kiosk.timeline ${entry.orderId}`}, 0))`);
  await orm.insert(timeline).values(entry);
}

/** An order's next entries after the one with id `after`, at most `limit`. */
export const timelineAfter = (orm: Orm, orderId: string, after: number, limit: number): Promise<TimelineRow[]> =>
  orm
    .select()
    .from(timeline)
    .where(and(eq(timeline.orderId, orderId), gt(timeline.id, after)))
    .orderBy(asc(timeline.id))
    .limit(limit);

/** Whether the order was heard of at all, and whether one of `finalNames` is among its entries up to the one with id `upTo`. */
export async function timelineState(
  orm: Orm,
  orderId: string,
  upTo: number,
  finalNames: readonly string[],
): Promise<{ known: boolean; closed: boolean }> {
  const isFinal = and(inArray(timeline.name, [...finalNames]), lte(timeline.id, upTo));
  const [state] = await orm
    .select({ entries: count(), closed: sql<boolean>`coalesce(bool_or(${isFinal}), false)` })
    .from(timeline)
    .where(eq(timeline.orderId, orderId));
  return { known: (state?.entries ?? 0) > 0, closed: state?.closed ?? false };
}

/** The traceparent of the order's first event; undefined while none was heard of. */
export async function traceparentOfOrder(orm: Orm, orderId: string): Promise<string | undefined> {
  const [first] = await orm
    .select({ traceparent: timeline.traceparent })
    .from(timeline)
    .where(eq(timeline.orderId, orderId))
    .orderBy(asc(timeline.id))
    .limit(1);
  return first?.traceparent;
}
