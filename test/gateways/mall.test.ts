import { sql } from 'drizzle-orm';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { newId } from '../../src/contract/ids.ts';
import { draft } from '../../src/contract/message.ts';
import { openEvents } from './kiosk/event-source.ts';
import { type Mall, startMall } from './mall.ts';

const euros = (minor: number) => ({ minor, currency: 'EUR' });
const [grocer, closed, apple, rare, cup] = [newId(), newId(), newId(), newId(), newId()];
let mall: Mall;

beforeAll(async () => {
  mall = await startMall();
  const { stores } = mall;
  await stores.openStore({ storeId: grocer, name: 'Grocer', position: { x: 5, y: 5 } });
  await stores.openStore({ storeId: closed, name: 'Closed', position: { x: 9, y: 5 } });
  const add = (productId: string, storeId: string, name: string, stock: number) =>
    stores.addProduct({ productId, storeId, sku: name.toUpperCase(), name, price: euros(150), stock });
  await add(apple, grocer, 'Apple', 100);
  await add(rare, grocer, 'Rarity', 1);
  await add(cup, closed, 'Cup', 10);
  await vi.waitFor(async () => expect((await call('GET', '/v1/products')).body.products).toHaveLength(3));
  await stores.setParticipation({ storeId: closed, participating: false });
  await vi.waitFor(async () => expect((await call('GET', '/v1/products')).body.products).toHaveLength(2));
});
afterAll(() => mall[Symbol.asyncDispose]());

async function call(method: string, path: string, body?: unknown, key: string = newId()) {
  const response = await fetch(mall.url + path, {
    method,
    headers: { 'idempotency-key': key, ...(body !== undefined && { 'content-type': 'application/json' }) },
    body: body === undefined ? null : JSON.stringify(body),
  });
  // biome-ignore lint/suspicious/noExplicitAny: what a program in another language sees.
  return { status: response.status, body: (await response.json()) as any };
}

const order = (productId: string, quantity = 2, currency = 'EUR') => ({
  shopper: 'Ada',
  currency,
  lines: [{ productId, quantity }],
});
const place = async (): Promise<string> => (await call('POST', '/v1/orders', order(apple))).body.orderId;
/** Several services follow each other: on a busy machine that takes longer than vitest's second. */
const patience = { timeout: 20_000 };
const invoiceOf = async (orderId: string) =>
  vi.waitFor(async () => {
    const { body } = await call('GET', `/v1/orders/${orderId}`);
    expect(body.invoice).not.toBeNull();
    return body.invoice;
  }, patience);
const becomes = (orderId: string, state: string) =>
  vi.waitFor(async () => expect((await call('GET', `/v1/orders/${orderId}`)).body.state).toBe(state), patience);

/** The shopper of the order at the desk. */
const shown = async (orderId: string) => {
  const { pickupCode } = (await call('GET', `/v1/orders/${orderId}`)).body;
  expect(pickupCode).toMatch(/^[A-Z][A-Z2-9]{3}-[A-Z2-9]{3}$/);
  return { orderId, pickupCode, identityReason: '' };
};

/** What an order would leave behind. */
const footprint = () =>
  mall.database.query(async (orm) =>
    Promise.all(
      ['orders.orders', 'orders.lines', 'orders.outbox'].map(async (table) => [
        table,
        (await orm.execute(sql.raw(`select count(*)::int as rows from ${table}`)))[0]?.rows,
      ]),
    ),
  );

describe('a shopper at the kiosk and staff at the desk', () => {
  test('order, pay, collect and hand over, and the events tell it all', async () => {
    const orderId = await place();
    const events = await openEvents(`${mall.url}/v1/orders/${orderId}/events`);
    const { due } = await invoiceOf(orderId);
    expect(due).toEqual(euros(300));
    expect(await call('POST', `/v1/orders/${orderId}/payments`, { amount: due })).toMatchObject({
      status: 200,
      body: { state: 'paid', paid: euros(300), due: euros(0) },
    });
    await mall.shop(orderId);
    await becomes(orderId, 'collectable');

    expect((await mall.staff.listPickups({ pageSize: 0, pageToken: '' })).pickups).toMatchObject([
      { order: { orderId, shopper: 'Ada' } },
    ]);
    await mall.staff.handOver(await shown(orderId));
    const names = (await events.rest()).map(({ event }) => event);

    expect(names[0]).toBe('orders.placed');
    expect(names).toEqual(
      expect.arrayContaining([
        ...['payments.invoice_issued', 'payments.paid', 'depot.list_created', 'bots.item_picked'],
        ...['depot.list_completed', 'orders.ready', 'orders.collectable', 'orders.completed'],
      ]),
    );
    const { body } = await call('GET', `/v1/orders/${orderId}`);
    expect(body).toMatchObject({ state: 'completed', paid: true, lines: [{ quantity: 2, picked: 2, short: 0 }] });
  });

  test('pay at the desk, once, and hand over only what is paid and there', async () => {
    const orderId = await place();
    await invoiceOf(orderId);
    await expect(mall.staff.handOver(await shown(orderId))).rejects.toMatchObject({ code: 'FAILED_PRECONDITION' });
    await mall.shop(orderId);
    await becomes(orderId, 'ready');
    await expect(mall.staff.handOver(await shown(orderId))).rejects.toMatchObject({ code: 'FAILED_PRECONDITION' });

    const key = newId();
    expect((await mall.staff.payOrder({ orderId, idempotencyKey: key })).invoice?.due).toMatchObject({ minor: 0 });
    expect((await mall.staff.payOrder({ orderId, idempotencyKey: key })).invoice?.paid).toMatchObject({ minor: 300 });
    await expect(mall.staff.payOrder({ orderId, idempotencyKey: newId() })).rejects.toMatchObject({
      code: 'FAILED_PRECONDITION',
      detail: { reason: 'ALREADY_PAID' },
    });
    await becomes(orderId, 'collectable');
    await mall.staff.handOver(await shown(orderId));
    await becomes(orderId, 'completed');
  });
});

