import { sql } from 'drizzle-orm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { newId } from '../../../src/contract/ids.ts';
import { draft } from '../../../src/contract/message.ts';
import {
  CancelledBy,
  CancelledGoods,
  type CancelOrderRequest,
  type Order,
  OrderState,
} from '../../../src/gen/orders/v1/orders.ts';
import { attempt, byCode, completed, type OrdersMall, paid, type Shop, startMall, stocked, stuck } from './mall.ts';

let mall: OrdersMall;
let shop: Shop;
beforeAll(async () => {
  mall = await startMall();
  shop = await mall.openShop({ stock: 1_000 });
});
afterAll(() => mall[Symbol.asyncDispose]());

const place = () => mall.place([{ productId: shop.productId, quantity: 2 }]);
const wish = ({ orderId }: Pick<Order, 'orderId'>, more: Partial<CancelOrderRequest> = {}): CancelOrderRequest => ({
  ...{ orderId, idempotencyKey: newId(), requestedBy: CancelledBy.SHOPPER, reason: 'changed my mind' },
  ...more,
});
const cancel = (order: Order, more: Partial<CancelOrderRequest> = {}) => mall.api.cancelOrder(wish(order, more));
const voided = ({ orderId }: Order) => draft('payments.cancelled', orderId, { orderId, reason: 'changed my mind' });
const calledOff = ({ orderId }: Order, ...returnTaskIds: string[]) =>
  draft('depot.list_cancelled', orderId, { orderId, taskId: newId(), returnTaskIds });
const returned = ({ orderId }: Order, taskId: string) =>
  draft('depot.return_ended', orderId, { orderId, taskId, lines: [], reason: '' });
const said = ({ orderId }: Order, name: string) => mall.service.said(orderId).filter((event) => event.name === name);

