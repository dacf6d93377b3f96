import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { MallError, refused } from '../../../src/contract/errors.ts';
import { newId } from '../../../src/contract/ids.ts';
import {
  CancelledBy,
  CancelledGoods,
  type CancelOrderRequest,
  OrderState,
  type PlaceOrderRequest,
} from '../../../src/gen/orders/v1/orders.ts';
import { InvoiceState, type PayRequest } from '../../../src/gen/payments/v1/payments.ts';
import { anInvoice, anOrder } from '../doubles.ts';
import { startTestKiosk, type TestKiosk } from './harness.ts';

const productId = newId();
const anyOrder = { shopper: 'Ada', currency: 'EUR', lines: [{ productId, quantity: 2 }] };
const order = anOrder();
const invoice = anInvoice(order.orderId);
const placed: PlaceOrderRequest[] = [];
const paid: PayRequest[] = [];
const cancelled: CancelOrderRequest[] = [];
/** Of the order after the next cancellation. */
let state: OrderState;
/** What Orders and Payments say to the next command. */
let refusal: Error | undefined;
let kiosk: TestKiosk;

beforeAll(async () => {
  kiosk = await startTestKiosk({
    orders: {
      async placeOrder(request) {
        if (refusal) throw refusal;
        placed.push(request);
        return order;
      },
      getOrder: async () => order,
      async cancelOrder(request) {
        if (refusal) throw refusal;
        cancelled.push(request);
        const requestedAt = new Date('2026-01-05T10:05:00Z');
        const goods = CancelledGoods.RECALLED;
        const { requestedBy } = request;
        return {
          ...order,
          state,
          cancellation: { requestedBy, requestedAt, refunded: false, goods, returnTaskIds: [] },
        };
      },
    },
    payments: {
      getInvoice: async () => invoice,
      async pay(request) {
        if (refusal) throw refusal;
        paid.push(request);
        return anInvoice(order.orderId, { state: InvoiceState.PAID });
      },
    },
  });
});
afterAll(() => kiosk[Symbol.asyncDispose]());
beforeEach(() => {
  placed.length = 0;
  paid.length = 0;
  cancelled.length = 0;
  refusal = undefined;
});