describe('what the kiosk could not take in', () => {
  test('is seen, dropped and tried again at the desk, and the shopper sees what waited behind it', async () => {
    const placed = await place();
    // Of its own, so that nothing else of the order waits behind it.
    const key = newId();
    const refused = (orderId: string) =>
      mall.publish(draft('orders.pickup_refused', key, { orderId, wrongCodes: 1, locked: false }));
    const events = await openEvents(`${mall.url}/v1/orders/${placed}/events`);
    await refused('');
    await refused(placed);

    const list = async () => (await mall.staff.listParked({ role: '', key, afterId: 0 })).parked;
    const [first] = await list();
    expect(first).toMatchObject({
      role: 'kiosk',
      message: { name: 'orders.pickup_refused', reason: expect.stringMatching(/names no order$/) },
    });
    expect(await mall.staff.retryParked({ role: 'kiosk', key })).toMatchObject({ settled: 0, left: 2 });
    await mall.staff.dropParked({ role: 'kiosk', id: first!.message!.id });
    expect(await mall.staff.retryParked({ role: 'kiosk', key })).toMatchObject({ settled: 1, left: 0 });
    expect(await list()).toEqual([]);
    for (let event = await events.next(); event?.event !== 'orders.pickup_refused'; event = await events.next()) {
      expect(event).toBeDefined();
    }
    events.hangUp();
  });
});

describe('bad input at the kiosk', () => {
  test.each([
    ['an unknown product', () => order(newId()), 404, 'lines[0].productId'],
    ['a quantity of 0', () => order(apple, 0), 400, 'lines[0].quantity'],
    ['more than there is', () => order(rare, 2), 409, 'lines[0].quantity'],
    ['a store that does not take part', () => order(cup), 409, 'lines[0].productId'],
    ['a currency that the price is not in', () => order(apple, 1, 'USD'), 400, 'currency'],
    ['a malformed product id', () => order('apple'), 400, 'lines[0].productId'],
    [
      'one product twice',
      () => ({ ...order(apple), lines: [...order(apple).lines, ...order(apple).lines] }),
      400,
      'lines[1].productId',
    ],
  ])('%s is refused, named, and changes nothing', async (_, body, status, field) => {
    const before = await footprint();
    const answer = await call('POST', '/v1/orders', body());

    expect(answer).toMatchObject({ status, body: { status, field } });
    expect(answer.body.detail).toContain(field);
    expect(answer.body.remedy).not.toBe('');
    expect(await footprint()).toEqual(before);
  });

  test('one key is one order, also when it is sent again', async () => {
    const key = newId();
    const first = await call('POST', '/v1/orders', order(apple), key);
    const again = await call('POST', '/v1/orders', order(apple), key);
    const other = await call('POST', '/v1/orders', order(apple, 3), key);

    expect([first.status, again.status]).toEqual([201, 201]);
    expect(again.body.orderId).toBe(first.body.orderId);
    expect(other).toMatchObject({ status: 409, body: { field: 'Idempotency-Key' } });
  });

  test('paying twice, too little or in another currency is refused, named, and changes nothing', async () => {
    const orderId = await place();
    await invoiceOf(orderId);
    const pay = (amount: object, key?: string) => call('POST', `/v1/orders/${orderId}/payments`, { amount }, key);

    expect(await pay(euros(299))).toMatchObject({ status: 400, body: { field: 'amount.minor', value: '299' } });
    expect(await pay({ minor: 300, currency: 'USD' })).toMatchObject({
      status: 400,
      body: { field: 'amount.currency' },
    });
    const key = newId();
    expect((await pay(euros(300), key)).body.paid).toEqual(euros(300));
    expect(await pay(euros(300), key)).toMatchObject({ status: 200, body: { paid: euros(300) } });
    expect(await pay(euros(300))).toMatchObject({ status: 409, body: { reason: 'ALREADY_PAID', field: 'orderId' } });
    expect((await invoiceOf(orderId)).paid).toEqual(euros(300));
  });

  test('an order that nobody placed is 404 everywhere', async () => {
    const orderId = newId();
    const missing = { status: 404, body: { field: 'orderId', value: orderId } };

    expect(await call('GET', `/v1/orders/${orderId}`)).toMatchObject(missing);
    expect(await call('POST', `/v1/orders/${orderId}/payments`, { amount: euros(300) })).toMatchObject(missing);
    expect(await call('GET', `/v1/orders/${orderId}/events`)).toMatchObject(missing);
  });
});
