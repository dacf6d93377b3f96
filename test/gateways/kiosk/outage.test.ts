import { afterEach, beforeEach, expect, test } from 'vitest';
import { newId } from '../../../src/contract/ids.ts';
import { anInvoice, anOrder } from '../doubles.ts';
import { anEvent, startTestKiosk, type TestKiosk } from './harness.ts';

const order = anOrder();
const anyOrder = { shopper: 'Ada', currency: 'EUR', lines: [{ productId: newId(), quantity: 2 }] };
let kiosk: TestKiosk;
beforeEach(async () => {
  kiosk = await startTestKiosk({
    orders: { placeOrder: async () => order, getOrder: async () => order },
    payments: { getInvoice: async ({ orderId }) => anInvoice(orderId) },
  });
});
afterEach(() => kiosk[Symbol.asyncDispose]());

test('while Orders is down an order is answered with 503, by name, and when to try again', async () => {
  await kiosk.services.stop('orders');
  const answer = await kiosk.post('/v1/orders', anyOrder);

  expect(answer).toMatchObject({ status: 503, body: { reason: 'ORDERS_UNAVAILABLE' } });
  expect(answer.body.detail).toMatch(/^Orders cannot be reached/);
  expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0);
});

test('while Payments is down an order is shown without its invoice, and a payment is answered with 503', async () => {
  await kiosk.services.stop('payments');

  expect(await kiosk.get(`/v1/orders/${order.orderId}`)).toMatchObject({
    status: 200,
    body: { orderId: order.orderId, invoice: null },
  });
  expect(
    await kiosk.post(`/v1/orders/${order.orderId}/payments`, { amount: { minor: 300, currency: 'EUR' } }),
  ).toMatchObject({ status: 503, body: { reason: 'PAYMENTS_UNAVAILABLE' } });
});

test('while every service is down shoppers can look around and follow their orders', async () => {
  const { orderId } = order;
  await kiosk.hear(anEvent('orders.placed', { orderId, shopper: 'Ada', lines: [], total: undefined }));
  await kiosk.hear(anEvent('orders.completed', { orderId }));
  await kiosk.services.stop('orders');
  await kiosk.services.stop('payments');

  expect((await kiosk.get('/v1/stores')).status).toBe(200);
  expect((await kiosk.get('/v1/products')).status).toBe(200);
  const events = await fetch(`${kiosk.url}/v1/orders/${orderId}/events`);
  expect(await events.text()).toMatch(/event: orders\.placed\n.*event: orders\.completed\n/s);
});
