import { sql } from 'drizzle-orm';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { newId } from '../../../src/contract/ids.ts';
import { maxWrongCodes } from '../../../src/contract/pickup-code.ts';
import { CancelledBy, type Order, OrderState } from '../../../src/gen/orders/v1/orders.ts';
import { findOrderIdByCode, insertOrder } from '../../../src/services/orders/store.ts';
import { order as example } from './examples.ts';
import { byCode, completed, type OrdersMall, paid, type Shop, startMall } from './mall.ts';

let mall: OrdersMall;
let shop: Shop;
beforeAll(async () => {
  mall = await startMall('trace');
  shop = await mall.openShop({ stock: 1_000 });
});
afterAll(() => mall[Symbol.asyncDispose]());

const place = () => mall.place([{ productId: shop.productId, quantity: 2 }]);
async function collectable(): Promise<Order> {
  const order = await place();
  await mall.service.tell(paid(order));
  await mall.service.tell(completed(order, [2]));
  return order;
}
/** Codes that find the order and are not its own, each another. */
function* wrongCodes({ pickupCode }: Order): Generator<string> {
  for (const first of 'BCDFGHJK')
    for (const last of 'MNPQRST') {
      const code = `${pickupCode.slice(0, 5)}${first}2${last}`;
      if (code !== pickupCode) yield code;
    }
}
const withCode = ({ orderId }: Order) => mall.api.getOrder({ orderId, withPickupCode: true });
const refusal = (reason: string, more: object = {}) => ({ code: 'FAILED_PRECONDITION', detail: { reason, ...more } });
const events = (order: Order, name: string) => mall.service.said(order.orderId).filter((said) => said.name === name);

async function tryWrong(order: Order, count: number, wrong = wrongCodes(order)): Promise<void> {
  for (let tried = 0; tried < count; tried += 1) {
    const { orderId } = order;
    const pickupCode = wrong.next().value as string;
    await expect(mall.api.handOver({ orderId, pickupCode, identityReason: '' })).rejects.toMatchObject({
      code: 'FAILED_PRECONDITION',
    });
  }
}

describe('a pickup code', () => {
  it('comes with the order that is placed, and again with the same key, and to who asks for it', async () => {
    const order = await place();
    expect(order.pickupCode).toMatch(/^[G-Z][2-9B-Z]{3}-[2-9B-Z]{3}$/);
    expect((await withCode(order)).pickupCode).toBe(order.pickupCode);
    expect((await mall.state(order)).pickupCode).toBe('');
    expect((await mall.api.listOrders({ states: [], limit: 1 })).orders[0]!.pickupCode).toBe('');
  });

  it('finds its order, and completes it', async () => {
    const order = await collectable();
    const typed = order.pickupCode.replace('-', '').toLowerCase();
    expect(await mall.api.findPickup({ pickupCode: typed, orderId: '' })).toMatchObject({ orderId: order.orderId });
    expect(await mall.api.handOver(byCode(order))).toMatchObject({ state: OrderState.COMPLETED, pickupCode: '' });
    // Repeating it is fine; that nothing waits any more is to be seen.
    expect(await mall.api.handOver(byCode(order))).toMatchObject({ state: OrderState.COMPLETED });
    expect(await mall.api.findPickup({ pickupCode: typed, orderId: '' })).toMatchObject({
      state: OrderState.COMPLETED,
    });
    expect((await withCode(order)).pickupCode).toBe('');
  });

  it('is not shown while its order is being cancelled', async () => {
    const order = await collectable();
    const { orderId } = order;
    await mall.api.cancelOrder({ orderId, idempotencyKey: newId(), requestedBy: CancelledBy.SHOPPER, reason: '' });
    expect(await withCode(order)).toMatchObject({ state: OrderState.CANCELLING, pickupCode: '' });
    await expect(mall.api.handOver(byCode(order))).rejects.toMatchObject(refusal('ORDER_CANCELLING'));
  });

  it('that finds no order is NOT_FOUND, and the message hides what proves it', async () => {
    const sought = mall.api.findPickup({ pickupCode: 'ZZZZ-Q9T', orderId: '' });
    await expect(sought).rejects.toMatchObject({
      code: 'NOT_FOUND',
      message: expect.stringContaining('no order with pickup_code "ZZZZ-***"'),
      detail: { field: 'pickup_code', value: 'ZZZZ-***' },
    });
  });

  it.each([
    ['nothing', '', 'MISSING'],
    ['what is none', 'hello', 'MALFORMED_CODE'],
  ])('is INVALID_ARGUMENT where it is %s', async (_, pickupCode, reason) => {
    const { orderId } = await place();
    const expected = { code: 'INVALID_ARGUMENT', detail: { reason, field: 'pickup_code' } };
    await expect(mall.api.handOver({ orderId, pickupCode, identityReason: '' })).rejects.toMatchObject(expected);
    await expect(mall.api.findPickup({ orderId, pickupCode })).rejects.toMatchObject(expected);
  });
});

