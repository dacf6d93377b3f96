import type {
  Catalogue,
  Order,
  OrderCommand,
  OrderLine,
  PlaceOrder,
  Product,
  Store,
} from '../../../src/services/orders/messages.ts';

export const now = new Date('2026-03-01T10:00:00.000Z');

/** Readable ids: the pure code does not care for their form. */
export const line = (id: string, more: Partial<OrderLine> = {}): OrderLine => ({
  id,
  productId: `product-${id}`,
  storeId: 'store',
  sku: `SKU-${id}`,
  name: `Thing ${id}`,
  quantity: 2,
  unitPriceMinor: 100,
  picked: 0,
  short: 0,
  held: more.quantity ?? 2,
  attempt: 1,
  ...more,
});

/** Somebody shows the code of `order`. */
export const handOver: OrderCommand = { type: 'handOver', proof: { type: 'code', code: 'K7P4Q9T' } };

export const order = (more: Partial<Order> = {}): Order => ({
  id: 'order',
  idempotencyKey: 'key',
  shopper: 'Ada',
  currency: 'EUR',
  state: 'PLACED',
  paid: false,
  bay: '',
  lines: [line('a'), line('b', { quantity: 3, unitPriceMinor: 250 })],
  placedAt: new Date('2026-03-01T09:00:00.000Z'),
  readyAt: null,
  closedAt: null,
  reason: '',
  traceparent: '',
  cancellation: null,
  pickupCode: 'K7P4Q9T',
  wrongCodes: 0,
  lastWrongCode: '',
  ...more,
});

export const product = (id: string, more: Partial<Product> = {}): Product => ({
  id,
  storeId: 'store',
  sku: `SKU-${id}`,
  name: `Thing ${id}`,
  priceMinor: 100,
  currency: 'EUR',
  stock: 10,
  committed: 0,
  removed: false,
  ...more,
});

export const catalogue = (products: readonly Product[], store: Partial<Store> = {}): Catalogue => ({
  products: new Map(products.map((known) => [known.id, known])),
  stores: new Map([['store', { id: 'store', name: 'Sock Shop', participating: true, ...store }]]),
});

export const placing = (lines: PlaceOrder['lines'], more: Partial<PlaceOrder> = {}): PlaceOrder => ({
  idempotencyKey: 'key',
  shopper: 'Ada',
  currency: 'EUR',
  lines,
  traceparent: '',
  ...more,
});
