import { asc, eq, inArray, lt, sql } from 'drizzle-orm';
import { boolean, doublePrecision, index, integer, pgSchema, primaryKey, text, uuid } from 'drizzle-orm/pg-core';
import { instant, int53 } from '../../database/columns.ts';
import type { Orm } from '../../database/port.ts';
import { plumbing } from '../../database/tables.ts';
import type { KnownProduct, KnownStore, List, ListLine, Return } from './messages.ts';

export const depotSchema = pgSchema('depot');
export const { outbox, inbox, fences, parked } = plumbing(depotSchema);

/** The copy of what Stores says about stores. */
export const stores = depotSchema.table('stores', {
  storeId: uuid('store_id').primaryKey(),
  name: text('name').notNull(),
  x: doublePrecision('x').notNull(),
  y: doublePrecision('y').notNull(),
  participating: boolean('participating').notNull(),
  version: int53('version').notNull(),
});

/** The copy of what Stores says about products. */
export const products = depotSchema.table('products', {
  productId: uuid('product_id').primaryKey(),
  storeId: uuid('store_id'),
  removed: boolean('removed').notNull(),
  version: int53('version').notNull(),
});

const listStates = [
  'created',
  'assigned',
  'waiting_for_bay',
  'completed',
  'stuck',
  'cancelling',
  'cancelled',
] as const satisfies ReadonlyArray<List['state']>;

export const lists = depotSchema.table(
  'lists',
  {
    orderId: uuid('order_id').primaryKey(),
    taskId: uuid('task_id').unique(),
    state: text('state', { enum: listStates }).notNull(),
    botId: text('bot_id').notNull(),
    routeMetres: doublePrecision('route_metres').notNull(),
    reason: text('reason').notNull(),
    attempt: integer('attempt').notNull().default(1),
    waitingSince: instant('waiting_since'),
  },
  (t) => [index('lists_waiting_for_bay').on(t.waitingSince, t.orderId).where(sql`state = 'waiting_for_bay'`)],
);

export const lines = depotSchema.table(
  'lines',
  {
    orderId: uuid('order_id')
      .notNull()
      .references(() => lists.orderId),
    lineId: text('line_id').notNull(),
    /** As the shopper listed them, from 0. */
    place: integer('place').notNull(),
    stop: integer('stop').notNull(),
    storeId: uuid('store_id').notNull(),
    productId: uuid('product_id').notNull(),
    sku: text('sku').notNull(),
    name: text('name').notNull(),
    quantity: integer('quantity').notNull(),
    picked: integer('picked').notNull(),
    short: integer('short').notNull(),
  },
  (t) => [primaryKey({ columns: [t.orderId, t.lineId] })],
);

const returnStates = ['requested', 'under_way', 'done', 'lost'] as const satisfies ReadonlyArray<Return['state']>;

/** One row per attempt at a list that came to nothing with goods in hand, or that brought goods to the depot which nobody wants any more. */
export const returns = depotSchema.table(
  'returns',
  {
    taskId: uuid('task_id').primaryKey(),
    orderId: uuid('order_id')
      .notNull()
      .references(() => lists.orderId),
    attempt: integer('attempt').notNull(),
    botId: text('bot_id').notNull(),
    fromDepot: boolean('from_depot').notNull().default(false),
    state: text('state', { enum: returnStates }).notNull(),
    reason: text('reason').notNull(),
    requestedAt: instant('requested_at').notNull(),
  },
  (t) => [index('returns_by_order').on(t.orderId)],
);

export const returnLines = depotSchema.table(
  'return_lines',
  {
    taskId: uuid('task_id')
      .notNull()
      .references(() => returns.taskId),
    lineId: text('line_id').notNull(),
    quantity: integer('quantity').notNull(),
    returned: integer('returned').notNull(),
  },
  (t) => [primaryKey({ columns: [t.taskId, t.lineId] })],
);

/** One row per bay, taken or free. */
export const bays = depotSchema.table(
  'bays',
  {
    number: integer('number').primaryKey(),
    orderId: uuid('order_id').unique(),
    /** Since when its goods wait. */
    since: instant('since'),
  },
  (t) => [index('bays_taken').on(t.since, t.number).where(sql`order_id is not null`)],
);

/** Keeps the newer of what is there and `store`. */
export async function rememberStore(orm: Orm, { position, ...store }: KnownStore): Promise<void> {
  const row = { ...store, ...position };
  await orm
    .insert(stores)
    .values(row)
    .onConflictDoUpdate({ target: stores.storeId, set: row, setWhere: lt(stores.version, row.version) });
}

