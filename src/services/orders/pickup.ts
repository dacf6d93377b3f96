import { refused } from '../../contract/errors.ts';
import { draft } from '../../contract/message.ts';
import { isSameCode, maskedCode, maxWrongCodes } from '../../contract/pickup-code.ts';
import type { Decision } from './decide.ts';
import type { Order } from './messages.ts';

export const isLocked = ({ wrongCodes }: Order): boolean => wrongCodes >= maxWrongCodes;

/**
 * Whether `code` is the order's. A wrong one counts, which has to be kept although it is refused; the right one makes up for those before. The same
 * wrong one typed again does not count: it tells nobody anything new, and a request that is repeated is no second try.
 */
export function tryCode(order: Order, code: string): Decision {
  const { id: orderId, pickupCode, wrongCodes, lastWrongCode } = order;
  if (pickupCode === '') throw noCode(orderId);
  if (isLocked(order)) return { order, events: [], refusal: locked(orderId) };
  if (isSameCode(pickupCode, code)) {
    return { order: wrongCodes === 0 ? order : { ...order, wrongCodes: 0, lastWrongCode: '' }, events: [] };
  }
  // What is closed cannot be handed over to anybody.
  if (order.closedAt || isSameCode(lastWrongCode, code)) return { order, events: [], refusal: wrong(order, code) };
  const tried: Order = { ...order, wrongCodes: wrongCodes + 1, lastWrongCode: code };
  const isLast = isLocked(tried);
  return {
    order: tried,
    events: [draft('orders.pickup_refused', orderId, { orderId, wrongCodes: tried.wrongCodes, locked: isLast })],
    refusal: isLast ? locked(orderId) : wrong(tried, code),
  };
}

function wrong({ id, wrongCodes }: Order, code: string) {
  const left = maxWrongCodes - wrongCodes;
  const message = `code ${maskedCode(code)} is not the one of order ${id}`;
  const remedy = `look at it again with the shopper: ${left} ${left === 1 ? 'try is' : 'tries are'} left`;
  return refused('pickup_code', maskedCode(code), 'PICKUP_CODE_WRONG', message, remedy);
}

const identity = 'check who the shopper is, and hand over without the code, saying what you have seen';

const locked = (orderId: string) =>
  refused(
    'order_id',
    orderId,
    'PICKUP_LOCKED',
    `order ${orderId} is locked after ${maxWrongCodes} wrong codes`,
    identity,
  );

/** It was placed before there were any. */
const noCode = (orderId: string) =>
  refused('order_id', orderId, 'NO_PICKUP_CODE', `order ${orderId} has no pickup code`, identity);
