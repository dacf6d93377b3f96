import type { Money } from '../gen/common/v1/common.ts';
import { ListState, ReturnState, type ShoppingList } from '../gen/depot/v1/depot.ts';
import { type Cancellation, CancelledBy, CancelledGoods, type Order, OrderState } from '../gen/orders/v1/orders.ts';
import { type Invoice, InvoiceState } from '../gen/payments/v1/payments.ts';

/** The names of a generated enum's numbers, in the lower case that JSON has them in. */
const namesOf = <K extends string>(states: Readonly<Record<K, number>>) => {
  type Name = Lowercase<K> | 'unspecified';
  const names = new Map(Object.entries(states).map(([name, number]) => [number, name.toLowerCase() as Name]));
  return (state: number): Name => names.get(state) ?? 'unspecified';
};
export const orderStateName = namesOf(OrderState);
const invoiceState = namesOf(InvoiceState);
const listState = namesOf(ListState);
export const returnState = namesOf(ReturnState);
const cancelledBy = namesOf(CancelledBy);
const cancelledGoods = namesOf(CancelledGoods);

const money = (value: Money | undefined) => ({ minor: value?.minor ?? 0, currency: value?.currency ?? '' });
const instant = (value: Date | undefined) => value?.toISOString() ?? null;

/** An order as programs outside of the mall see it: every field always there, times as ISO 8601 in UTC, null for what is not yet. */
export const orderView = (order: Order) => ({
  orderId: order.orderId,
  shopper: order.shopper,
  state: orderStateName(order.state),
  paid: order.paid,
  bay: order.bay || null,
  lines: order.lines.map(({ lineId, productId, sku, name, storeId, quantity, unitPrice, picked, short }) => ({
    lineId,
    productId,
    sku,
    name,
    storeId,
    quantity,
    unitPrice: money(unitPrice),
    picked,
    short,
  })),
  total: money(order.total),
  placedAt: instant(order.placedAt),
  readyAt: instant(order.readyAt),
  closedAt: instant(order.closedAt),
  reason: order.reason || null,
  traceparent: order.traceparent || null,
  pickupLocked: order.pickupLocked,
  cancellation: order.cancellation ? cancellationView(order.cancellation) : null,
});

/** The same as its shopper sees it: with what staff want to be shown. */
export const shopperView = (order: Order) => ({ ...orderView(order), pickupCode: order.pickupCode || null });

export const cancellationView = (cancellation: Cancellation) => ({
  requestedBy: cancelledBy(cancellation.requestedBy),
  requestedAt: instant(cancellation.requestedAt),
  refunded: cancellation.refunded,
  goods: cancelledGoods(cancellation.goods),
});

export const invoiceView = (invoice: Invoice) => ({
  orderId: invoice.orderId,
  state: invoiceState(invoice.state),
  total: money(invoice.total),
  paid: money(invoice.paid),
  refunded: money(invoice.refunded),
  due: money(invoice.due),
  refunds: invoice.refunds.map(({ amount, reason }) => ({ amount: money(amount), reason })),
  issuedAt: instant(invoice.issuedAt),
});

export const listView = (list: ShoppingList) => ({
  taskId: list.taskId,
  state: listState(list.state),
  botId: list.botId || null,
  bay: list.bay || null,
  routeMetres: list.routeMetres,
  reason: list.reason || null,
  stops: list.stops.map(({ storeId, storeName, items }) => ({
    storeId,
    storeName,
    items: items.map(({ lineId, productId, sku, name, quantity, picked, short }) => ({
      lineId,
      productId,
      sku,
      name,
      quantity,
      picked,
      short,
    })),
  })),
  returns: list.returns.map(({ taskId, attempt, botId, fromDepot, state, items, requestedAt, reason }) => ({
    taskId,
    attempt,
    botId,
    fromDepot,
    state: returnState(state),
    items: items.map(({ lineId, name, quantity, returned }) => ({ lineId, name, quantity, returned })),
    requestedAt: instant(requestedAt),
    reason: reason || null,
  })),
});
