import type { ReadableSpan } from '@opentelemetry/sdk-trace';
import { afterEach, describe, expect, test } from 'vitest';
import { notFound, refused, unavailable } from '../../../src/contract/errors.ts';
import { newId } from '../../../src/contract/ids.ts';
import { codesOfNoOrder } from '../../../src/gateways/staff/code-searches.ts';
import { startStaff } from '../../../src/gateways/staff/staff.ts';
import { ShoppingList } from '../../../src/gen/depot/v1/depot.ts';
import { CancelledBy, type CancelOrderRequest, OrderState } from '../../../src/gen/orders/v1/orders.ts';
import { InvoiceState, type PayRequest } from '../../../src/gen/payments/v1/payments.ts';
import { StaffService } from '../../../src/gen/staff/v1/staff.ts';
import { connectClient } from '../../../src/rpc/client.ts';
import { recordingTelemetry } from '../../support/telemetry.ts';
import { anInvoice, anOrder, type Doubles, startDoubles } from '../doubles.ts';
import { staffContext } from './staff-context.ts';

let cleanUp = new AsyncDisposableStack();
afterEach(async () => {
  await cleanUp.disposeAsync();
  cleanUp = new AsyncDisposableStack();
});

async function start(doubles: Doubles) {
  const services = cleanUp.use(await startDoubles(doubles));
  const telemetry = recordingTelemetry('staff');
  const role = await startStaff(staffContext(services.address, telemetry));
  cleanUp.defer(() => role.drain());
  const client = connectClient(StaffService, role.address, recordingTelemetry('desk'));
  cleanUp.defer(() => client.close());
  return { api: client.api, services, spans: () => telemetry.spans() };
}

const shown = (orderId: string) => ({ orderId, pickupCode: 'K7P4-Q9T', identityReason: '' });

const since = new Date('2026-01-05T10:10:00Z');
const inBay = (bay: string, orderId: string) => ({ bay, orderId, since });

describe('a pickup code', () => {
  test('is looked for no more when many were of no order, and tried with the order all the same', async () => {
    const order = anOrder();
    const { api } = await start({
      orders: {
        async findPickup({ orderId }) {
          if (orderId) return order;
          throw notFound('order', 'pickup_code', 'K7P4-***');
        },
      },
      payments: { getInvoice: async ({ orderId }) => anInvoice(orderId) },
    });
    const { orderId } = order;
    const pickupCode = 'K7P4-Q9T';
    for (let tries = 0; tries < codesOfNoOrder; tries += 1)
      await expect(api.findPickup({ pickupCode, orderId: '' })).rejects.toMatchObject({ code: 'NOT_FOUND' });
    await expect(api.findPickup({ pickupCode, orderId: '' })).rejects.toMatchObject({
      code: 'RESOURCE_EXHAUSTED',
      message: expect.stringMatching(/more than 10 codes a minute .*; look for the order in the pickups/),
    });
    expect(await api.findPickup({ pickupCode, orderId })).toMatchObject({ order: { orderId } });
  });
});

