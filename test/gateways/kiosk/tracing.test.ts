import { SpanKind } from '@opentelemetry/api';
import type { ReadableSpan } from '@opentelemetry/sdk-trace';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { unavailable } from '../../../src/contract/errors.ts';
import { newId } from '../../../src/contract/ids.ts';
import { anInvoice, anOrder } from '../doubles.ts';
import { anEvent, startTestKiosk, type TestKiosk } from './harness.ts';

const order = anOrder();
const amount = { amount: { minor: 300, currency: 'EUR' } };
const callersTrace = '11111111111111111111111111111111';
const absent = newId();
const found = async ({ orderId }: { orderId: string }) => {
  if (orderId === absent) throw unavailable('Orders looks for its tables', 'ORDERS_UNAVAILABLE');
  return order;
};
let kiosk: TestKiosk;

beforeAll(async () => {
  kiosk = await startTestKiosk({
    orders: { placeOrder: async () => order, getOrder: found },
    payments: { pay: async ({ orderId }) => anInvoice(orderId) },
  });
});
afterAll(() => kiosk[Symbol.asyncDispose]());

/** The server span of the one request that `mark` tells. It ends with the connection's last byte, which the caller may see first. */
const serverSpan = (name: string, mark: (span: ReadableSpan) => boolean = () => true): Promise<ReadableSpan> =>
  vi.waitFor(
    () => {
      const found = kiosk.spans().filter((span) => span.kind === SpanKind.SERVER && span.name === name && mark(span));
      expect(found.map((span) => span.name)).toEqual([name]);
      return found[0]!;
    },
    { interval: 5 },
  );

describe('a request', () => {
  test("is a server span in the caller's trace, above the calls that it makes", async () => {
    await kiosk.post(
      '/v1/orders',
      { shopper: 'Ada', currency: 'EUR', lines: [{ productId: newId(), quantity: 1 }] },
      {
        'idempotency-key': 'k',
        traceparent: `00-${callersTrace}-2222222222222222-01`,
        baggage: 'a=b',
        tracestate: 'c=d',
      },
    );

    const span = await serverSpan('POST /v1/orders');
    expect(span.spanContext()).toMatchObject({ traceId: callersTrace, traceState: undefined });
    expect(span.parentSpanContext?.spanId).toBe('2222222222222222');
    expect(span.attributes).toMatchObject({
      'http.request.method': 'POST',
      'http.route': '/v1/orders',
      'url.path': '/v1/orders',
      'http.response.status_code': 201,
      'mallbots.order_id': order.orderId,
      'mallbots.correlation_id': order.orderId,
    });
    const call = kiosk.spans().find((other) => other.name === 'orders.v1.Orders/PlaceOrder');
    expect(call?.parentSpanContext?.spanId).toBe(span.spanContext().spanId);
  });

  test.each([
    ['garbage', 'not-a-traceparent'],
    ['zeros', '00-00000000000000000000000000000000-0000000000000000-01'],
  ])('with %s for a traceparent begins a trace of its own', async (_, traceparent) => {
    const { orderId } = anOrder();
    await kiosk.get(`/v1/orders/${orderId}`, { traceparent });
    const ofOrder = (span: ReadableSpan) => span.attributes['mallbots.order_id'] === orderId;

    expect((await serverSpan('GET /v1/orders/:orderId', ofOrder)).parentSpanContext).toBeUndefined();
  });

  test('that finds an order placed by an earlier one is linked to that one', async () => {
    await kiosk.post(
      '/v1/orders',
      { shopper: 'Ada', currency: 'EUR', lines: [{ productId: newId(), quantity: 1 }] },
      { 'idempotency-key': 'again', traceparent: `00-${'7'.repeat(32)}-2222222222222222-01` },
    );
    const again = (span: ReadableSpan) => span.spanContext().traceId === '7'.repeat(32);

    const { links } = await serverSpan('POST /v1/orders', again);
    expect(links.map((link) => link.context.traceId)).toEqual([order.traceparent.slice(3, 35)]);
  });

  test("about an order is linked to the order's trace, unless it is in it", async () => {
    const link = async (traceparent: string) => {
      await kiosk.get(`/v1/orders/${order.orderId}`, { traceparent });
      const own = (span: ReadableSpan) => span.parentSpanContext?.spanId === traceparent.slice(36, 52);
      return (await serverSpan('GET /v1/orders/:orderId', own)).links.map(({ context }) => context.traceId);
    };

    expect(await link(`00-${'8'.repeat(32)}-8888888888888888-01`)).toEqual([order.traceparent.slice(3, 35)]);
    expect(await link(`${order.traceparent.slice(0, 35)}-9999999999999999-01`)).toEqual([]);
  });

  test('about an order that cannot be found says that its trace is unknown', async () => {
    await kiosk.get(`/v1/orders/${absent}`);
    const ofOrder = (span: ReadableSpan) => span.attributes['mallbots.order_id'] === absent;

    const { attributes } = await serverSpan('GET /v1/orders/:orderId', ofOrder);
    expect(attributes['mallbots.order_trace_unknown']).toBe(true);
  });

  test('that is refused before its handler runs is a span too', async () => {
    await kiosk.post('/v1/orders', '{');
    const refused = (span: ReadableSpan) => span.attributes['http.response.status_code'] === 400;

    const { attributes } = await serverSpan('POST /v1/orders', refused);
    expect(attributes).toMatchObject({ 'mallbots.reason': 'FST_ERR_CTP_INVALID_JSON_BODY' });
    expect(attributes).not.toHaveProperty(['error.type']);
  });
});

describe('paying', () => {
  const pay = async (orderId: string, headers: Record<string, string> = {}) => {
    await kiosk.post(`/v1/orders/${orderId}/payments`, amount, { 'idempotency-key': 'p', ...headers });
    const ofOrder = (span: ReadableSpan) => span.attributes['mallbots.order_id'] === orderId;
    return serverSpan('POST /v1/orders/:orderId/payments', ofOrder);
  };

  test("continues the order's trace as its events tell it", async () => {
    const orderId = newId();
    const traceparent = '00-33333333333333333333333333333333-4444444444444444-01';
    const body = { orderId, shopper: 'Ada', lines: [], total: amount.amount };
    await kiosk.hear(anEvent('orders.placed', body, { traceparent }));

    expect((await pay(orderId)).spanContext().traceId).toBe('33333333333333333333333333333333');
  });

  test("continues the order's trace as Orders tells it while its first event is on the way", async () => {
    expect((await pay(newId())).spanContext().traceId).toBe(order.traceparent.slice(3, 35));
  });

  test("stays in the caller's trace where there is one, and that and the order's lead to each other", async () => {
    const span = await pay(newId(), { traceparent: `00-${callersTrace}-2222222222222222-01` });

    expect(span.spanContext().traceId).toBe(callersTrace);
    const ordersTrace = order.traceparent.slice(3, 35);
    expect(span.links.map(({ context }) => context.traceId)).toEqual([ordersTrace]);
    const leading = kiosk
      .spans()
      .filter(({ links }) => links.some(({ context }) => context.spanId === span.spanContext().spanId));
    expect(leading).toMatchObject([{ name: 'link POST /v1/orders/:orderId/payments' }]);
    expect(leading[0]!.spanContext().traceId).toBe(ordersTrace);
  });
});