describe('a wrong code', () => {
  it('is refused with what is left, told, and made up for by the right one', async () => {
    const order = await collectable();
    const { orderId } = order;
    const [first, second] = [...wrongCodes(order)];
    await expect(mall.api.findPickup({ pickupCode: first!, orderId })).rejects.toMatchObject({
      ...refusal('PICKUP_CODE_WRONG', { value: `${order.pickupCode.slice(0, 4)}-***` }),
      message: expect.stringContaining('4 tries are left'),
    });
    // Found by the part that is right.
    await expect(mall.api.findPickup({ pickupCode: second!, orderId: '' })).rejects.toThrow('3 tries are left');
    await mall.service.untilSaid('orders.pickup_refused', orderId);
    await mall.api.findPickup({ pickupCode: order.pickupCode, orderId });
    await tryWrong(order, maxWrongCodes - 1);
    expect(await mall.api.handOver(byCode(order))).toMatchObject({ state: OrderState.COMPLETED });
  });

  it('typed twice counts once', async () => {
    const order = await collectable();
    const [pickupCode] = wrongCodes(order);
    for (let times = 0; times < maxWrongCodes + 1; times += 1) {
      await expect(mall.api.findPickup({ pickupCode: pickupCode!, orderId: order.orderId })).rejects.toThrow(
        '4 tries are left',
      );
    }
  });

  it('of five locks the order, for good and for the right code too, until staff know the shopper otherwise', async () => {
    const order = await collectable();
    const { orderId } = order;
    await tryWrong(order, maxWrongCodes);
    await vi.waitFor(() =>
      expect(events(order, 'orders.pickup_refused').map(({ body }) => body)).toMatchObject(
        [1, 2, 3, 4, 5].map((wrong) => ({ orderId, wrongCodes: wrong, locked: wrong === maxWrongCodes })),
      ),
    );
    expect(await withCode(order)).toMatchObject({ pickupLocked: true, pickupCode: '' });
    await expect(mall.api.handOver(byCode(order))).rejects.toMatchObject(refusal('PICKUP_LOCKED'));
    await expect(mall.api.findPickup({ pickupCode: order.pickupCode, orderId: '' })).rejects.toMatchObject({
      ...refusal('PICKUP_LOCKED', { remedy: expect.stringContaining('check who the shopper is') }),
    });
    expect(await mall.state(order)).toMatchObject({ state: OrderState.COLLECTABLE });

    const known = { orderId, pickupCode: '', identityReason: 'passport of Ada Byron' };
    expect(await mall.api.handOver(known)).toMatchObject({ state: OrderState.COMPLETED, pickupLocked: false });
    const { body } = await mall.service.untilSaid('orders.identity_checked', orderId);
    expect(body).toMatchObject({ orderId, reason: 'passport of Ada Byron', wasLocked: true });
    await mall.service.untilSaid('orders.completed', orderId);
  });

  it('of many at once locks the order after five, and not one gets through', async () => {
    const order = await collectable();
    const { orderId } = order;
    const codes = [...wrongCodes(order)].slice(0, 20);
    const tries = await Promise.allSettled(
      codes.map((pickupCode) => mall.api.handOver({ orderId, pickupCode, identityReason: '' })),
    );
    expect(tries.map(({ status }) => status)).toEqual(codes.map(() => 'rejected'));
    expect(await mall.state(order)).toMatchObject({ state: OrderState.COLLECTABLE, pickupLocked: true });
    const refused = await mall.service.database.query((orm) =>
      orm.execute(sql`select id from orders.outbox where name = 'orders.pickup_refused' and key = ${orderId}`),
    );
    expect([...refused]).toHaveLength(maxWrongCodes);
  });
});

