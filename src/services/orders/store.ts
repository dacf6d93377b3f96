import { asc, desc, eq, inArray, lte, type SQL, sql } from 'drizzle-orm';
import { boolean, check, index, integer, pgSchema, primaryKey, text, uniqueIndex, uuid } from 'drizzle-orm/pg-core';
import { findingPart } from '../../contract/pickup-code.ts';
import { instant, int53 } from '../../database/columns.ts';
import type { Orm } from '../../database/port.ts';
import { plumbing } from '../../database/tables.ts';
import {
  type Cancellation,
  cancelledBy,
  type Order,
  type OrderLine,
  type OrderState,
  orderStates,
  type Product,
  type Store,
} from './messages.ts';

export const ordersSchema = pgSchema('orders');
export const { outbox, inbox, fences, parked } = plumbing(ordersSchema);

export const orders = ordersSchema.table(
  'orders',
  {
    id: uuid('id').primaryKey(),
    idempotencyKey: text('idempotency_key').notNull(),
    shopper: text('shopper').notNull(),
    currency: text('currency').notNull(),
    state: text('state', { enum: orderStates }).notNull(),
    paid: boolean('paid').notNull(),
    bay: text('bay').notNull(),
    placedAt: instant('placed_at').notNull(),
    readyAt: instant('ready_at'),
    closedAt: instant('closed_at'),
    reason: text('reason').notNull(),
    traceparent: text('traceparent').notNull(),
    pickupCode: text('pickup_code').notNull().default(''),
    wrongCodes: integer('wrong_codes').notNull().default(0),
    lastWrongCode: text('last_wrong_code').notNull().default(''),
  },
  (t) => [
    uniqueIndex('orders_by_key').on(t.idempotencyKey),
    // What finds an order finds one: of those that wait by this, of those that are closed the newest.
    uniqueIndex('orders_waiting_by_code')
      .on(sql`left(pickup_code, 4)`)
      .where(sql`pickup_code <> '' and closed_at is null`),
    index('orders_by_code').on(sql`left(pickup_code, 4)`, t.id).where(sql`pickup_code <> ''`),
    // What staff and shoppers list. Without a state the primary key serves: ids sort by time.
    index('orders_by_state').on(t.state, t.id),
  ],
);

const goodsStates = ['RECALLED', 'RETURNING', 'SETTLED', 'OVERDUE'] as const satisfies ReadonlyArray<
  Cancellation['goods']
>;

export const lines = ordersSchema.table(
  'lines',
  {
    orderId: uuid('order_id')
      .notNull()
      .references(() => orders.id),
    position: integer('position').notNull(),
    id: uuid('id').notNull(),
    productId: uuid('product_id').notNull(),
    storeId: uuid('store_id').notNull(),
    sku: text('sku').notNull(),
    name: text('name').notNull(),
    quantity: integer('quantity').notNull(),
    unitPriceMinor: int53('unit_price_minor').notNull(),
    picked: integer('picked').notNull(),
    short: integer('short').notNull(),
    held: integer('held').notNull(),
    attempt: integer('attempt').notNull().default(1),
  },
  (t) => [
    primaryKey({ columns: [t.orderId, t.position] }),
    check('lines_held', sql`${t.held} between 0 and ${t.quantity}`),
    check('lines_counts', sql`${t.picked} >= 0 and ${t.short} >= 0 and ${t.picked} + ${t.short} <= ${t.quantity}`),
  ],
);

/** One row per order that somebody wanted to be cancelled; written under the order's lock. */
export const cancellations = ordersSchema.table(
  'cancellations',
  {
    orderId: uuid('order_id')
      .primaryKey()
      .references(() => orders.id),
    requestedBy: text('requested_by', { enum: cancelledBy }).notNull(),
    requestedAt: instant('requested_at').notNull(),
    refunded: boolean('refunded').notNull(),
    goods: text('goods', { enum: goodsStates }).notNull(),
    returnTaskIds: text('return_task_ids').array().notNull(),
    asks: integer('asks').notNull(),
    askAgainAt: instant('ask_again_at'),
    goodsBy: instant('goods_by').notNull(),
    /** When a tick has something to do. */
    wakesAt: instant('wakes_at'),
  },
  // As small as what is under way.
  (t) => [index('cancellations_due').on(t.wakesAt).where(sql`wakes_at is not null`)],
);

