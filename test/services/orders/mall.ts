import { newId } from '../../../src/contract/ids.ts';
import { type Draft, draft } from '../../../src/contract/message.ts';
import type { TaskRef } from '../../../src/gen/events/bots/v1/events.ts';
import { StuckReason } from '../../../src/gen/events/depot/v1/events.ts';
import { StockReason } from '../../../src/gen/events/stores/v1/events.ts';
import { type HandOverRequest, type Order, OrdersService } from '../../../src/gen/orders/v1/orders.ts';
import type { Api } from '../../../src/rpc/api.ts';
import { connectClient } from '../../../src/rpc/client.ts';
import { startOrders } from '../../../src/services/orders/service.ts';
import type { LogLevel } from '../../../src/telemetry/logger.ts';
import { type ServiceAlone, startAlone } from '../../support/service-alone.ts';

export interface Shop {
  readonly storeId: string;
  readonly productId: string;
}

/** Orders alone, with a client; the test plays the stores, the depot, the payments and the bots. */
export interface OrdersMall extends AsyncDisposable {
  readonly service: ServiceAlone;
  readonly api: Api<typeof OrdersService>;
  /** A store of its own with one product. */
  openShop(more?: { stock?: number; price?: number; currency?: string }): Promise<Shop>;
  place(lines: ReadonlyArray<{ productId: string; quantity: number }>, key?: string): Promise<Order>;
  state(order: Order): Promise<Order>;
}

export async function startMall(logLevel?: LogLevel): Promise<OrdersMall> {
  const service = await startAlone('orders', startOrders, logLevel);
  const client = connectClient(OrdersService, service.address, service.telemetry);
  const { api } = client;
  return {
    service,
    api,
    async openShop({ stock = 10, price = 100, currency = 'EUR' } = {}) {
      const shop = { storeId: newId(), productId: newId() };
      await service.tell(participation(shop, true, 1));
      await service.tell(added(shop, { stock, price, currency }));
      return shop;
    },
    place: (lines, key = newId()) =>
      api.placeOrder({ idempotencyKey: key, shopper: 'Ada', currency: 'EUR', lines: [...lines] }),
    state: ({ orderId }) => api.getOrder({ orderId, withPickupCode: false }),
    async [Symbol.asyncDispose]() {
      client.close();
      await service[Symbol.asyncDispose]();
    },
  };
}

export const participation = ({ storeId }: Shop, participating: boolean, version: number): Draft =>
  draft('stores.participation_changed', storeId, {
    storeId,
    name: 'Sock Shop',
    position: { x: 1, y: 2 },
    participating,
    version,
  });

export const added = (
  { storeId, productId }: Shop,
  { stock = 10, price = 100, currency = 'EUR', version = 1 } = {},
): Draft =>
  draft('stores.product_added', productId, {
    productId,
    storeId,
    sku: 'SOCK-1',
    name: 'Socks',
    price: { minor: price, currency },
    stock,
    version,
  });

export const priced = ({ productId }: Shop, price: number, version: number): Draft =>
  draft('stores.price_changed', productId, { productId, price: { minor: price, currency: 'EUR' }, version });

export const removed = ({ productId }: Shop, version: number): Draft =>
  draft('stores.product_removed', productId, { productId, version });

/** What Stores says when its books change by `delta` to `stock`, on account of an order's only line, or of nobody. */
export function stocked(
  { productId }: Shop,
  reason: keyof typeof StockReason,
  { stock, delta, version, attempt = 1 }: { stock: number; delta: number; version: number; attempt?: number },
  order?: Order,
): Draft {
  const line = order?.lines.find((candidate) => candidate.productId === productId);
  return draft('stores.stock_changed', productId, {
    productId,
    stock,
    delta,
    version,
    reason: StockReason[reason],
    orderId: order?.orderId ?? '',
    lineId: line?.lineId ?? '',
    attempt: order ? attempt : 0,
  });
}

/** Hands an order over to who shows its code, as the kiosk's answer has it. */
export const byCode = ({ orderId, pickupCode }: Order): HandOverRequest => ({
  orderId,
  pickupCode,
  identityReason: '',
});

export const paid = ({ orderId, total }: Order): Draft =>
  draft('payments.paid', orderId, { orderId, amount: total, paymentId: newId() });

/** `picked[i]` units of line i were found. */
export const completed = ({ orderId, lines }: Order, picked: readonly number[], bay = 'B1'): Draft =>
  draft('depot.list_completed', orderId, {
    orderId,
    taskId: newId(),
    bay,
    lines: lines.map(({ lineId, quantity }, index) => {
      return { lineId, picked: picked[index]!, short: quantity - picked[index]! };
    }),
  });

export const stuck = (
  { orderId }: Order,
  reason: 'UNPLANNABLE' | 'TASK_FAILED' | 'TASK_CANCELLED',
  message = 'no way there',
): Draft => draft('depot.list_stuck', orderId, { orderId, taskId: newId(), reason: StuckReason[reason], message });

export const bayAssigned = ({ orderId }: Order, bay: string): Draft =>
  draft('depot.bay_assigned', orderId, { orderId, bay });

/** An attempt at an order's task, its list unless `kind` says otherwise: the events that a hub publishes about it. */
export function attempt({ orderId, lines }: Order, taskId: string, fence: number, kind = 'shop') {
  const task: TaskRef = {
    taskId,
    orderId,
    kind,
    attempt: fence,
    fence,
    botId: newId(),
    occurredAt: new Date(),
  };
  const mark = { task: { id: taskId, fence } };
  const item = (index: number, quantity: number) => {
    const { lineId, productId, storeId } = lines[index]!;
    return { task, lineId, productId, storeId, quantity, original: undefined };
  };
  return {
    picks: (index: number, quantity: number) => draft('bots.item_picked', orderId, item(index, quantity), mark),
    misses: (index: number, quantity: number) => draft('bots.item_short', orderId, item(index, quantity), mark),
    /** The next fence is already in force. */
    isLost: () =>
      draft(
        'bots.task_lost',
        orderId,
        { task: { ...task, attempt: fence + 1, fence: fence + 1 }, lostFence: fence, reason: 'lease expired' },
        { task: { id: taskId, fence: fence + 1 } },
      ),
  };
}
