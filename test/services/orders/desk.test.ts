import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { newId } from '../../../src/contract/ids.ts';
import { type Order, OrderState } from '../../../src/gen/orders/v1/orders.ts';
import { byCode, completed, type OrdersMall, paid, type Shop, startMall, stuck } from './mall.ts';

let mall: OrdersMall;
let shop: Shop;
beforeAll(async () => {
  mall = await startMall();
  shop = await mall.openShop({ stock: 1_000 });
});
afterAll(() => mall[Symbol.asyncDispose]());

const place = () => mall.place([{ productId: shop.productId, quantity: 2 }]);

describe('handing over', () => {
  const situations: Array<[string, (order: Order) => Promise<unknown>, string]> = [
    ['neither there nor paid', async () => undefined, 'ORDER_NOT_READY'],
    ['paid but not there', (order) => mall.service.tell(paid(order)), 'ORDER_NOT_READY'],
    ['there but not paid', (order) => mall.service.tell(completed(order, [2])), 'ORDER_NOT_PAID'],
    ['cancelled', (order) => mall.service.tell(stuck(order, 'TASK_FAILED')), 'ORDER_CANCELLED'],
    ['rejected', (order) => mall.service.tell(stuck(order, 'UNPLANNABLE')), 'ORDER_REJECTED'],
  ];

  it.each(situations)('what is %s is a FAILED_PRECONDITION and changes nothing', async (_, bringAbout, reason) => {
    const order = await place();
    await bringAbout(order);
    const before = await mall.state(order);
    await expect(mall.api.handOver(byCode(order))).rejects.toMatchObject({
      code: 'FAILED_PRECONDITION',
      detail: { reason, field: 'order_id', value: order.orderId, remedy: expect.stringMatching(/\w/) },
    });
    expect(await mall.state(order)).toEqual(before);
  });

  it('twice at once completes the order once', async () => {
    const order = await place();
    await mall.service.tell(paid(order));
    await mall.service.tell(completed(order, [2]));
    const answers = await Promise.all(Array.from({ length: 5 }, () => mall.api.handOver(byCode(order))));
    for (const answer of answers) expect(answer).toEqual(answers[0]);
    await mall.service.untilSaid('orders.completed', order.orderId);
    expect(mall.service.said(order.orderId).filter(({ name }) => name === 'orders.completed')).toHaveLength(1);
  });

  it("leads to an event whose cause is the request, by the id that the request's span has", async () => {
    const order = await place();
    await mall.service.tell(paid(order));
    await mall.service.tell(completed(order, [2]));
    await mall.api.handOver(byCode(order));
    const { causationId } = await mall.service.untilSaid('orders.completed', order.orderId);
    const requests = mall.service.telemetry
      .spans()
      .filter((span) => span.attributes['mallbots.request_id'] === causationId);
    expect(requests.map(({ name }) => name)).toEqual(['orders.v1.Orders/HandOver']);
  });
});

const asks = {
  getOrder: (orderId: string) => mall.api.getOrder({ orderId, withPickupCode: true }),
  handOver: (orderId: string) => mall.api.handOver({ orderId, pickupCode: 'K7P4-Q9T', identityReason: '' }),
  findPickup: (orderId: string) => mall.api.findPickup({ orderId, pickupCode: 'K7P4-Q9T' }),
};

describe.each(['getOrder', 'handOver', 'findPickup'] as const)('%s', (method) => {
  it('of an absent order is NOT_FOUND', async () => {
    const orderId = newId();
    await expect(asks[method](orderId)).rejects.toMatchObject({
      code: 'NOT_FOUND',
      detail: { reason: 'ORDER_NOT_FOUND', field: 'order_id', value: orderId },
    });
  });

  it.each(['-', '42', 'x'.repeat(1_000)])('of a malformed id (%#) is INVALID_ARGUMENT', async (orderId) => {
    await expect(asks[method](orderId)).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      detail: { reason: 'MALFORMED_ID', field: 'order_id' },
    });
  });
});

describe('listing orders', () => {
  const list = async (states: OrderState[], limit = 0) => (await mall.api.listOrders({ states, limit })).orders;

  it('shows the newest first, of the states asked for, up to the limit', async () => {
    const [first, second, third] = [await place(), await place(), await place()];
    await mall.service.tell(completed(second, [2]));
    const ids = (orders: readonly Order[]) => orders.map(({ orderId }) => orderId);

    expect(ids(await list([], 3))).toEqual([third.orderId, second.orderId, first.orderId]);
    expect(ids(await list([OrderState.PLACED], 2))).toEqual([third.orderId, first.orderId]);
    expect(ids(await list([OrderState.READY, OrderState.PLACED], 2))).toEqual([third.orderId, second.orderId]);
    expect((await list([OrderState.READY], 1))[0]).toEqual(await mall.state(second));
    expect((await list([])).length).toBeGreaterThanOrEqual(3);
  });

  it('refuses states and limits that there are not', async () => {
    await expect(list([OrderState.PLACED, OrderState.UNSPECIFIED])).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      detail: { reason: 'STATE_UNKNOWN', field: 'states[1]', value: '0' },
    });
    await expect(list([], 1_001)).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      detail: { reason: 'LIMIT_TOO_LARGE', field: 'limit', value: '1001' },
    });
  });
});
