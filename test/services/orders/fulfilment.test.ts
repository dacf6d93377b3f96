import { sql } from 'drizzle-orm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { newId } from '../../../src/contract/ids.ts';
import { draft } from '../../../src/contract/message.ts';
import { type Order, OrderState } from '../../../src/gen/orders/v1/orders.ts';
import { attempt, bayAssigned, byCode, completed, type OrdersMall, paid, type Shop, startMall, stuck } from './mall.ts';

let mall: OrdersMall;
let shop: Shop;
let other: Shop;
beforeAll(async () => {
  mall = await startMall();
  shop = await mall.openShop({ stock: 1_000_000 });
  other = await mall.openShop({ stock: 1_000_000 });
});
afterAll(() => mall[Symbol.asyncDispose]());

const place = () =>
  mall.place([
    { productId: shop.productId, quantity: 2 },
    { productId: other.productId, quantity: 3 },
  ]);
const counts = async (order: Order) => (await mall.state(order)).lines.map(({ picked, short }) => [picked, short]);
const names = ({ orderId }: Order) => mall.service.said(orderId).map(({ name }) => name);

describe('an order', () => {
  it('is ready, then paid, then collectable, then handed over', async () => {
    const order = await place();
    await mall.service.tell(completed(order, [2, 1], 'B7'));
    expect(await mall.state(order)).toMatchObject({ state: OrderState.READY, bay: 'B7', paid: false });
    expect(await counts(order)).toEqual([
      [2, 0],
      [1, 2],
    ]);
    await mall.service.tell(paid(order));
    expect(await mall.state(order)).toMatchObject({ state: OrderState.COLLECTABLE, paid: true });

    const handedOver = await mall.api.handOver(byCode(order));
    expect(handedOver).toMatchObject({ state: OrderState.COMPLETED });
    expect(handedOver.closedAt).toBeInstanceOf(Date);
    expect(await mall.api.handOver(byCode(order))).toEqual(handedOver);

    await mall.service.untilSaid('orders.completed', order.orderId);
    expect(names(order)).toEqual(['orders.placed', 'orders.ready', 'orders.collectable', 'orders.completed']);
    expect((await mall.service.untilSaid('orders.collectable', order.orderId)).body.bay).toBe('B7');
  });

  it('is paid, then ready and collectable at once', async () => {
    const order = await place();
    await mall.service.tell(paid(order));
    expect(await mall.state(order)).toMatchObject({ state: OrderState.PLACED, paid: true });
    await mall.service.tell(completed(order, [2, 3]));
    expect(await mall.state(order)).toMatchObject({ state: OrderState.COLLECTABLE });
    await mall.service.untilSaid('orders.collectable', order.orderId);
    expect(names(order)).toEqual(['orders.placed', 'orders.ready', 'orders.collectable']);
  });

  it('is collectable exactly once when payment and goods come at the same moment', async () => {
    const orders = await Promise.all(Array.from({ length: 10 }, place));
    await Promise.all(
      orders.flatMap((order) => [mall.service.tell(paid(order)), mall.service.tell(completed(order, [1, 3]))]),
    );
    for (const order of orders) {
      await mall.service.untilSaid('orders.collectable', order.orderId);
      expect(names(order)).toEqual(['orders.placed', 'orders.ready', 'orders.collectable']);
    }
  });

  it('gets its bay when one is free', async () => {
    const order = await place();
    await mall.service.tell(completed(order, [2, 3], ''));
    expect(await mall.state(order)).toMatchObject({ state: OrderState.READY, bay: '' });
    await mall.service.tell(bayAssigned(order, 'B3'));
    expect(await mall.state(order)).toMatchObject({ state: OrderState.READY, bay: 'B3' });
  });

  it('is cancelled when nothing was found', async () => {
    const order = await place();
    await mall.service.tell(completed(order, [0, 0], ''));
    expect(await mall.state(order)).toMatchObject({ state: OrderState.CANCELLED, reason: 'nothing was found' });
    const cancelled = await mall.service.untilSaid('orders.cancelled', order.orderId);
    expect(cancelled.body).toMatchObject({ orderId: order.orderId, reason: 'nothing was found' });
    // Its payment was under way; Payments gives it back.
    await mall.service.tell(paid(order));
    expect(await mall.state(order)).toMatchObject({ state: OrderState.CANCELLED, paid: false });
  });

  it.each([
    ['UNPLANNABLE', OrderState.REJECTED, 'orders.rejected'],
    ['TASK_FAILED', OrderState.CANCELLED, 'orders.cancelled'],
    ['TASK_CANCELLED', OrderState.CANCELLED, 'orders.cancelled'],
  ] as const)('whose list is %s is closed with the reason', async (reason, state, event) => {
    const order = await place();
    await mall.service.tell(stuck(order, reason, 'the lift is broken'));
    expect(await mall.state(order)).toMatchObject({ state, reason: 'the lift is broken' });
    expect((await mall.service.untilSaid(event, order.orderId)).body).toMatchObject({ reason: 'the lift is broken' });
  });
});

describe('while a bot collects, an order', () => {
  it('shows what is picked and what is short', async () => {
    const order = await place();
    const bot = attempt(order, newId(), 1);
    await mall.service.tell(bot.picks(0, 1));
    await mall.service.tell(bot.picks(0, 1));
    await mall.service.tell(bot.picks(1, 2));
    await mall.service.tell(bot.misses(1, 1));
    expect(await counts(order)).toEqual([
      [2, 0],
      [2, 1],
    ]);
    expect((await mall.state(order)).state).toBe(OrderState.PLACED);
  });

  it('forgets a lost attempt, and refuses what comes of it later', async () => {
    const order = await place();
    const taskId = newId();
    const [first, second] = [attempt(order, taskId, 1), attempt(order, taskId, 2)];
    await mall.service.tell(first.picks(0, 2));
    await mall.service.tell(first.isLost());
    await mall.service.tell(first.picks(1, 3));
    expect(await counts(order)).toEqual([
      [0, 0],
      [0, 0],
    ]);
    await mall.service.tell(second.picks(0, 1));
    // Who brings back the lost attempt's goods is lost as well: no attempt at the list.
    await mall.service.tell(attempt(order, newId(), 1, 'return').isLost());
    expect(await counts(order)).toEqual([
      [1, 0],
      [0, 0],
    ]);
  });
});

describe('an event about an order that was never placed', () => {
  it('is parked with its reason, and nothing else is', async () => {
    const orderId = newId();
    const id = await mall.service.tell(draft('depot.bay_assigned', orderId, { orderId, bay: 'B1' }));
    const rows = await mall.service.database.query((orm) =>
      orm.execute(sql`select message_id, reason from orders.parked`),
    );
    expect([...rows]).toEqual([{ message_id: id, reason: expect.stringContaining(orderId) }]);
  });
});

describe('a restart', () => {
  it('takes every order up where it was, also what happened while the service was away', async () => {
    await using own = await startMall();
    const { productId } = await own.openShop();
    const order = await own.place([{ productId, quantity: 2 }]);
    await own.service.tell(paid(order));
    const restarted = own.service.restart();
    await Promise.all([restarted, own.service.tell(completed(order, [2]))]);
    await own.service.untilSaid('orders.collectable', order.orderId);
    expect(own.service.said(order.orderId).map(({ name }) => name)).toEqual([
      'orders.placed',
      'orders.ready',
      'orders.collectable',
    ]);
  });
});