/** The copy of the catalogue: what the stores' events said last, by their version. */
export const stores = ordersSchema.table('stores', {
  id: uuid('id').primaryKey(),
  name: text('name').notNull(),
  participating: boolean('participating').notNull(),
  version: int53('version').notNull(),
});

export const products = ordersSchema.table(
  'products',
  {
    id: uuid('id').primaryKey(),
    // No foreign key: a product's events may come before its store's.
    storeId: uuid('store_id').notNull(),
    sku: text('sku').notNull(),
    name: text('name').notNull(),
    priceMinor: int53('price_minor').notNull(),
    currency: text('currency').notNull(),
    stock: int53('stock').notNull(),
    committed: int53('committed').notNull().default(0),
    removed: boolean('removed').notNull(),
    version: int53('version').notNull(),
  },
  (t) => [check('products_committed', sql`${t.committed} >= 0`)],
);

type LineRow = typeof lines.$inferSelect;

function toCancellation(row: typeof cancellations.$inferSelect | null): Cancellation | null {
  if (!row) return null;
  const { orderId: _, wakesAt: __, ...cancellation } = row;
  return cancellation;
}

const toLine = ({ orderId: _, position: __, ...line }: LineRow): OrderLine => line;

/** Until the transaction ends, whoever else comes with this key waits: the first makes the order, the others find it. */
export async function lockIdempotencyKey(orm: Orm, key: string): Promise<void> {
  await orm.execute(sql`select pg_advisory_xact_lock(hashtextextended(${`orders.place:${key}`}, 0))`);
}

/** False when its pickup code finds another order. */
export async function insertOrder(orm: Orm, { lines: _, cancellation: __, ...order }: Order): Promise<boolean> {
  const rows = await orm.insert(orders).values(order).onConflictDoNothing().returning({ id: orders.id });
  return rows.length > 0;
}

export async function insertLines(orm: Orm, order: Order): Promise<void> {
  await orm.insert(lines).values(order.lines.map((line, position) => ({ ...line, orderId: order.id, position })));
}

/**
 * Every change of an order begins here, so that its changes, and with them its events, come one after the other.
 * Orders are locked before products, by everyone.
 */
export async function lockOrder(orm: Orm, orderId: string): Promise<boolean> {
  const rows = await orm.select({ id: orders.id }).from(orders).where(eq(orders.id, orderId)).for('update');
  return rows.length > 0;
}

export async function findOrder(orm: Orm, orderId: string): Promise<Order | undefined> {
  return (await selectOrders(orm, eq(orders.id, orderId), 1))[0];
}

export async function findOrderByKey(orm: Orm, idempotencyKey: string): Promise<Order | undefined> {
  return (await selectOrders(orm, eq(orders.idempotencyKey, idempotencyKey), 1))[0];
}

/** The order that waits and is found by the code, or the newest that did. The rest of the code may be wrong. */
export const findOrderIdByCode = async (orm: Orm, code: string): Promise<string | undefined> =>
  (await orderIdsByCode(orm, code))[0]?.id;

export const orderIdsByCode = (orm: Orm, code: string) =>
  orm
    .select({ id: orders.id })
    .from(orders)
    .where(sql`pickup_code <> '' and left(pickup_code, 4) = ${findingPart(code)}`)
    .orderBy(sql`closed_at is not null`, desc(orders.id))
    .limit(1);

/** Newest first; no states: of any. */
export function listOrders(orm: Orm, states: readonly OrderState[], limit: number): Promise<Order[]> {
  return selectOrders(orm, states.length > 0 ? inArray(orders.state, [...states]) : undefined, limit);
}

/** Those of them that there are. */
export const findOrders = (orm: Orm, ids: readonly string[]): Promise<Order[]> =>
  selectOrders(orm, withIds(ids), ids.length);

export const withIds = (ids: readonly string[]): SQL => inArray(orders.id, [...ids]);

