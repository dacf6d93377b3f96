import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MallError } from '../../../src/contract/errors.ts';
import { newId } from '../../../src/contract/ids.ts';
import type { Order } from '../../../src/gen/orders/v1/orders.ts';
import { attempt, byCode, completed, type OrdersMall, paid, type Shop, startMall, stocked, stuck } from './mall.ts';

let mall: OrdersMall;
beforeAll(async () => {
  mall = await startMall();
});
afterAll(() => mall[Symbol.asyncDispose]());

const order = (shop: Shop, quantity: number) => mall.place([{ productId: shop.productId, quantity }]);

/** How many units can be ordered: asked for by ordering too many, which changes nothing. */
async function available(shop: Shop): Promise<number> {
  const refusal = await order(shop, 1_000).then(
    () => undefined,
    (error: unknown) => error,
  );
  expect(refusal).toBeInstanceOf(MallError);
  const { detail, message } = refusal as MallError;
  expect(detail).toMatchObject({ reason: 'SOLD_OUT', field: 'lines[0].quantity', value: '1000' });
  return Number(/but (\d+) of/.exec(message)?.[1]);
}

/** The books as Stores keeps them: tells of each change as Stores would. */
function books(shop: Shop, stock: number) {
  let version = 1;
  let units = stock;
  return (reason: 'SET' | 'PICKED' | 'SHORT' | 'RETURNED', delta: number, onAccountOf?: Order, attempt = 1) => {
    units += delta;
    version += 1;
    return mall.service.tell(stocked(shop, reason, { stock: units, delta, version, attempt }, onAccountOf));
  };
}

describe('stock', () => {
  it('is never promised twice, by however many at once', async () => {
    const shop = await mall.openShop({ stock: 7 });
    const attempts = await Promise.allSettled(Array.from({ length: 20 }, () => order(shop, 2)));
    expect(attempts.filter(({ status }) => status === 'fulfilled')).toHaveLength(3);
    for (const attempt of attempts) {
      if (attempt.status === 'rejected') expect(attempt.reason).toMatchObject({ detail: { reason: 'SOLD_OUT' } });
    }
    expect(await available(shop)).toBe(1);
  });

  it('is promised to all of many orders at once, in whatever order their lines name the products', async () => {
    const shops = [await mall.openShop({ stock: 20 }), await mall.openShop({ stock: 20 })];
    const lines = shops.map(({ productId }) => ({ productId, quantity: 1 }));
    await Promise.all(Array.from({ length: 20 }, (_, i) => mall.place(i % 2 ? lines : lines.toReversed())));
    expect(await Promise.all(shops.map(available))).toEqual([0, 0]);
  });

  it('that is picked or short leaves the books and the promise together', async () => {
    const shop = await mall.openShop({ stock: 10 });
    const book = books(shop, 10);
    const placed = await order(shop, 4);
    expect(await available(shop)).toBe(6);
    await book('PICKED', -3, placed);
    expect(await available(shop)).toBe(6);
    await book('SHORT', -1, placed);
    expect(await available(shop)).toBe(6);
    await book('SET', 5);
    expect(await available(shop)).toBe(11);
  });

  it('that a lost attempt took away is promised to its order as long as it is not back, and goes on being so', async () => {
    const shop = await mall.openShop({ stock: 10 });
    const book = books(shop, 10);
    const placed = await order(shop, 4);
    await book('PICKED', -3, placed);
    await book('SHORT', -1, placed);
    expect(await available(shop)).toBe(6);
    await mall.service.tell(attempt(placed, newId(), 1).isLost());
    // Three are with a robot: 6 on the books, 4 of them promised.
    expect(await available(shop)).toBe(2);
    await book('SHORT', 1, placed);
    expect(await available(shop)).toBe(3);
    await book('PICKED', -4, placed, 2);
    expect(await available(shop)).toBe(3);
    await book('RETURNED', 3, placed);
    expect(await available(shop)).toBe(6);
  });

  it('is never promised twice when the books tell of a lost attempt late, or of its units before the loss', async () => {
    const shop = await mall.openShop({ stock: 10 });
    const book = books(shop, 10);
    const placed = await order(shop, 4);
    await mall.service.tell(attempt(placed, newId(), 1).isLost());
    await book('PICKED', -3, placed);
    expect(await available(shop)).toBe(3);
    await book('PICKED', -1, placed, 2);
    expect(await available(shop)).toBe(3);

    const other = await mall.openShop({ stock: 10 });
    const otherBook = books(other, 10);
    const early = await order(other, 4);
    await otherBook('SHORT', -4, early);
    await otherBook('SHORT', 4, early);
    expect(await available(other)).toBe(6);
  });

  it('that another kind of task loses changes no promise', async () => {
    const shop = await mall.openShop({ stock: 10 });
    const placed = await order(shop, 4);
    await books(shop, 10)('PICKED', -3, placed);
    await mall.service.tell(attempt(placed, newId(), 1, 'return').isLost());
    expect(await available(shop)).toBe(6);
  });

  it('taken by more than the line holds does not eat into the promises to others', async () => {
    const shop = await mall.openShop({ stock: 10 });
    const book = books(shop, 10);
    const [first] = [await order(shop, 2), await order(shop, 3)];
    await book('PICKED', -4, first);
    // 6 on the books, 3 of them promised.
    expect(await available(shop)).toBe(3);
  });

  it('taken twice by the same message is taken once', async () => {
    const shop = await mall.openShop({ stock: 10 });
    const placed = await order(shop, 4);
    const news = stocked(shop, 'PICKED', { stock: 9, delta: -1, version: 2 }, placed);
    const id = await mall.service.tell(news);
    await mall.service.tell(news, { id });
    // 9 on the books, 3 still promised.
    expect(await available(shop)).toBe(6);
  });

  it('on account of an order that nobody knows is still stock', async () => {
    const shop = await mall.openShop({ stock: 10 });
    const placed = await order(shop, 1);
    await books(shop, 10)('PICKED', -2, { ...placed, orderId: newId() });
    expect(await available(shop)).toBe(7);
  });

  it.each(['UNPLANNABLE', 'TASK_FAILED', 'TASK_CANCELLED'] as const)(
    'of an order that is %s is free again, once',
    async (reason) => {
      const shop = await mall.openShop({ stock: 10 });
      const book = books(shop, 10);
      const placed = await order(shop, 4);
      await book('PICKED', -1, placed);
      await mall.service.tell(stuck(placed, reason));
      expect(await available(shop)).toBe(9);
      // The last attempt's units come back, and belong to nobody.
      await book('RETURNED', 1, placed);
      expect(await available(shop)).toBe(10);
    },
  );

  it('that a handed-over order still held, because its books came late, is free again', async () => {
    const shop = await mall.openShop({ stock: 10 });
    const placed = await order(shop, 4);
    await mall.service.tell(completed(placed, [4]));
    await mall.service.tell(paid(placed));
    expect(await available(shop)).toBe(6);
    await mall.api.handOver(byCode(placed));
    expect(await available(shop)).toBe(10);
    await books(shop, 10)('PICKED', -4, placed);
    expect(await available(shop)).toBe(6);
  });
});
