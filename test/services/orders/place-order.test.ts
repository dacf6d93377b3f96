import { context, SpanKind, trace } from '@opentelemetry/api';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { newId } from '../../../src/contract/ids.ts';
import { OrderState, type PlaceOrderRequest } from '../../../src/gen/orders/v1/orders.ts';
import { parseTraceparent } from '../../../src/telemetry/propagation.ts';
import { added, type OrdersMall, participation, priced, removed, type Shop, startMall } from './mall.ts';

let mall: OrdersMall;
let shop: Shop;
beforeAll(async () => {
  mall = await startMall();
  shop = await mall.openShop({ stock: 1_000_000, price: 250 });
});
afterAll(() => mall[Symbol.asyncDispose]());

const request = (more: Partial<PlaceOrderRequest> = {}): PlaceOrderRequest => ({
  idempotencyKey: newId(),
  shopper: 'Ada',
  currency: 'EUR',
  lines: [{ productId: shop.productId, quantity: 2 }],
  ...more,
});

describe('placing an order', () => {
  it('answers with the order, keeps it, and tells the others in the trace of the request', async () => {
    const { tracer } = mall.service.telemetry;
    const span = tracer.startSpan('a shopper at a kiosk');
    const order = await context.with(trace.setSpan(context.active(), span), () => mall.api.placeOrder(request()));
    span.end();

    expect(order).toMatchObject({ state: OrderState.PLACED, shopper: 'Ada', paid: false, bay: '', reason: '' });
    expect(order.total).toMatchObject({ minor: 500, currency: 'EUR' });
    expect(order.lines).toHaveLength(1);
    expect(order.lines[0]).toMatchObject({
      ...shop,
      sku: 'SOCK-1',
      quantity: 2,
      unitPrice: { minor: 250, currency: 'EUR' },
    });
    expect(parseTraceparent(order.traceparent)?.traceId).toBe(span.spanContext().traceId);
    expect(await mall.api.getOrder({ orderId: order.orderId, withPickupCode: true })).toEqual(order);

    const placed = await mall.service.untilSaid('orders.placed', order.orderId);
    expect(placed.body).toMatchObject({ orderId: order.orderId, shopper: 'Ada', total: { minor: 500 } });
    expect(placed.body.lines).toEqual([expect.objectContaining({ lineId: order.lines[0]!.lineId, quantity: 2 })]);
    expect(placed.correlationId).toBe(order.orderId);
    expect(parseTraceparent(placed.traceparent)?.traceId).toBe(span.spanContext().traceId);
  });

  it('keeps the price of the moment', async () => {
    const bargain = await mall.openShop({ price: 100 });
    const order = await mall.place([{ productId: bargain.productId, quantity: 1 }]);
    await mall.service.tell(priced(bargain, 900, 2));
    expect((await mall.state(order)).total?.minor).toBe(100);
    expect((await mall.place([{ productId: bargain.productId, quantity: 1 }])).total?.minor).toBe(900);
  });
});

describe('the same idempotency key', () => {
  it('answers with the first order, as it is now', async () => {
    const once = request();
    const first = await mall.api.placeOrder(once);
    expect(await mall.api.placeOrder(once)).toEqual(first);
    await mall.service.untilSaid('orders.placed', first.orderId);
    expect(mall.service.said(first.orderId)).toHaveLength(1);
  });

  it('leads to the trace of the order from that of a repeat, whose caller may be gone again', async () => {
    const once = request();
    const first = await mall.api.placeOrder(once);
    await mall.api.placeOrder(once);
    const calls = () =>
      mall.service.telemetry
        .spans()
        .filter(
          ({ name, kind, attributes }) =>
            kind === SpanKind.SERVER &&
            name === 'orders.v1.Orders/PlaceOrder' &&
            attributes['mallbots.order_id'] === first.orderId,
        )
        .map(({ links }) => links.map(({ context }) => context.traceId));
    await expect.poll(calls).toEqual([[], [first.traceparent.slice(3, 35)]]);
  });

  it('makes one order of twenty requests at once, and takes its stock once', async () => {
    const scarce = await mall.openShop({ stock: 3 });
    const once = request({ lines: [{ productId: scarce.productId, quantity: 3 }] });
    const answers = await Promise.all(Array.from({ length: 20 }, () => mall.api.placeOrder(once)));
    expect(new Set(answers.map(({ orderId }) => orderId)).size).toBe(1);
    await mall.service.untilSaid('orders.placed', answers[0]!.orderId);
    expect(mall.service.said(answers[0]!.orderId)).toHaveLength(1);
  });

  it('is refused for another order', async () => {
    const once = request();
    await mall.api.placeOrder(once);
    const other = mall.api.placeOrder({ ...once, lines: [{ productId: shop.productId, quantity: 3 }] });
    await expect(other).rejects.toMatchObject({
      code: 'FAILED_PRECONDITION',
      detail: { reason: 'IDEMPOTENCY_KEY_REUSED', field: 'idempotency_key', value: once.idempotencyKey },
    });
  });
});