/** One statement, so that an order and its lines are of the same moment. */
export function orderRows(orm: Orm, where: SQL | undefined, limit: number) {
  const chosen = orm.select().from(orders).where(where).orderBy(desc(orders.id)).limit(limit).as('chosen');
  return orm
    .select()
    .from(chosen)
    .innerJoin(lines, eq(lines.orderId, chosen.id))
    .leftJoin(cancellations, eq(cancellations.orderId, chosen.id))
    .orderBy(desc(chosen.id), asc(lines.position));
}

async function selectOrders(orm: Orm, where: SQL | undefined, limit: number): Promise<Order[]> {
  const rows = await orderRows(orm, where, limit);
  const found = new Map<string, Order & { lines: OrderLine[] }>();
  for (const { chosen: order, lines: line, cancellations: cancellation } of rows) {
    const known = found.get(order.id) ?? { ...order, lines: [], cancellation: toCancellation(cancellation) };
    known.lines.push(toLine(line));
    found.set(order.id, known);
  }
  return [...found.values()];
}

export async function updateOrder(orm: Orm, order: Order): Promise<void> {
  const { id, state, paid, bay, readyAt, closedAt, reason, wrongCodes, lastWrongCode } = order;
  const set = { state, paid, bay, readyAt, closedAt, reason, wrongCodes, lastWrongCode };
  await orm.update(orders).set(set).where(eq(orders.id, id));
}

export async function saveCancellation(
  orm: Orm,
  orderId: string,
  { returnTaskIds, ...cancellation }: Cancellation,
  wakesAt: Date | null,
): Promise<void> {
  const set = { ...cancellation, returnTaskIds: [...returnTaskIds], wakesAt };
  await orm
    .insert(cancellations)
    .values({ orderId, ...set })
    .onConflictDoUpdate({ target: cancellations.orderId, set });
}

/** Orders whose cancellation has something to do by `now`, longest due first. Locks nothing: who acts looks again under the order's lock. */
export async function dueCancellations(orm: Orm, now: Date, limit: number): Promise<DueCancellation[]> {
  return orm
    .select({ orderId: orders.id, traceparent: orders.traceparent })
    .from(cancellations)
    .innerJoin(orders, eq(orders.id, cancellations.orderId))
    .where(lte(cancellations.wakesAt, now))
    .orderBy(asc(cancellations.wakesAt))
    .limit(limit);
}

export interface DueCancellation {
  readonly orderId: string;
  /** Of the order. */
  readonly traceparent: string;
}

/** All of the lines in one statement; they are no more than a bot carries. */
export async function updateLines(orm: Orm, orderId: string, changed: readonly OrderLine[]): Promise<void> {
  const values = JSON.stringify(
    changed.map(({ id, picked, short, held, attempt }) => ({ id, picked, short, held, attempt })),
  );
  await orm.execute(sql`
    update ${lines} set picked = new.picked, short = new.short, held = new.held, attempt = new.attempt
    from jsonb_to_recordset(${values}::text::jsonb) as new(id uuid, picked int, short int, held int, attempt int)
    where ${lines.orderId} = ${orderId} and ${lines.id} = new.id`);
}

/** In the order of their ids, the same for everyone, so that two orders for the same products do not wait for each other. */
export async function lockProducts(orm: Orm, productIds: readonly string[]): Promise<Map<string, Product>> {
  const rows = await orm
    .select()
    .from(products)
    .where(inArray(products.id, [...productIds]))
    .orderBy(asc(products.id))
    .for('update');
  return new Map(rows.map((row) => [row.id, row]));
}

/** Of locked products. */
export async function changeCommitted(orm: Orm, changes: ReadonlyMap<string, number>): Promise<void> {
  const values = JSON.stringify([...changes].map(([id, change]) => ({ id, change })));
  await orm.execute(sql`
    update ${products} set committed = committed + new.change
    from jsonb_to_recordset(${values}::text::jsonb) as new(id uuid, change int)
    where ${products.id} = new.id`);
}

export async function findStores(orm: Orm, storeIds: readonly string[]): Promise<Map<string, Store>> {
  if (storeIds.length === 0) return new Map();
  const rows = await orm
    .select()
    .from(stores)
    .where(inArray(stores.id, [...storeIds]));
  return new Map(rows.map((row) => [row.id, row]));
}