/** Keeps the newer of what is there and `product`. */
export async function rememberProduct(orm: Orm, product: KnownProduct): Promise<void> {
  await orm
    .insert(products)
    .values(product)
    .onConflictDoUpdate({ target: products.productId, set: product, setWhere: lt(products.version, product.version) });
}

export async function knownStores(orm: Orm, storeIds: readonly string[]): Promise<Map<string, KnownStore>> {
  const rows = await orm
    .select()
    .from(stores)
    .where(inArray(stores.storeId, [...storeIds]));
  return new Map(rows.map(({ x, y, ...row }) => [row.storeId, { ...row, position: { x, y } }]));
}

export async function knownProducts(orm: Orm, productIds: readonly string[]): Promise<Map<string, KnownProduct>> {
  const rows = await orm
    .select()
    .from(products)
    .where(inArray(products.productId, [...productIds]));
  return new Map(rows.map((row) => [row.productId, row]));
}

function listColumns(list: List) {
  return {
    taskId: list.taskId || null,
    state: list.state,
    botId: 'botId' in list ? list.botId : '',
    routeMetres: list.routeMetres,
    reason: 'reason' in list ? list.reason : '',
    // Of a list that nobody has finished the first is as good as any.
    attempt: 'attempt' in list ? list.attempt : 1,
    waitingSince: list.state === 'waiting_for_bay' ? list.waitingSince : null,
  };
}

export async function insertList(orm: Orm, list: List): Promise<void> {
  await orm.insert(lists).values({ orderId: list.orderId, ...listColumns(list) });
}

export async function updateList(orm: Orm, list: List): Promise<void> {
  await orm.update(lists).set(listColumns(list)).where(eq(lists.orderId, list.orderId));
}

/** Adds the lines, or brings the counts of those that are there up to date. */
export async function saveLines(orm: Orm, orderId: string, all: readonly ListLine[]): Promise<void> {
  if (all.length === 0) return;
  await orm
    .insert(lines)
    .values(all.map((line, place) => ({ orderId, place, ...line })))
    .onConflictDoUpdate({
      target: [lines.orderId, lines.lineId],
      set: { picked: sql`excluded.picked`, short: sql`excluded.short` },
    });
}

export async function lockList(orm: Orm, orderId: string): Promise<List | undefined> {
  const [row] = await orm.select().from(lists).where(eq(lists.orderId, orderId)).for('update');
  return row && toList(row, await linesOf(orm, orderId));
}

/** Locks nothing: it never changes. */
export async function taskOfList(orm: Orm, orderId: string): Promise<string | undefined> {
  const [row] = await orm.select({ taskId: lists.taskId }).from(lists).where(eq(lists.orderId, orderId));
  return row?.taskId ?? undefined;
}

async function linesOf(orm: Orm, orderId: string): Promise<ListLine[]> {
  const rows = await orm.select().from(lines).where(eq(lines.orderId, orderId)).orderBy(asc(lines.place));
  return rows.map(({ orderId: _, place: __, ...line }) => line);
}

function toList(row: typeof lists.$inferSelect, rows: readonly ListLine[]): List {
  const { orderId, routeMetres, botId, reason, attempt, waitingSince } = row;
  const base = { orderId, routeMetres, taskId: row.taskId ?? '', lines: rows };
  switch (row.state) {
    case 'created':
      return { ...base, state: row.state };
    case 'assigned':
      return { ...base, state: row.state, botId };
    case 'completed':
      return { ...base, state: row.state, botId, attempt };
    case 'waiting_for_bay':
      return { ...base, state: row.state, botId, attempt, waitingSince: waitingSince! };
    case 'cancelling':
    case 'cancelled':
      return { ...base, state: row.state, botId, reason };
    case 'stuck':
      return { ...base, state: row.state, reason };
  }
}

/** A list as people ask for it: in one statement, so that its parts are of one moment. One row per line, in walking order. */
export async function readList(orm: Orm, orderId: string) {
  return orm
    .select({ list: lists, line: lines, storeName: stores.name, bay: bays.number })
    .from(lists)
    .leftJoin(lines, eq(lines.orderId, lists.orderId))
    .leftJoin(stores, eq(stores.storeId, lines.storeId))
    .leftJoin(bays, eq(bays.orderId, lists.orderId))
    .where(eq(lists.orderId, orderId))
    .orderBy(asc(lines.stop), asc(lines.place));
}

export type ListRow = Awaited<ReturnType<typeof readList>>[number];
