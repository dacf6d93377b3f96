import { notFound } from '../../contract/errors.ts';
import { newId, requireId } from '../../contract/ids.ts';
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
import { traceparentOf } from '../../telemetry/propagation.ts';
import { changeOrder, placeOrder } from './change.ts';
import type { Cancellation, Order, OrderLine } from './messages.ts';
import { totalMinor } from './place.ts';
import { findOrder, listOrders } from './store.ts';
import { cancelOrderOf, listingOf, placeOrderOf } from './validate.ts';

export function ordersApi(database: Database, messaging: Messaging): Api<typeof OrdersService> {
  return {
    async placeOrder(request) {
      const command = placeOrderOf(request, traceparentOf());
      const order = await messaging.commit(command.idempotencyKey, async (tx) => {
        const { order: result, events } = await placeOrder(tx.orm, command, new Date());
        return { result, events };
      });
      return toMessage(order);
    },

    async getOrder(request) {
      const orderId = requireId('order_id', request.orderId);
      const order = await database.query((orm) => findOrder(orm, orderId));
      if (!order) throw noOrder(orderId);
      return toMessage(order);
    },

    async listOrders(request) {
      const { states, limit } = listingOf(request);
      const found = await database.query((orm) => listOrders(orm, states, limit));
      return { orders: found.map(toMessage) };
    },

    async handOver(request) {
      const orderId = requireId('order_id', request.orderId);
      const order = await messaging.commit(newId(), async (tx) => {
        const decision = await changeOrder(tx.orm, orderId, { type: 'handOver' }, new Date());
        if (!decision) throw noOrder(orderId);
        return { result: decision.order, events: decision.events };
      });
      return toMessage(order);
    },

    async cancelOrder(request) {
      const { orderId, idempotencyKey, ...wish } = cancelOrderOf(request);
      const order = await messaging.commit(idempotencyKey, async (tx) => {
        const decision = await changeOrder(tx.orm, orderId, { type: 'requestCancellation', ...wish }, new Date());
        if (!decision) throw noOrder(orderId);
        return { result: decision.order, events: decision.events };
      });
      return toMessage(order);
    },
  };
}

const noOrder = (orderId: string) => notFound('order', 'order_id', orderId, 'check the id on the receipt');

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