describe('the pickups', () => {
  test('are the orders in the bays with their money, in the order of the bays', async () => {
    const orders = [anOrder(), anOrder(), anOrder()];
    const { api } = await start({
      orders: { getOrder: async ({ orderId }) => orders.find((order) => order.orderId === orderId)! },
      payments: { getInvoice: async ({ orderId }) => anInvoice(orderId) },
      depot: {
        listBays: async () => ({
          bays: orders.map(({ orderId }, index) => inBay(`B${index}`, orderId)),
          nextPageToken: '',
        }),
      },
    });
    const { pickups } = await api.listPickups({ pageSize: 0, pageToken: '' });

    expect(pickups).toMatchObject(
      orders.map(({ orderId }, index) => ({
        bay: `B${index}`,
        waitingSince: since,
        order: { orderId },
        invoice: { orderId, due: { minor: 300 } },
      })),
    );
  });

  test.each(['COMPLETED', 'CANCELLING', 'CANCELLED', 'REJECTED'] as const)('leave out what is %s', async (state) => {
    const order = anOrder({ state: OrderState[state] });
    const { api } = await start({
      orders: { getOrder: async () => order },
      depot: { listBays: async () => ({ bays: [inBay('B1', order.orderId)], nextPageToken: '' }) },
    });

    expect(await api.listPickups({ pageSize: 0, pageToken: '' })).toMatchObject({ pickups: [] });
  });

  test('are there without the money while Payments is down', async () => {
    const order = anOrder();
    const { api, services } = await start({
      orders: { getOrder: async () => order },
      depot: { listBays: async () => ({ bays: [inBay('B1', order.orderId)], nextPageToken: '' }) },
    });
    await services.stop('payments');

    expect(await api.listPickups({ pageSize: 0, pageToken: '' })).toMatchObject({
      pickups: [{ bay: 'B1', order: { shopper: 'Ada' }, invoice: undefined }],
    });
  });

  test('are three questions, however many bays are taken, and come in pages', async () => {
    const bays = Array.from({ length: 500 }, (_, i) => inBay(`B${i}`, newId()));
    const asked: unknown[] = [];
    const { api } = await start({
      orders: {
        async batchGetOrders({ orderIds }) {
          asked.push(orderIds.length);
          return { orders: orderIds.map((orderId) => anOrder({ orderId })).toReversed() };
        },
      },
      payments: {
        async batchGetInvoices({ orderIds }) {
          asked.push(orderIds.length);
          return { invoices: orderIds.slice(1).map((orderId) => anInvoice(orderId)) };
        },
      },
      depot: {
        async listBays(page) {
          asked.push(page);
          return { bays, nextPageToken: 'behind B499' };
        },
      },
    });

    const { pickups, nextPageToken } = await api.listPickups({ pageSize: 500, pageToken: 'behind B0' });
    expect(pickups.map(({ bay }) => bay)).toEqual(bays.map(({ bay }) => bay));
    expect(pickups.map(({ order, invoice }) => [order?.orderId, invoice?.orderId])).toEqual(
      bays.map(({ orderId }, index) => [orderId, index === 0 ? undefined : orderId]),
    );
    expect(nextPageToken).toBe('behind B499');
    expect(asked).toMatchObject([{ pageSize: 500, pageToken: 'behind B0' }, 500, 500]);
  });

  test('name the service that cannot be reached', async () => {
    const { api, services } = await start({});
    await services.stop('depot');

    await expect(api.listPickups({ pageSize: 0, pageToken: '' })).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      message: expect.stringMatching(/^Depot cannot be reached/),
      detail: { reason: 'DEPOT_UNAVAILABLE' },
    });
  });
});

describe('an order', () => {
  test('is shown with its invoice and its list', async () => {
    const order = anOrder();
    const { orderId } = order;
    const { api } = await start({
      orders: { getOrder: async () => order },
      payments: { getInvoice: async () => anInvoice(orderId) },
      depot: { getList: async () => ShoppingList.fromPartial({ orderId, botId: 'bot-1' }) },
    });

    expect(await api.showOrder({ orderId })).toMatchObject({
      order: { orderId },
      invoice: { orderId },
      list: { botId: 'bot-1' },
    });
  });

  test('is shown without what is not there yet', async () => {
    const order = anOrder();
    const { api } = await start({ orders: { getOrder: async () => order } });
    const sheet = await api.showOrder({ orderId: order.orderId });

    expect(sheet).toMatchObject({ order: { orderId: order.orderId }, invoice: undefined, list: undefined });
  });

  test.each([
    ['that nobody knows is NOT_FOUND', newId(), 'NOT_FOUND'],
    ['with an id that is none is INVALID_ARGUMENT', '42', 'INVALID_ARGUMENT'],
  ])('%s, for every request', async (_, orderId, code) => {
    const { api } = await start({});
    const refusal = { code, detail: { field: 'order_id', value: orderId } };

    await expect(api.showOrder({ orderId })).rejects.toMatchObject(refusal);
    await expect(api.payOrder({ orderId, idempotencyKey: 'k' })).rejects.toMatchObject(refusal);
    await expect(api.handOver(shown(orderId))).rejects.toMatchObject(refusal);
    await expect(api.cancelOrder({ orderId, idempotencyKey: 'k', reason: '' })).rejects.toMatchObject(refusal);
  });
});

