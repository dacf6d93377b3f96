import { trace } from '@opentelemetry/api';
import { notFound } from '../../contract/errors.ts';
import { newId, requireId, requireIds } from '../../contract/ids.ts';
import { maskedCode, shownCode } from '../../contract/pickup-code.ts';
import type { Database } from '../../database/port.ts';
import {
  CancelledBy,
  CancelledGoods,
  type Order as OrderMessage,
  OrderState,
  type OrdersService,
} from '../../gen/orders/v1/orders.ts';
import type { Messaging } from '../../role/messaging.ts';
import type { Api } from '../../rpc/api.ts';
import { parseTraceparent, traceparentOf } from '../../telemetry/propagation.ts';
import { changeOrder, placeOrder } from './change.ts';
import { isUnwanted } from './decide.ts';
import type { Cancellation, Order, OrderCommand, OrderLine } from './messages.ts';
import { isLocked } from './pickup.ts';
import { totalMinor } from './place.ts';
import { findOrder, findOrderIdByCode, findOrders, listOrders } from './store.ts';
import { cancelOrderOf, handOverOf, listingOf, pickupOf, placeOrderOf } from './validate.ts';

export function ordersApi(database: Database, messaging: Messaging): Api<typeof OrdersService> {
  /** What the command makes of the order; a refusal is thrown when what it changes is kept. */
  async function change(causationId: string, orderId: string, command: OrderCommand): Promise<OrderMessage> {
    const { order, refusal } = await messaging.commit(causationId, async (tx) => {
      const decision = await changeOrder(tx.orm, orderId, command, new Date());
      if (!decision) throw noOrder(orderId);
      return { result: decision, events: decision.events };
    });
    if (refusal) throw refusal;
    return toMessage(order);
  }

  return {
    async placeOrder(request) {
      const command = placeOrderOf(request, traceparentOf());
      const order = await messaging.commit(command.idempotencyKey, async (tx) => {
        const { order: result, events } = await placeOrder(tx.orm, command, new Date());
        return { result, events };
      });
      linkRepeat(order);
      return forShopper(order);
    },

    async getOrder(request) {
      const orderId = requireId('order_id', request.orderId);
      const order = await database.query((orm) => findOrder(orm, orderId));
      if (!order) throw noOrder(orderId);
      return request.withPickupCode ? forShopper(order) : toMessage(order);
    },

    async batchGetOrders(request) {
      const orderIds = requireIds('order_ids', request.orderIds);
      const found = orderIds.length > 0 ? await database.query((orm) => findOrders(orm, orderIds)) : [];
      return { orders: found.map(toMessage) };
    },

    async listOrders(request) {
      const { states, limit } = listingOf(request);
      const found = await database.query((orm) => listOrders(orm, states, limit));
      return { orders: found.map(toMessage) };
    },

    async findPickup(request) {
      const { code, orderId = await database.query((orm) => findOrderIdByCode(orm, code)) } = pickupOf(request);
      if (!orderId) throw noPickup(code);
      return change(newId(), orderId, { type: 'tryCode', code });
    },

    async handOver(request) {
      const { orderId, proof } = handOverOf(request);
      return change(newId(), orderId, { type: 'handOver', proof });
    },

    async cancelOrder(request) {
      const { orderId, idempotencyKey, ...wish } = cancelOrderOf(request);
      return change(idempotencyKey, orderId, { type: 'requestCancellation', ...wish });
    },
  };
}

/** A request that was repeated, since the first one was not answered in time, says which trace its order is in: whoever asks may be gone again. */
function linkRepeat({ traceparent }: Order): void {
  const span = trace.getActiveSpan();
  const placing = parseTraceparent(traceparent);
  if (span && placing && placing.traceId !== span.spanContext().traceId) span.addLink({ context: placing });
}

const noOrder = (orderId: string) => notFound('order', 'order_id', orderId, 'check the id on the receipt');

const noPickup = (code: string) =>
  notFound(
    'order',
    'pickup_code',
    maskedCode(code),
    'look at the code again, or give the order as the pickups show it',
  );

const forShopper = (order: Order): OrderMessage => ({
  ...toMessage(order),
  // One that gets nobody their goods any more would only be tried.
  pickupCode: isUnwanted(order) || isLocked(order) || order.pickupCode === '' ? '' : shownCode(order.pickupCode),
});

function toMessage(order: Order): OrderMessage {
  const { id: orderId, shopper, currency, paid, bay, placedAt, reason, traceparent } = order;
  return {
    orderId,
    shopper,
    state: OrderState[order.state],
    paid,
    bay,
    lines: order.lines.map((line) => toLine(line, currency)),
    total: { minor: totalMinor(order), currency },
    placedAt,
    readyAt: order.readyAt ?? undefined,
    closedAt: order.closedAt ?? undefined,
    reason,
    traceparent,
    cancellation: order.cancellation ? toCancellation(order.cancellation) : undefined,
    pickupCode: '',
    pickupLocked: !isUnwanted(order) && isLocked(order),
  };
}

function toCancellation({ requestedBy, requestedAt, refunded, goods, returnTaskIds }: Cancellation) {
  return {
    requestedBy: CancelledBy[requestedBy],
    requestedAt,
    refunded,
    goods: CancelledGoods[goods],
    returnTaskIds: goods === 'RETURNING' ? [...returnTaskIds] : [],
  };
}

function toLine(line: OrderLine, currency: string) {
  const { id: lineId, productId, sku, name, storeId, quantity, unitPriceMinor, picked, short } = line;
  const unitPrice = { minor: unitPriceMinor, currency };
  return { lineId, productId, sku, name, storeId, quantity, unitPrice, picked, short };
}
