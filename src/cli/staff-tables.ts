import { formatMoney } from '../contract/money.ts';
import { cancellationView, orderView, returnState } from '../gateways/order-view.ts';
import type { ReturnItem, ShoppingList } from '../gen/depot/v1/depot.ts';
import { type Cancellation, type Order, type OrderLine, OrderState } from '../gen/orders/v1/orders.ts';
import { type Invoice, InvoiceState } from '../gen/payments/v1/payments.ts';
import type { OrderSheet, Pickup } from '../gen/staff/v1/staff.ts';
import { coloured, formatAge, writeLine, writeTable } from './output.ts';
import { shortId } from './staff-order-id.ts';

export function writePickups(pickups: readonly Pickup[], more: boolean, now: Date): void {
  if (pickups.length === 0) {
    writeLine('nothing waits in a bay');
    return;
  }
  writeTable(
    ['bay', 'order', 'shopper', 'items', 'money', 'waiting'],
    pickups.map(({ bay, order, invoice, waitingSince }) => [
      bay,
      shortId(order?.orderId ?? ''),
      order?.shopper ?? '',
      itemsOf(order?.lines ?? []),
      moneyOf(invoice),
      waitingSince ? formatAge(waitingSince, now) : '',
    ]),
  );
  if (more) writeLine(`there are more than these ${pickups.length}: give --limit`);
}

export function writeOrders(orders: readonly Order[], now: Date): void {
  if (orders.length === 0) {
    writeLine('no such order');
    return;
  }
  writeTable(
    ['order', 'shopper', 'state', 'items', 'total', 'paid', 'placed'],
    orders.map((order) => [
      shortId(order.orderId),
      order.shopper,
      orderView(order).state,
      itemsOf(order.lines),
      order.total ? formatMoney(order.total) : '',
      order.paid ? coloured('green', 'yes') : 'no',
      order.placedAt ? `${formatAge(order.placedAt, now)} ago` : '',
    ]),
  );
}

export function writeSheet({ order, invoice, list }: OrderSheet): void {
  if (!order) return;
  const { orderId, shopper, state, bay, reason } = orderView(order);
  writeLine(`order ${orderId} of ${shopper}: ${state}${bay ? `, bay ${bay}` : ''}${reason ? ` (${reason})` : ''}`);
  const storeNames = new Map(list?.stops.map(({ storeId, storeName }) => [storeId, storeName]));
  writeTable(
    ['product', 'store', 'price', 'ordered', 'fate'],
    order.lines.map((line) => [
      line.name,
      storeNames.get(line.storeId) ?? shortId(line.storeId),
      line.unitPrice ? formatMoney(line.unitPrice) : '',
      String(line.quantity),
      fateOf(line, order.state, list),
    ]),
  );
  writeLine(
    `money: ${moneyOf(invoice)}${invoice?.refunded?.minor ? `, ${formatMoney(invoice.refunded)} refunded` : ''}`,
  );
  writeRefunds(invoice);
  if (order.pickupLocked) writeLine('pickup: locked, too many wrong codes were shown');
  if (list?.botId) writeLine(`bot: ${list.botId}`);
  if (order.cancellation) writeLine(`cancellation: ${progressOf(order.cancellation)}`);
  for (const { botId, fromDepot, state, items, reason } of list?.returns ?? []) {
    const units = (of: (item: ReturnItem) => number) => items.reduce((sum, item) => sum + of(item), 0);
    const back = `${units(({ returned }) => returned)} of ${units(({ quantity }) => quantity)} items`;
    const how = `${returnState(state).replace('_', ' ')}${reason ? ` (${reason})` : ''}`;
    writeLine(
      `back from ${fromDepot ? 'the depot' : botId || 'a bot'}${fromDepot && botId ? ` with ${botId}` : ''} to the stores: ${back}, ${how}`,
    );
  }
}

