import { invalid } from '../../contract/errors.ts';
import { requireId } from '../../contract/ids.ts';
import {
  maxCancelReasonChars,
  maxIdentityReasonChars,
  maxOrderLines,
  maxQuantity,
  maxShopperChars,
} from '../../contract/order-limits.ts';
import { requirePickupCode } from '../../contract/pickup-code.ts';
import { requireCurrency, requireIdempotencyKey, requireText } from '../../contract/text.ts';
import {
  CancelledBy,
  type CancelOrderRequest,
  type FindPickupRequest,
  type HandOverRequest,
  type ListOrdersRequest,
  OrderState,
  type PlaceOrderRequest,
} from '../../gen/orders/v1/orders.ts';
import { cancelledBy, orderStates, type PlaceOrder, type Proof, type OrderState as StateName } from './messages.ts';
import { lineField } from './place.ts';

/** Orders per answer where the caller does not say, and at most. */
const defaultListLimit = 100;
const maxListLimit = 1_000;

/** @throws MallError INVALID_ARGUMENT naming the field as the request has it */
export function placeOrderOf(request: PlaceOrderRequest, traceparent: string): PlaceOrder {
  const idempotencyKey = requireIdempotencyKey(request.idempotencyKey);
  const shopper = requireText('shopper', request.shopper, maxShopperChars);
  const currency = requireCurrency('currency', request.currency);
  const count = request.lines.length;
  if (count < 1 || count > maxOrderLines) {
    const remedy = `an order has 1 to ${maxOrderLines} lines, and this has ${count}`;
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

/** @throws MallError INVALID_ARGUMENT naming the field as the request has it */
export function cancelOrderOf(request: CancelOrderRequest) {
  const orderId = requireId('order_id', request.orderId);
  const idempotencyKey = requireIdempotencyKey(request.idempotencyKey);
  const requestedBy = cancelledBy.find((who) => CancelledBy[who] === request.requestedBy);
  if (!requestedBy) {
    throw invalid('requested_by', request.requestedBy, 'REQUESTER_UNKNOWN', `give one of ${cancelledBy.join(', ')}`);
  }
  const reason =
    request.reason === ''
      ? `the ${requestedBy === 'STAFF' ? 'staff' : 'shopper'} cancelled it`
      : requireText('reason', request.reason, maxCancelReasonChars);
  return { orderId, idempotencyKey, requestedBy, reason };
}

/** `orderId` is undefined where the code says which order it is. @throws MallError INVALID_ARGUMENT naming the field */
export function pickupOf(request: FindPickupRequest): { code: string; orderId: string | undefined } {
  const code = requirePickupCode(request.pickupCode);
  return { code, orderId: request.orderId === '' ? undefined : requireId('order_id', request.orderId) };
}

/** @throws MallError INVALID_ARGUMENT naming the field */
export function handOverOf(request: HandOverRequest): { orderId: string; proof: Proof } {
  const orderId = requireId('order_id', request.orderId);
  if (request.identityReason === '') {
    return { orderId, proof: { type: 'code', code: requirePickupCode(request.pickupCode) } };
  }
  const reason = requireText('identity_reason', request.identityReason, maxIdentityReasonChars);
  return { orderId, proof: { type: 'identity', reason } };
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
