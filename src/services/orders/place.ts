import { invalid, type MallError, notFound, quoted, refused } from '../../contract/errors.ts';
import { draft } from '../../contract/message.ts';
import type { Decision } from './decide.ts';
import type { Catalogue, Order, OrderLine, PlaceOrder, Product } from './messages.ts';

/** As the request names a line's fields. */
export const lineField = (index: number, field: 'product_id' | 'quantity'): string => `lines[${index}].${field}`;

/**
 * The new order, or why not. `ids.lines` has one id per line.
 * @throws MallError NOT_FOUND (product), INVALID_ARGUMENT (currency, total), FAILED_PRECONDITION (store, stock); all name the field
 */
export function place(
  command: PlaceOrder,
  catalogue: Catalogue,
  ids: { readonly order: string; readonly lines: readonly string[] },
  now: Date,
): Decision {
  const lines = command.lines.map(({ quantity }, index): OrderLine => {
    const product = orderable(command, catalogue, index);
    const { id: productId, storeId, sku, name, priceMinor: unitPriceMinor } = product;
    const id = ids.lines[index]!;
    return {
      id,
      productId,
      storeId,
      sku,
      name,
      quantity,
      unitPriceMinor,
      picked: 0,
      short: 0,
      held: quantity,
      attempt: 1,
    };
  });
  const { idempotencyKey, shopper, currency, traceparent } = command;
  const order: Order = {
    id: ids.order,
    idempotencyKey,
    shopper,
    currency,
    state: 'PLACED',
    paid: false,
    bay: '',
    lines,
    placedAt: now,
    readyAt: null,
    closedAt: null,
    reason: '',
    traceparent,
    cancellation: null,
    // Drawn when it is written, where others have theirs.
    pickupCode: '',
    wrongCodes: 0,
    lastWrongCode: '',
  };
  const total = totalMinor(order);
  if (!Number.isSafeInteger(total)) {
    throw invalid('lines', total, 'TOTAL_TOO_LARGE', 'the total is more than an invoice can hold; order less');
  }
  return { order, events: [placed(order, total)] };
}

/** What was ordered costs, before shortages, in minor units. */
export const totalMinor = ({ lines }: Pick<Order, 'lines'>): number =>
  lines.reduce((sum, { unitPriceMinor, quantity }) => sum + unitPriceMinor * quantity, 0);

/**
 * Whether `command` asks for what `order` is, whatever the order of its lines.
 * @throws MallError FAILED_PRECONDITION when the key was used for something else
 */
export function requireSameRequest(order: Order, command: PlaceOrder): void {
  const quantities = new Map(command.lines.map(({ productId, quantity }) => [productId, quantity]));
  const same =
    order.shopper === command.shopper &&
    order.currency === command.currency &&
    order.lines.length === command.lines.length &&
    order.lines.every(({ productId, quantity }) => quantities.get(productId) === quantity);
  if (same) return;
  const remedy = 'use a new key for a new order';
  const message = `idempotency_key ${quoted(command.idempotencyKey)} was used for another order`;
  throw refused('idempotency_key', command.idempotencyKey, 'IDEMPOTENCY_KEY_REUSED', message, remedy);
}

function orderable(command: PlaceOrder, catalogue: Catalogue, index: number): Product {
  const { productId, quantity } = command.lines[index]!;
  const field = lineField(index, 'product_id');
  const product = catalogue.products.get(productId);
  if (!product || product.removed) {
    throw notFound('product', field, productId, 'choose a product that the catalogue lists');
  }
  if (product.currency !== command.currency) {
    const remedy = `${field} is priced in ${product.currency}; order it in that currency`;
    throw invalid('currency', command.currency, 'CURRENCY_MISMATCH', remedy);
  }
  const store = catalogue.stores.get(product.storeId);
  if (!store?.participating) {
    const message = `${field}: store ${quoted(store?.name ?? product.storeId)} does not take part at the moment`;
    throw refused(field, productId, 'STORE_NOT_PARTICIPATING', message, 'choose a product of another store');
  }
  const available = Math.max(0, product.stock - product.committed);
  if (available < quantity) throw soldOut(index, product, quantity, available);
  return product;
}

function soldOut(index: number, { id, name }: Product, quantity: number, available: number): MallError {
  const field = lineField(index, 'quantity');
  const message = `${field} is ${quantity}, but ${available} of ${quoted(name)} (${lineField(index, 'product_id')} ${id}) are available`;
  const remedy = available > 0 ? `order at most ${available}` : 'leave it out or try again later';
  return refused(field, quantity, 'SOLD_OUT', message, remedy);
}

function placed(order: Order, total: number) {
  const { id: orderId, shopper, currency } = order;
  const lines = order.lines.map(({ id, productId, sku, name, storeId, quantity, unitPriceMinor }) => ({
    lineId: id,
    productId,
    sku,
    name,
    storeId,
    quantity,
    unitPrice: { minor: unitPriceMinor, currency },
  }));
  return draft('orders.placed', orderId, { orderId, shopper, lines, total: { minor: total, currency } });
}