describe('handing over without a code', () => {
  it('says why, and is not for what is not collectable', async () => {
    const order = await place();
    const { orderId } = order;
    const seen = (identityReason: string) => mall.api.handOver({ orderId, pickupCode: '', identityReason });
    await expect(seen('passport')).rejects.toMatchObject(refusal('ORDER_NOT_READY'));
    await expect(seen(' ')).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      detail: { reason: 'MISSING', field: 'identity_reason' },
    });
    await expect(seen('r'.repeat(201))).rejects.toMatchObject({ detail: { reason: 'TOO_LONG' } });
    await mall.service.tell(paid(order));
    await mall.service.tell(completed(order, [2]));
    expect(await seen('passport')).toMatchObject({ state: OrderState.COMPLETED });
    const { body } = await mall.service.untilSaid('orders.identity_checked', orderId);
    expect(body).toMatchObject({ wasLocked: false });
  });

  it('is how an order is collected that was placed before there were codes', async () => {
    const order = await collectable();
    await mall.service.database.query((orm) =>
      orm.execute(sql`update orders.orders set pickup_code = '' where id = ${order.orderId}`),
    );
    await expect(mall.api.handOver(byCode(order))).rejects.toMatchObject(refusal('NO_PICKUP_CODE'));
    expect((await withCode(order)).pickupCode).toBe('');
    const known = { orderId: order.orderId, pickupCode: '', identityReason: 'passport' };
    expect(await mall.api.handOver(known)).toMatchObject({ state: OrderState.COMPLETED });
  });
});

it('what finds an order finds one that waits, and is free again when that is closed', async () => {
  const ids = { idempotencyKey: newId(), id: newId() };
  const drawn = { ...example({ lines: [] }), pickupCode: 'ZZZZ234' };
  await mall.service.database.query(async (orm) => {
    expect(await insertOrder(orm, { ...drawn, ...ids })).toBe(true);
    const other = { ...drawn, pickupCode: 'ZZZZ567', id: newId(), idempotencyKey: newId() };
    expect(await insertOrder(orm, other)).toBe(false);
    expect(await findOrderIdByCode(orm, 'ZZZZ567')).toBe(ids.id);
    await orm.execute(sql`update orders.orders set closed_at = now() where id = ${ids.id}`);
    expect(await insertOrder(orm, other)).toBe(true);
    expect(await findOrderIdByCode(orm, 'ZZZZ234')).toBe(other.id);
  });
});

it('no code is in an event, a span or a log', async () => {
  const order = await collectable();
  await tryWrong(order, 1);
  await mall.api.handOver(byCode(order));
  await mall.service.untilSaid('orders.completed', order.orderId);
  const [proof, plain] = [order.pickupCode, order.pickupCode.replace('-', '')];
  const outbox = await mall.service.database.query((orm) =>
    orm.execute(sql`select convert_from(body, 'latin1') as body from orders.outbox`),
  );
  const spans = mall.service.telemetry.spans().map(({ name, attributes, events: told, status }) => {
    return { name, attributes, told, status };
  });
  const written = JSON.stringify([[...outbox], spans, mall.service.telemetry.logs(), mall.service.said(order.orderId)]);
  expect(spans.map(({ name }) => name)).toContain('orders.v1.Orders/HandOver');
  expect(written).not.toContain(proof);
  expect(written).not.toContain(plain);
});