describe('cancelling an order', () => {
  it('is answered at once, and ends with the money and the goods', async () => {
    const order = await place();
    await mall.service.tell(paid(order));
    const answer = await cancel(order);
    expect(answer).toMatchObject({
      ...{ orderId: order.orderId, state: OrderState.CANCELLING, reason: 'changed my mind', closedAt: undefined },
      cancellation: { requestedBy: CancelledBy.SHOPPER, refunded: false, goods: CancelledGoods.RECALLED },
    });
    const { body } = await mall.service.untilSaid('orders.cancellation_requested', order.orderId);
    expect(body).toMatchObject({ orderId: order.orderId, reason: 'changed my mind', requestedBy: 'shopper' });

    const taskId = newId();
    await mall.service.tell(voided(order));
    await mall.service.tell(calledOff(order, taskId));
    expect(await mall.state(order)).toMatchObject({
      state: OrderState.CANCELLING,
      cancellation: { refunded: true, goods: CancelledGoods.RETURNING, returnTaskIds: [taskId] },
    });
    expect(said(order, 'orders.cancelled')).toEqual([]);
    await mall.service.tell(returned(order, taskId));
    expect(await mall.state(order)).toMatchObject({
      ...{ state: OrderState.CANCELLED, closedAt: expect.any(Date), reason: 'changed my mind' },
      cancellation: { goods: CancelledGoods.SETTLED, returnTaskIds: [] },
    });
    expect((await mall.service.untilSaid('orders.cancelled', order.orderId)).body).toMatchObject({
      reason: 'changed my mind',
    });
  });

  it('says who cancelled it where nobody says why', async () => {
    const order = await place();
    expect(await cancel(order, { reason: '', requestedBy: CancelledBy.STAFF })).toMatchObject({
      reason: 'the staff cancelled it',
    });
  });

  it('from two desks and again and again is one cancellation, whose answer tells how far it is', async () => {
    const order = await place();
    const answers = await Promise.all([
      ...Array.from({ length: 4 }, () => cancel(order, { idempotencyKey: 'same', reason: 'one' })),
      ...Array.from({ length: 4 }, () => cancel(order, { requestedBy: CancelledBy.STAFF, reason: 'another' })),
    ]);
    for (const answer of answers) expect(answer).toEqual(answers[0]);
    await mall.service.tell(voided(order));
    await mall.service.tell(calledOff(order));
    expect(await cancel(order)).toMatchObject({ state: OrderState.CANCELLED, reason: answers[0]!.reason });
    await mall.service.untilSaid('orders.cancelled', order.orderId);
    expect(said(order, 'orders.cancellation_requested')).toHaveLength(1);
    expect(said(order, 'orders.cancelled')).toHaveLength(1);
  });

  it.each([
    ['cancelled', 'TASK_FAILED', OrderState.CANCELLED],
    ['rejected', 'UNPLANNABLE', OrderState.REJECTED],
  ] as const)('changes nothing where it was %s by the mall', async (_, reason, state) => {
    const order = await place();
    await mall.service.tell(stuck(order, reason));
    const before = await mall.state(order);
    expect(await cancel(order)).toEqual(before);
    expect(before).toMatchObject({ state, cancellation: undefined });
    // Payments voids the invoice of each order that ends so.
    await mall.service.tell(voided(order));
    expect(await mall.state(order)).toEqual(before);
  });

  it('of an absent order is NOT_FOUND', async () => {
    const orderId = newId();
    await expect(mall.api.cancelOrder(wish({ orderId }))).rejects.toMatchObject({
      ...{ code: 'NOT_FOUND', detail: { field: 'order_id', value: orderId } },
    });
  });

  it.each<[string, Partial<CancelOrderRequest>, string]>([
    ['a malformed id', { orderId: '42' }, 'order_id'],
    ['no key', { idempotencyKey: '' }, 'idempotency_key'],
    ['nobody who wants it', { requestedBy: CancelledBy.UNSPECIFIED }, 'requested_by'],
    ['a novel for a reason', { reason: 'x'.repeat(201) }, 'reason'],
    ['a reason with a line feed', { reason: 'a\nb' }, 'reason'],
  ])('with %s is refused by the name of the field', async (_, wrong, field) => {
    const order = await place();
    await expect(cancel(order, wrong)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT', detail: { field } });
    expect(await mall.state(order)).toMatchObject({ state: OrderState.PLACED });
  });
});

describe('cancelling and handing over', () => {
  const collectable = async () => {
    const order = await place();
    await mall.service.tell(paid(order));
    await mall.service.tell(completed(order, [2]));
    return order;
  };

  it('is refused once the goods have left, and changes nothing', async () => {
    const order = await collectable();
    const done = await mall.api.handOver(byCode(order));
    await expect(cancel(order)).rejects.toMatchObject({
      code: 'FAILED_PRECONDITION',
      detail: { reason: 'ORDER_COMPLETED', field: 'order_id', remedy: 'bring them to the desk' },
    });
    expect(await mall.state(order)).toEqual(done);
  });

  it('at once has exactly one winner, whoever that is', async () => {
    const orders = await Promise.all(Array.from({ length: 12 }, collectable));
    for (const [index, order] of orders.entries()) {
      const { orderId } = order;
      const both = [() => mall.api.handOver(byCode(order)), () => cancel(order)];
      const results = await Promise.allSettled((index % 2 ? both : both.toReversed()).map((act) => act()));
      expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
      const { state } = await mall.state(order);
      const ends = {
        [OrderState.COMPLETED]: 'orders.completed',
        [OrderState.CANCELLING]: 'orders.cancellation_requested',
      };
      const winner = ends[state as keyof typeof ends];
      await mall.service.untilSaid(winner as 'orders.completed', orderId);
      const told = mall.service.said(orderId).filter(({ name }) => Object.values(ends).includes(name));
      expect(told.map(({ name }) => name)).toEqual([winner]);
    }
  });
});

describe('the units of a cancelled order', () => {
  it('are sold to others when no bot picks them any more', async () => {
    const own = await mall.openShop({ stock: 5 });
    const lines = [{ productId: own.productId, quantity: 3 }];
    const order = await mall.place([{ productId: own.productId, quantity: 4 }]);
    const bot = attempt(order, newId(), 1);
    await mall.service.tell(bot.picks(0, 1));
    await mall.service.tell(stocked(own, 'PICKED', { stock: 4, delta: -1, version: 2 }, order));
    await cancel(order);
    await expect(mall.place(lines)).rejects.toMatchObject({ detail: { reason: 'SOLD_OUT' } });
    const taskId = newId();
    await mall.service.tell(calledOff(order, taskId));
    await mall.place(lines);
    // What comes back is for whoever asks first.
    await mall.service.tell(stocked(own, 'RETURNED', { stock: 5, delta: 1, version: 3 }, order));
    await mall.place([{ productId: own.productId, quantity: 2 }]);
    await expect(mall.place([{ productId: own.productId, quantity: 1 }])).rejects.toMatchObject({
      detail: { reason: 'SOLD_OUT' },
    });
  });
});

describe('a cancellation that nobody answers', () => {
  /** As if that much time had passed. */
  const age = ({ orderId }: Order, seconds: number) =>
    mall.service.database.query((orm) =>
      orm.execute(sql`
        update orders.cancellations set ask_again_at = ask_again_at - ${seconds} * interval '1 second',
          goods_by = goods_by - ${seconds} * interval '1 second', wakes_at = wakes_at - ${seconds} * interval '1 second'
        where order_id = ${orderId}`),
    );

  it('is brought on, when its time comes, by whichever Orders is there: asked for again, and not waiting for goods for ever', async () => {
    const [unanswered, unreturned] = [await place(), await place()];
    for (const order of [unanswered, unreturned]) {
      await cancel(order);
      await mall.service.untilSaid('orders.cancellation_requested', order.orderId);
    }
    await mall.service.tell(voided(unreturned));
    await mall.service.tell(calledOff(unreturned, newId()));
    await age(unanswered, 61);
    await age(unreturned, 3_601);
    await mall.service.restart();

    await mall.service.untilSaid('orders.cancelled', unreturned.orderId);
    await expect.poll(() => said(unanswered, 'orders.cancellation_requested').length).toBe(2);
    const { body } = said(unanswered, 'orders.cancellation_requested')[1]!;
    expect(body).toMatchObject({ orderId: unanswered.orderId, reason: 'changed my mind', requestedBy: 'shopper' });
    // What starts on its own is a trace of its own, which leads to the order's.
    const overdue = () =>
      mall.service.telemetry
        .spans()
        .find(
          ({ name, attributes }) =>
            name === 'cancellation overdue' && attributes['mallbots.order_id'] === unanswered.orderId,
        );
    await expect.poll(overdue).toBeDefined();
    expect(overdue()!.links).toMatchObject([{ context: { traceId: unanswered.traceparent.slice(3, 35) } }]);

    await mall.service.tell(voided(unanswered));
    await mall.service.tell(calledOff(unanswered));
    await mall.service.untilSaid('orders.cancelled', unanswered.orderId);
  });
});