describe('cancelling at the desk', () => {
  const order = anOrder({ state: OrderState.COLLECTABLE });
  const { orderId } = order;

  test('passes the wish on as that of staff, and answers with the sheet', async () => {
    const asked: CancelOrderRequest[] = [];
    const { api, spans } = await start({
      orders: {
        getOrder: async () => order,
        async cancelOrder(request) {
          asked.push(request);
          return { ...order, state: OrderState.CANCELLING };
        },
      },
      payments: { getInvoice: async () => anInvoice(orderId) },
    });
    const sheet = await api.cancelOrder({ orderId, idempotencyKey: 'k', reason: 'water damage' });

    const requestedBy = CancelledBy.STAFF;
    expect(asked).toMatchObject([{ orderId, idempotencyKey: 'k', reason: 'water damage', requestedBy }]);
    expect(sheet).toMatchObject({ order: { state: OrderState.CANCELLING }, invoice: { orderId } });
    const atDesk = spans().find(({ name }) => name === 'staff.v1.Staff/CancelOrder')!;
    expect(atDesk.links).toMatchObject([{ context: { traceId: order.traceparent.slice(3, 35) } }]);
  });

  test('is refused as Orders refuses it', async () => {
    const { api } = await start({
      orders: {
        getOrder: async () => order,
        async cancelOrder() {
          throw refused('order_id', orderId, 'ORDER_COMPLETED', 'it was handed over', 'bring them to the desk');
        },
      },
    });

    await expect(api.cancelOrder({ orderId, idempotencyKey: 'k', reason: '' })).rejects.toMatchObject({
      code: 'FAILED_PRECONDITION',
      detail: { reason: 'ORDER_COMPLETED', remedy: 'bring them to the desk' },
    });
  });
});

describe('paying at the desk', () => {
  test('takes what is due', async () => {
    const order = anOrder();
    const { orderId } = order;
    const paid: PayRequest[] = [];
    const { api } = await start({
      orders: { getOrder: async () => order },
      payments: {
        getInvoice: async () => anInvoice(orderId, { due: { minor: 150, currency: 'EUR' } }),
        async pay(request) {
          paid.push(request);
          return anInvoice(orderId, { state: InvoiceState.PAID });
        },
      },
    });
    const sheet = await api.payOrder({ orderId, idempotencyKey: 'k' });

    expect(paid).toMatchObject([{ orderId, idempotencyKey: 'k', amount: { minor: 150, currency: 'EUR' } }]);
    expect(sheet.invoice?.state).toBe(InvoiceState.PAID);
  });

  test('twice is what Payments says about it', async () => {
    const order = anOrder();
    const { api } = await start({
      orders: { getOrder: async () => order },
      payments: {
        getInvoice: async () => anInvoice(order.orderId, { state: InvoiceState.PAID }),
        async pay({ orderId }) {
          throw refused('order_id', orderId, 'ALREADY_PAID', `order ${orderId} is paid already`, 'do not pay again');
        },
      },
    });

    await expect(api.payOrder({ orderId: order.orderId, idempotencyKey: 'k' })).rejects.toMatchObject({
      code: 'FAILED_PRECONDITION',
      detail: { reason: 'ALREADY_PAID' },
    });
  });
});