describe('placing an order', () => {
  test('answers 201 with the order and where it is', async () => {
    const answer = await kiosk.post('/v1/orders', anyOrder, { 'idempotency-key': 'k1' });

    expect(answer.status).toBe(201);
    expect(answer.headers.get('location')).toBe(`/v1/orders/${order.orderId}`);
    expect(answer.body).toMatchObject({
      orderId: order.orderId,
      state: 'placed',
      bay: null,
      lines: [{ quantity: 2, picked: 0, short: 0, unitPrice: { minor: 150, currency: 'EUR' } }],
      total: { minor: 300, currency: 'EUR' },
      placedAt: '2026-01-05T10:00:00.000Z',
      traceparent: order.traceparent,
      invoice: null,
    });
    expect(placed).toMatchObject([{ idempotencyKey: 'k1', ...anyOrder }]);
  });

  const line = (change: object) => ({ ...anyOrder, lines: [{ productId, quantity: 2, ...change }] });
  test.each([
    ['quantity 0', line({ quantity: 0 }), 'lines[0].quantity', '0'],
    ['a quantity beyond any bot', line({ quantity: 1001 }), 'lines[0].quantity', '1001'],
    ['half an apple', line({ quantity: 0.5 }), 'lines[0].quantity', '0.5'],
    ['a quantity in words', line({ quantity: 'two' }), 'lines[0].quantity', 'two'],
    ['a malformed product id', line({ productId: 'apple' }), 'lines[0].productId', 'apple'],
    ['no lines', { ...anyOrder, lines: [] }, 'lines', '[]'],
    ['lines that are none', { ...anyOrder, lines: 'apple' }, 'lines', 'apple'],
    ['a malformed currency', { ...anyOrder, currency: 'euro' }, 'currency', 'euro'],
    ['no shopper', { ...anyOrder, shopper: undefined }, 'shopper', ''],
    ['half a character', { ...anyOrder, shopper: 'A\ud800' }, 'shopper', 'A\ud800'],
    ['a field that there is not', { ...anyOrder, coupon: 'X' }, 'coupon', 'X'],
    ['a body that is no object', [1], 'body', '[1]'],
    ['too many lines', { ...anyOrder, lines: Array(101).fill(anyOrder.lines[0]) }, 'lines', undefined],
  ])('refuses %s, names the field and does nothing', async (_, body, field, value) => {
    const answer = await kiosk.post('/v1/orders', body);

    expect(answer.status).toBe(400);
    expect(answer.headers.get('content-type')).toMatch('application/problem+json');
    expect(answer.body).toMatchObject({ status: 400, field, ...(value !== undefined && { value }) });
    expect(answer.body.type).toMatch(/^urn:mallbots:problem:/);
    expect(answer.body.detail).toContain(field);
    expect(answer.body.remedy).not.toBe('');
    expect(placed).toEqual([]);
  });

  test('refuses a command without an idempotency key, and names the header', async () => {
    const answer = await kiosk.post('/v1/orders', anyOrder, {});

    expect(answer).toMatchObject({ status: 400, body: { field: 'Idempotency-Key', reason: 'MISSING' } });
    expect(answer.body.detail).toContain('Idempotency-Key is missing');
    expect(placed).toEqual([]);
  });

  test('refuses malformed JSON', async () => {
    const answer = await kiosk.post('/v1/orders', '{"shopper": ');

    expect(answer).toMatchObject({ status: 400, body: { reason: 'INVALID_JSON_BODY', remedy: 'send valid JSON' } });
    expect(placed).toEqual([]);
  });

  test('refuses a body that is larger than any order', async () => {
    const answer = await kiosk.post('/v1/orders', { ...anyOrder, shopper: 'x'.repeat(70_000) });

    expect(answer).toMatchObject({
      status: 413,
      body: { reason: 'BODY_TOO_LARGE', field: 'body', remedy: 'send at most 65536 bytes' },
    });
  });

  test('refuses what is not JSON', async () => {
    const answer = await kiosk.post('/v1/orders', 'a=1', { 'content-type': 'text/csv', 'idempotency-key': 'k' });

    expect(answer).toMatchObject({
      status: 415,
      body: { reason: 'INVALID_MEDIA_TYPE', field: 'Content-Type', value: 'text/csv', remedy: 'send application/json' },
    });
  });

  test('refuses a path that is no text', async () => {
    expect(await kiosk.get('/v1/orders/%zz')).toMatchObject({
      status: 400,
      body: { reason: 'BAD_URL', field: 'path', value: '/v1/orders/%zz', remedy: 'percent-encode it as UTF-8' },
    });
  });

  test.each([
    [
      'headers that are too large',
      `GET /v1/stores HTTP/1.1\r\nx: ${'x'.repeat(20_000)}\r\n\r\n`,
      431,
      'HEADERS_TOO_LARGE',
    ],
    ['what is not HTTP', '\x16\x03\x01 hello', 400, 'MALFORMED_REQUEST'],
  ])('answers %s in the form of every other refusal', async (_what, bytes, status, reason) => {
    const { hostname, port } = new URL(kiosk.url);
    const socket = connect(Number(port), hostname);
    socket.write(bytes);
    const [head, body] = (await text(socket)).split('\r\n\r\n');

    expect(head).toMatch(`HTTP/1.1 ${status} `);
    expect(head).toContain('application/problem+json');
    expect(JSON.parse(body!)).toMatchObject({ status, reason });
  });

  test.each([
    ['INVALID_ARGUMENT', 400],
    ['NOT_FOUND', 404],
    ['ALREADY_EXISTS', 409],
    ['FAILED_PRECONDITION', 409],
    ['ABORTED', 409],
    ['RESOURCE_EXHAUSTED', 429],
    ['UNAVAILABLE', 503],
    ['DEADLINE_EXCEEDED', 503],
  ] as const)('passes on that Orders says %s, as %i', async (code, status) => {
    refusal = new MallError(code, 'lines[0].product_id is not right', { reason: 'A_REASON' });
    const answer = await kiosk.post('/v1/orders', anyOrder);

    expect(answer.status).toBe(status);
    expect(answer.body).toMatchObject({ status, reason: 'A_REASON', type: 'urn:mallbots:problem:a-reason' });
    expect(answer.headers.has('retry-after')).toBe(status === 429 || status === 503);
  });

  test("says the service's fields in its own words", async () => {
    const message = 'lines[0].quantity is 9, but 1 of "Apple" (lines[0].product_id p) are available';
    refusal = refused('lines[0].product_id', 'p', 'SOLD_OUT', message, 'choose another product_id');
    const { body } = await kiosk.post('/v1/orders', anyOrder);

    expect(body).toMatchObject({ field: 'lines[0].productId', remedy: 'choose another productId' });
    expect(body.detail).not.toContain('product_id');
  });

  test('says nothing about what broke inside', async () => {
    refusal = new Error('password is hunter2');
    const answer = await kiosk.post('/v1/orders', anyOrder);

    expect(answer).toMatchObject({ status: 500, body: { title: 'Internal error', reason: 'INTERNAL' } });
    expect(JSON.stringify(answer.body)).not.toMatch(/hunter2|\.ts/);
  });
});

