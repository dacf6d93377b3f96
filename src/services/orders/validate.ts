import { invalid } from '../../contract/errors.ts';
import { requireId } from '../../contract/ids.ts';
import { requireCurrency, requireText } from '../../contract/text.ts';
import { type ListOrdersRequest, OrderState, type PlaceOrderRequest } from '../../gen/orders/v1/orders.ts';
import { orderStates, type PlaceOrder, type OrderState as StateName } from './messages.ts';
import { lineField } from './place.ts';

/** Characters: a UUID and room for a prefix. */
export const maxKeyChars = 100;
/** Characters: a name as it fits on a screen of the desk. */
export const maxShopperChars = 100;
/** What one bot can be sent for in one go; a request at these limits is a tenth of what the server takes in. */
export const maxLines = 100;
/** Units of one product: more is a delivery, not a purchase. */
export const maxQuantity = 1_000;

/** Orders per answer where the caller does not say, and at most. */
export const defaultListLimit = 100;
export const maxListLimit = 1_000;

/** @throws MallError INVALID_ARGUMENT naming the field as the request has it */
export function placeOrderOf(request: PlaceOrderRequest, traceparent: string): PlaceOrder {
  const idempotencyKey = requireText('idempotency_key', request.idempotencyKey, maxKeyChars);
  const shopper = requireText('shopper', request.shopper, maxShopperChars);
  const currency = requireCurrency('currency', request.currency);
  const count = request.lines.length;
  if (count < 1 || count > maxLines) {
    const remedy = `an order has 1 to ${maxLines} lines, and this has ${count}`;
    throw invalid('lines', `${count} lines`, count < 1 ? 'NO_LINES' : 'TOO_MANY_LINES', remedy);
  }
  const firstLineOf = new Map<string, number>();
  const lines = request.lines.map(({ productId: given, quantity }, index) => {
    const productId = requireId(lineField(index, 'product_id'), given);
    const first = firstLineOf.get(productId);
    if (first !== undefined) {
      const remedy = `lines[${first}] has the same product; give the sum of both quantities there`;
      throw invalid(lineField(index, 'product_id'), given, 'DUPLICATE_PRODUCT', remedy);
    }
    firstLineOf.set(productId, index);
    if (!Number.isInteger(quantity) || quantity < 1 || quantity > maxQuantity) {
      const remedy = `give 1 to ${maxQuantity} units`;
      throw invalid(lineField(index, 'quantity'), quantity, 'QUANTITY_OUT_OF_RANGE', remedy);
    }
    return { productId, quantity };
  });
  return { idempotencyKey, shopper, currency, lines, traceparent };
}

/** @throws MallError INVALID_ARGUMENT naming the field */
export function listingOf(request: ListOrdersRequest): { states: readonly StateName[]; limit: number } {
  const states = request.states.map((given, index) => {
    const name = orderStates.find((state) => OrderState[state] === given);
    if (name) return name;
    throw invalid(
      `states[${index}]`,
      given,
      'STATE_UNKNOWN',
      `give some of ${orderStates.join(', ')}, or none for all`,
    );
  });
  if (request.limit > maxListLimit) {
    throw invalid('limit', request.limit, 'LIMIT_TOO_LARGE', `give at most ${maxListLimit}`);
  }
  return { states, limit: request.limit || defaultListLimit };
}