describe('handing over', () => {
  const order = anOrder({ state: OrderState.COLLECTABLE });
  const { orderId } = order;

  test('completes the order, also while Payments and Depot are down', async () => {
    const { api, services } = await start({
      orders: { getOrder: async () => order, handOver: async () => ({ ...order, state: OrderState.COMPLETED }) },
    });
    await services.stop('payments');
    await services.stop('depot');

    expect(await api.handOver(shown(orderId))).toMatchObject({ order: { orderId, state: OrderState.COMPLETED } });
  });

  test('is refused as Orders refuses it', async () => {
    const { api } = await start({
      orders: {
        getOrder: async () => order,
        async handOver() {
          throw refused('order_id', orderId, 'NOT_PAID', `order ${orderId} is not paid`, 'take the payment first');
        },
      },
    });

    await expect(api.handOver(shown(orderId))).rejects.toMatchObject({
      code: 'FAILED_PRECONDITION',
      detail: { reason: 'NOT_PAID', remedy: 'take the payment first' },
    });
  });

  test('waits for a payment that Payments has taken and Orders has not heard of yet', async () => {
    let asked = 0;
    const { api } = await start({
      orders: {
        getOrder: async () => order,
        async handOver() {
          asked += 1;
          if (asked < 3) throw refused('order_id', orderId, 'ORDER_NOT_PAID', `order ${orderId} is READY but not paid`);
          return { ...order, state: OrderState.COMPLETED };
        },
      },
      payments: { getInvoice: async () => ({ ...anInvoice(orderId), state: InvoiceState.PAID }) },
    });

    expect(await api.handOver(shown(orderId))).toMatchObject({ order: { state: OrderState.COMPLETED } });
  });

  test('is refused at once while nothing was paid', async () => {
    let asked = 0;
    const { api } = await start({
      orders: {
        getOrder: async () => order,
        async handOver() {
          asked += 1;
          throw refused('order_id', orderId, 'ORDER_NOT_PAID', `order ${orderId} is READY but not paid`);
        },
      },
      payments: { getInvoice: async () => ({ ...anInvoice(orderId), state: InvoiceState.OPEN }) },
    });

    await expect(api.handOver(shown(orderId))).rejects.toMatchObject({ detail: { reason: 'ORDER_NOT_PAID' } });
    expect(asked).toBe(1);
  });

  test("is a trace of its own with a link to the order's", async () => {
    const { api, spans } = await start({ orders: { getOrder: async () => order, handOver: async () => order } });
    await api.handOver(shown(orderId));
    const named = (name: string): ReadableSpan => spans().find((span) => span.name === name)!;
    const atDesk = named('staff.v1.Staff/HandOver');

    expect(atDesk.links).toMatchObject([{ context: { traceId: order.traceparent.slice(3, 35) } }]);
    expect(atDesk.spanContext().traceId).not.toBe(order.traceparent.slice(3, 35));
    expect(atDesk.attributes).toMatchObject({ 'mallbots.order_id': orderId });
    expect(named('orders.v1.Orders/HandOver').parentSpanContext?.spanId).toBe(atDesk.spanContext().spanId);
  });

  test("leaves a link in the order's trace that leads to its own, which a look does not", async () => {
    const { api, spans } = await start({ orders: { getOrder: async () => order, handOver: async () => order } });
    await api.showOrder({ orderId });
    await api.handOver(shown(orderId));
    const inOrdersTrace = spans().filter((span) => span.spanContext().traceId === order.traceparent.slice(3, 35));
    const atDesk = spans().find((span) => span.name === 'staff.v1.Staff/HandOver')!;

    expect(inOrdersTrace).toMatchObject([
      {
        name: 'link staff.v1.Staff/HandOver',
        attributes: { 'mallbots.order_id': orderId, 'mallbots.correlation_id': orderId },
      },
    ]);
    expect(inOrdersTrace[0]!.links.map(({ context }) => context.spanId)).toEqual([atDesk.spanContext().spanId]);
  });

  test("keeps the service's own word that it is overloaded", async () => {
    const { api } = await start({
      orders: {
        async getOrder() {
          throw unavailable('the database cannot be reached', 'DATABASE_UNAVAILABLE');
        },
      },
    });

    await expect(api.handOver(shown(orderId))).rejects.toMatchObject({ detail: { reason: 'DATABASE_UNAVAILABLE' } });
  });
});