/** Where the units of a line are, in few words: "2 in the bay, 1 short". */
function fateOf(
  { lineId, quantity, picked, short }: OrderLine,
  state: OrderState,
  list: ShoppingList | undefined,
): string {
  const isOff = state === OrderState.CANCELLED || state === OrderState.CANCELLING || state === OrderState.REJECTED;
  const items = (list?.returns ?? []).flatMap((each) => each.items).filter((item) => item.lineId === lineId);
  const back = items.reduce((sum, { returned }) => sum + returned, 0);
  const away = items.reduce((sum, item) => sum + item.quantity - item.returned, 0);
  const open = quantity - picked - short;
  const parts: Array<[number, string]> = isOff
    ? [
        [back, 'back in the store'],
        [away, state === OrderState.CANCELLING ? 'on their way back' : 'not come back'],
      ]
    : [
        [picked, fates[state] ?? 'picked'],
        [short, 'short'],
        [open, 'to be picked'],
      ];
  const told = parts.flatMap(([count, fate]) => (count > 0 ? [`${count} ${fate}`] : []));
  return told.join(', ') || (isOff ? 'not picked' : '');
}

const fates: Partial<Record<OrderState, string>> = {
  [OrderState.READY]: 'in the bay',
  [OrderState.COLLECTABLE]: 'in the bay',
  [OrderState.COMPLETED]: 'handed over',
};

const goodsTold = {
  recalled: 'a bot may still be picking',
  returning: 'goods on their way back',
  settled: 'goods back or written off',
  overdue: 'goods not back in time',
  unspecified: 'goods unknown',
} as const;

function progressOf(cancellation: Cancellation): string {
  const { requestedBy, refunded, goods } = cancellationView(cancellation);
  return `wanted by ${requestedBy}, ${refunded ? 'money settled' : 'money not back yet'}, ${goodsTold[goods]}`;
}

function writeRefunds(invoice: Invoice | undefined): void {
  for (const { amount, reason } of invoice?.refunds ?? []) {
    if (amount) writeLine(`given back: ${formatMoney(amount)} (${reason})`);
  }
}

/** What the shopper has, and what it cost. */
export function writeReceipt({ order, invoice }: OrderSheet): void {
  if (!order) return;
  const bought = order.lines.filter(({ quantity, short }) => quantity > short);
  writeTable(
    ['item', 'each', 'sum'],
    bought.map(({ name, quantity, short, unitPrice }) => [
      `${quantity - short} x ${name}`,
      unitPrice ? formatMoney(unitPrice) : '',
      unitPrice ? formatMoney({ ...unitPrice, minor: unitPrice.minor * (quantity - short) }) : '',
    ]),
  );
  const { total, paid, refunded } = invoice ?? {};
  const parts = [
    total && `total ${formatMoney(total)}`,
    paid && `paid ${formatMoney(paid)}`,
    refunded?.minor ? `${formatMoney(refunded)} given back` : undefined,
  ].filter(Boolean);
  writeRefunds(invoice);
  writeLine(`order ${order.orderId}${parts.length > 0 ? `: ${parts.join(', ')}` : ''}`);
}

/** "3" as ordered, "2 of 3" where some are short. */
function itemsOf(lines: ReadonlyArray<{ quantity: number; short: number }>): string {
  const ordered = lines.reduce((sum, { quantity }) => sum + quantity, 0);
  const short = lines.reduce((sum, line) => sum + line.short, 0);
  return short > 0 ? `${ordered - short} of ${ordered}` : String(ordered);
}

function moneyOf(invoice: Invoice | undefined): string {
  if (!invoice) return coloured('dim', 'unknown');
  if (invoice.state === InvoiceState.CANCELLED) return 'cancelled';
  if (invoice.state === InvoiceState.PAID)
    return coloured('green', `${invoice.paid ? formatMoney(invoice.paid) : ''} paid`);
  return coloured('yellow', `${invoice.due ? formatMoney(invoice.due) : ''} due`);
}
