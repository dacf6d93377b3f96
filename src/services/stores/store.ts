import { and, asc, eq, getTableColumns, gt, inArray, lte, sql } from 'drizzle-orm';
import {
  boolean,
  check,
  doublePrecision,
  index,
  integer,
  pgSchema,
  primaryKey,
  text,
  uniqueIndex,
  uuid,
} from 'drizzle-orm/pg-core';
import { int53 } from '../../database/columns.ts';
import type { Orm } from '../../database/port.ts';
import { plumbing } from '../../database/tables.ts';
import type { Pick, ProductState, StoreState } from './messages.ts';

export const storesSchema = pgSchema('stores');
export const { outbox, inbox, fences, parked } = plumbing(storesSchema);

export const stores = storesSchema.table('stores', {
  storeId: uuid('store_id').primaryKey(),
  name: text('name').notNull(),
  x: doublePrecision('x').notNull(),
  y: doublePrecision('y').notNull(),
  participating: boolean('participating').notNull(),
  version: int53('version').notNull(),
});

export const products = storesSchema.table(
  'products',
  {
    productId: uuid('product_id').primaryKey(),
    storeId: uuid('store_id')
      .notNull()
      .references(() => stores.storeId),
    sku: text('sku').notNull(),
    name: text('name').notNull(),
    priceMinor: int53('price_minor').notNull(),
    currency: text('currency').notNull(),
    stock: int53('stock').notNull(),
    removed: boolean('removed').notNull(),
    version: int53('version').notNull(),
    addedPriceMinor: int53('added_price_minor').notNull(),
    addedStock: int53('added_stock').notNull(),
  },
  // A removed product's SKU is free again. Also what a store's products are listed by.
  (t) => [uniqueIndex('products_by_sku').on(t.storeId, t.sku).where(sql`not removed`)],
);

/** What each attempt at a list did to its lines. */
export const picks = storesSchema.table(
  'picks',
  {
    taskId: uuid('task_id').notNull(),
    attempt: integer('attempt').notNull(),
    lineId: text('line_id').notNull(),
    returnTaskId: uuid('return_task_id').notNull(),
    productId: uuid('product_id').notNull(),
    orderId: uuid('order_id').notNull(),
    picked: integer('picked').notNull(),
    returned: integer('returned').notNull(),
    missed: integer('missed').notNull(),
    writtenOff: integer('written_off').notNull(),
  },
  (t) => [
    primaryKey({ columns: [t.taskId, t.attempt, t.lineId] }),
    index('picks_by_return').on(t.returnTaskId),
    check('picks_returned', sql`${t.returned} between 0 and ${t.picked}`),
  ],
);

/** Attempts that came to nothing and of which nothing more comes back, by their return tasks: Depot's word may be here before the picks. */
export const settledReturns = storesSchema.table('settled_returns', {
  returnTaskId: uuid('return_task_id').primaryKey(),
});

const toStore = ({ x, y, ...row }: typeof stores.$inferSelect): StoreState => ({ ...row, position: { x, y } });

const toProduct = (row: typeof products.$inferSelect): ProductState => {
  const { priceMinor, currency, addedPriceMinor, addedStock, ...rest } = row;
  return {
    ...rest,
    price: { minor: priceMinor, currency },
    added: { priceMinor: addedPriceMinor, stock: addedStock },
  };
};

/** False when the id is taken; waits for whoever is taking it at the moment. */
export async function insertStore(orm: Orm, { position, ...state }: StoreState): Promise<boolean> {
  const rows = await orm
    .insert(stores)
    .values({ ...state, ...position })
    .onConflictDoNothing()
    .returning({ storeId: stores.storeId });
  return rows.length > 0;
}

export async function lockStore(orm: Orm, storeId: string): Promise<StoreState | undefined> {
  const [row] = await orm.select().from(stores).where(eq(stores.storeId, storeId)).for('update');
  return row && toStore(row);
}

export async function storeExists(orm: Orm, storeId: string): Promise<boolean> {
  const rows = await orm.select({ storeId: stores.storeId }).from(stores).where(eq(stores.storeId, storeId));
  return rows.length > 0;
}

export async function updateStore(orm: Orm, state: StoreState): Promise<void> {
  const { storeId, participating, version } = state;
  await orm.update(stores).set({ participating, version }).where(eq(stores.storeId, storeId));
}