describe('what cannot be ordered', () => {
  const line = (productId: string, quantity = 1) => ({ productId, quantity });
  const many = (count: number) => Array.from({ length: count }, () => line(newId()));

  it.each<[string, () => Partial<PlaceOrderRequest>, string, string]>([
    ['no key', () => ({ idempotencyKey: '' }), 'idempotency_key', 'MISSING'],
    ['a blank key', () => ({ idempotencyKey: '  ' }), 'idempotency_key', 'MISSING'],
    ['a long key', () => ({ idempotencyKey: 'k'.repeat(101) }), 'idempotency_key', 'TOO_LONG'],
    ['a key with a NUL', () => ({ idempotencyKey: 'k\0k' }), 'idempotency_key', 'CONTROL_CHARACTER'],
    ['no shopper', () => ({ shopper: '' }), 'shopper', 'MISSING'],
    ['a long name', () => ({ shopper: 'a'.repeat(101) }), 'shopper', 'TOO_LONG'],
    ['a line feed in the name', () => ({ shopper: 'Ada\nBob' }), 'shopper', 'CONTROL_CHARACTER'],
    ['no currency', () => ({ currency: '' }), 'currency', 'MALFORMED_CURRENCY'],
    ['a currency that is none', () => ({ currency: 'euro' }), 'currency', 'MALFORMED_CURRENCY'],
    ['another currency than the price', () => ({ currency: 'USD' }), 'currency', 'CURRENCY_MISMATCH'],
    ['no lines', () => ({ lines: [] }), 'lines', 'NO_LINES'],
    ['too many lines', () => ({ lines: many(101) }), 'lines', 'TOO_MANY_LINES'],
    ['a malformed id', () => ({ lines: [line('socks')] }), 'lines[0].product_id', 'MALFORMED_ID'],
    ['quantity 0', () => ({ lines: [line(shop.productId, 0)] }), 'lines[0].quantity', 'QUANTITY_OUT_OF_RANGE'],
    ['quantity 1001', () => ({ lines: [line(shop.productId, 1_001)] }), 'lines[0].quantity', 'QUANTITY_OUT_OF_RANGE'],
    [
      'a product twice, in whatever letters',
      () => ({ lines: [line(shop.productId), line(shop.productId.toUpperCase())] }),
      'lines[1].product_id',
      'DUPLICATE_PRODUCT',
    ],
  ])('%s is an INVALID_ARGUMENT that names the field', async (_, wrong, field, reason) => {
    const refusal = mall.api.placeOrder(request(wrong()));
    await expect(refusal).rejects.toMatchObject({ code: 'INVALID_ARGUMENT', detail: { reason, field } });
    await expect(refusal).rejects.toThrow(field);
  });

  it('an unknown product is NOT_FOUND', async () => {
    const unknown = newId();
    const refusal = mall.api.placeOrder(request({ lines: [line(shop.productId), line(unknown)] }));
    await expect(refusal).rejects.toMatchObject({
      code: 'NOT_FOUND',
      detail: { reason: 'PRODUCT_NOT_FOUND', field: 'lines[1].product_id', value: unknown },
    });
  });

  it('a removed product is NOT_FOUND', async () => {
    const gone = await mall.openShop();
    await mall.service.tell(removed(gone, 2));
    await expect(mall.place([line(gone.productId)])).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });

  it('a product of a store that has withdrawn is refused until it is back', async () => {
    const moody = await mall.openShop();
    await mall.service.tell(participation(moody, false, 2));
    await expect(mall.place([line(moody.productId)])).rejects.toMatchObject({
      code: 'FAILED_PRECONDITION',
      detail: { reason: 'STORE_NOT_PARTICIPATING', field: 'lines[0].product_id', value: moody.productId },
    });
    await mall.service.tell(participation(moody, true, 3));
    await expect(mall.place([line(moody.productId)])).resolves.toMatchObject({ state: OrderState.PLACED });
  });

  it('a refused order leaves nothing behind: neither its key, nor stock that it took before the line at fault', async () => {
    const scarce = await mall.openShop({ stock: 1 });
    const key = newId();
    await expect(mall.place([line(scarce.productId), line(newId())], key)).rejects.toMatchObject({ code: 'NOT_FOUND' });
    await expect(mall.place([line(scarce.productId)], key)).resolves.toMatchObject({ state: OrderState.PLACED });
  });
});

describe('the copy of the catalogue', () => {
  it('takes a product before its store, and orders it once the store is known', async () => {
    const early = { storeId: newId(), productId: newId() };
    await mall.service.tell(added(early));
    await expect(mall.place([{ productId: early.productId, quantity: 1 }])).rejects.toMatchObject({
      code: 'FAILED_PRECONDITION',
      detail: { reason: 'STORE_NOT_PARTICIPATING' },
    });
    await mall.service.tell(participation(early, true, 1));
    await expect(mall.place([{ productId: early.productId, quantity: 1 }])).resolves.toMatchObject({ paid: false });
  });

  it('ignores what is older than what it has', async () => {
    const known = await mall.openShop({ price: 100 });
    await mall.service.tell(priced(known, 300, 3));
    await mall.service.tell(priced(known, 200, 2));
    await mall.service.tell(added(known, { price: 100, version: 1 }));
    await mall.service.tell(participation(known, true, 3));
    await mall.service.tell(participation(known, false, 2));
    expect((await mall.place([{ productId: known.productId, quantity: 1 }])).total?.minor).toBe(300);
  });

  it('lives with news of a product that was never added', async () => {
    const unheard = { storeId: newId(), productId: newId() };
    await mall.service.tell(priced(unheard, 300, 2));
    await mall.service.tell(removed(unheard, 3));
    await mall.service.tell(participation(unheard, true, 1));
    await mall.service.tell(added(unheard, { price: 100, version: 4 }));
    expect((await mall.place([{ productId: unheard.productId, quantity: 1 }])).total?.minor).toBe(100);
  });
});