describe('paying', () => {
  const path = `/v1/orders/${order.orderId}/payments`;

  test('answers with the invoice', async () => {
    const answer = await kiosk.post(path, { amount: { minor: 300, currency: 'EUR' } }, { 'idempotency-key': 'p1' });

    expect(answer).toMatchObject({ status: 200, body: { orderId: order.orderId, state: 'paid' } });
    expect(paid).toMatchObject([
      { orderId: order.orderId, idempotencyKey: 'p1', amount: { minor: 300, currency: 'EUR' } },
    ]);
  });

  test.each([
    ['a negative amount', path, { amount: { minor: -1, currency: 'EUR' } }, 'amount.minor'],
    ['an amount in no currency', path, { amount: { minor: 300 } }, 'amount.currency'],
    ['no amount', path, {}, 'amount'],
    ['a malformed order id', '/v1/orders/42/payments', { amount: { minor: 300, currency: 'EUR' } }, 'orderId'],
  ])('refuses %s, names the field and does nothing', async (_, to, body, field) => {
    const answer = await kiosk.post(to, body);

    expect(answer).toMatchObject({ status: 400, body: { field } });
    expect(paid).toEqual([]);
  });

  test('refuses a payment without an idempotency key', async () => {
    const answer = await kiosk.post(path, { amount: { minor: 300, currency: 'EUR' } }, {});

    expect(answer).toMatchObject({ status: 400, body: { field: 'Idempotency-Key' } });
  });
});

describe('cancelling', () => {
  const path = `/v1/orders/${order.orderId}/cancellation`;

  test.each([
    ['with a reason', { reason: 'changed my mind' }, 'changed my mind'],
    ['without', {}, ''],
  ])('answers 202 while money and goods are on their way (%s)', async (_, body, reason) => {
    state = OrderState.CANCELLING;
    const answer = await kiosk.post(path, body, { 'idempotency-key': 'c1' });

    expect(answer).toMatchObject({
      status: 202,
      body: {
        ...{ orderId: order.orderId, state: 'cancelling', invoice: { state: 'open' } },
        cancellation: {
          requestedBy: 'shopper',
          requestedAt: '2026-01-05T10:05:00.000Z',
          refunded: false,
          goods: 'recalled',
        },
      },
    });
    const requestedBy = CancelledBy.SHOPPER;
    expect(cancelled).toMatchObject([{ orderId: order.orderId, idempotencyKey: 'c1', requestedBy, reason }]);
  });

  test('needs no body at all', async () => {
    state = OrderState.CANCELLING;
    const answer = await fetch(kiosk.url + path, { method: 'POST', headers: { 'idempotency-key': 'c2' } });

    expect(answer.status).toBe(202);
    expect(cancelled).toMatchObject([{ reason: '' }]);
  });

  test('answers 200 with what is cancelled already', async () => {
    state = OrderState.CANCELLED;

    expect(await kiosk.post(path, {})).toMatchObject({ status: 200, body: { state: 'cancelled' } });
  });

  test('is a problem when it is too late', async () => {
    refusal = refused(
      'order_id',
      order.orderId,
      'ORDER_COMPLETED',
      'its goods were handed over',
      'bring them to the desk',
    );
    const answer = await kiosk.post(path, {});

    expect(answer.headers.get('content-type')).toMatch('application/problem+json');
    expect(answer).toMatchObject({
      status: 409,
      body: { type: 'urn:mallbots:problem:order-completed', field: 'orderId', remedy: 'bring them to the desk' },
    });
  });

  test.each([
    ['a reason that is none', path, { reason: '' }, 'reason'],
    ['a novel', path, { reason: 'x'.repeat(201) }, 'reason'],
    ['a field that there is not', path, { why: 'x' }, 'why'],
    ['a malformed order id', '/v1/orders/42/cancellation', {}, 'orderId'],
  ])('refuses %s, names the field and does nothing', async (_, to, body, field) => {
    expect(await kiosk.post(to, body)).toMatchObject({ status: 400, body: { field } });
    expect(cancelled).toEqual([]);
  });

  test('refuses a cancellation without an idempotency key', async () => {
    expect(await kiosk.post(path, {}, {})).toMatchObject({ status: 400, body: { field: 'Idempotency-Key' } });
  });
});

describe('the status of an order', () => {
  test('has the lines and the money', async () => {
    const { status, body } = await kiosk.get(`/v1/orders/${order.orderId}`);

    expect(status).toBe(200);
    expect(body).toMatchObject({
      orderId: order.orderId,
      state: 'placed',
      invoice: { state: 'open', due: { minor: 300 } },
    });
  });

  test('needs an id that is one', async () => {
    expect(await kiosk.get('/v1/orders/42')).toMatchObject({ status: 400, body: { field: 'orderId', value: '42' } });
  });
});

test('an unknown route is a problem that says where to look', async () => {
  const answer = await kiosk.get('/v2/orders');

  expect(answer.headers.get('content-type')).toMatch('application/problem+json');
  expect(answer).toMatchObject({
    status: 404,
    body: { reason: 'NO_ROUTE', remedy: expect.stringContaining('/openapi.json') },
  });
});

test('GET /health is ok while the database answers', async () => {
  expect(await kiosk.get('/health')).toMatchObject({ status: 200, body: { status: 'ok' } });
});