export async function listStores(orm: Orm): Promise<StoreState[]> {
  const rows = await orm.select().from(stores).orderBy(asc(stores.name), asc(stores.storeId));
  return rows.map(toStore);
}

/** False when the id is taken. A taken SKU is a unique violation: callers hold the store's lock and have looked. */
export async function insertProduct(orm: Orm, { price, added, ...state }: ProductState): Promise<boolean> {
  const rows = await orm
    .insert(products)
    .values({
      ...state,
      priceMinor: price.minor,
      currency: price.currency,
      addedPriceMinor: added.priceMinor,
      addedStock: added.stock,
    })
    .onConflictDoNothing({ target: products.productId })
    .returning({ productId: products.productId });
  return rows.length > 0;
}

/** Locked in the order of their ids, the same for everyone, so that two tasks with the same products do not wait for each other. */
export async function lockProducts(orm: Orm, productIds: readonly string[]): Promise<Map<string, ProductState>> {
  const rows = await orm
    .select()
    .from(products)
    .where(inArray(products.productId, [...productIds]))
    .orderBy(asc(products.productId))
    .for('update');
  return new Map(rows.map((row) => [row.productId, toProduct(row)]));
}

export async function skuHolder(orm: Orm, storeId: string, sku: string): Promise<string | undefined> {
  const [row] = await orm
    .select({ productId: products.productId })
    .from(products)
    .where(and(eq(products.storeId, storeId), eq(products.sku, sku), eq(products.removed, false)));
  return row?.productId;
}

export async function updateProduct(orm: Orm, state: ProductState): Promise<void> {
  const { productId, price, stock, removed, version } = state;
  await orm
    .update(products)
    .set({ priceMinor: price.minor, stock, removed, version })
    .where(eq(products.productId, productId));
}

/** Those on sale, of one store or of all, by store and SKU. */
export async function listProducts(orm: Orm, storeId?: string): Promise<ProductState[]> {
  const rows = await orm
    .select()
    .from(products)
    .where(and(eq(products.removed, false), storeId ? eq(products.storeId, storeId) : undefined))
    .orderBy(asc(products.storeId), asc(products.sku));
  return rows.map(toProduct);
}

/** What the attempt did to the line so far, nothing if it is new, locked; and whether Depot has said that nothing comes back of it. */
export async function enterPick(orm: Orm, pick: Pick): Promise<{ pick: Pick; isSettled: boolean }> {
  const settled = orm.select().from(settledReturns).where(eq(settledReturns.returnTaskId, pick.returnTaskId));
  const [row] = await orm
    .insert(picks)
    .values(pick)
    // Changes nothing; a row that is there would not be answered otherwise.
    .onConflictDoUpdate({
      target: [picks.taskId, picks.attempt, picks.lineId],
      set: { productId: sql`${picks.productId}` },
    })
    .returning({ ...getTableColumns(picks), isSettled: sql<boolean>`exists ${settled}` });
  const { isSettled, ...entered } = row!;
  return { pick: entered, isSettled };
}

/** What the attempt had picked and missed that this return task is of. */
export async function lockPicks(orm: Orm, returnTaskId: string): Promise<Pick[]> {
  return orm.select().from(picks).where(eq(picks.returnTaskId, returnTaskId)).orderBy(asc(picks.lineId)).for('update');
}

/** The lines of which attempts up to `attempt` missed something that is written off. */
export async function lockMissedPicks(orm: Orm, taskId: string, attempt: number): Promise<Pick[]> {
  return orm
    .select()
    .from(picks)
    .where(and(eq(picks.taskId, taskId), lte(picks.attempt, attempt), gt(picks.writtenOff, 0)))
    .orderBy(asc(picks.attempt), asc(picks.lineId))
    .for('update');
}

/** Of locked picks. */
export async function savePicks(orm: Orm, changed: readonly Pick[]): Promise<void> {
  await orm
    .insert(picks)
    .values([...changed])
    .onConflictDoUpdate({
      target: [picks.taskId, picks.attempt, picks.lineId],
      set: {
        picked: sql`excluded.picked`,
        returned: sql`excluded.returned`,
        missed: sql`excluded.missed`,
        writtenOff: sql`excluded.written_off`,
      },
    });
}

/** False when it is settled already. */
export async function settleReturn(orm: Orm, returnTaskId: string): Promise<boolean> {
  const rows = await orm.insert(settledReturns).values({ returnTaskId }).onConflictDoNothing().returning();
  return rows.length > 0;
}
