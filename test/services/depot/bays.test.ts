import { describe, expect, it } from 'vitest';
import { ListState } from '../../../src/gen/depot/v1/depot.ts';
import { openShopFloor, type ShopFloor, type TestOrder } from './shop-floor.ts';

const backWith = async (floor: ShopFloor): Promise<TestOrder> => {
  const order = await floor.place();
  await order.started();
  await order.succeeded();
  return order;
};
const stateOf = async ({ list }: TestOrder) => (await list()).state;
const bayOf = async ({ list }: TestOrder) => (await list()).bay;

describe('bays', () => {
  it('are given out lowest first, shown longest waiting first, and used again', async () => {
    await using floor = await openShopFloor(3);
    const first = await backWith(floor);
    const second = await backWith(floor);
    expect([await bayOf(first), await bayOf(second)]).toEqual(['B1', 'B2']);
    await first.handedOver();
    const third = await backWith(floor);
    expect(await floor.bays()).toMatchObject([
      { bay: 'B2', orderId: second.orderId },
      { bay: 'B1', orderId: third.orderId },
    ]);
    const [longest, shortest] = (await floor.bays()).map(({ since }) => since!.getTime());
    expect(longest).toBeLessThanOrEqual(shortest!);
  });

  it('run out, and go on to who has waited longest when one is freed', async () => {
    await using floor = await openShopFloor(1);
    const holder = await backWith(floor);
    const [first, second] = [await backWith(floor), await backWith(floor)];
    expect(await first.list()).toMatchObject({ state: ListState.WAITING_FOR_BAY, bay: '' });
    expect((await first.said(3)).at(-1)).toMatchObject(['depot.list_completed', { bay: '' }]);

    await holder.handedOver();
    expect(await first.list()).toMatchObject({ state: ListState.COMPLETED, bay: 'B1' });
    expect((await first.said(4)).at(-1)).toMatchObject(['depot.bay_assigned', { orderId: first.orderId, bay: 'B1' }]);
    expect(await stateOf(second)).toBe(ListState.WAITING_FOR_BAY);
    await first.handedOver();
    expect(await bayOf(second)).toBe('B1');
    await second.handedOver();
    expect(await floor.bays()).toEqual([]);
  });

  it('are not given to an order that was handed over while it waited for one', async () => {
    await using floor = await openShopFloor(1);
    const holder = await backWith(floor);
    const [impatient, patient] = [await backWith(floor), await backWith(floor)];
    await impatient.handedOver();
    expect(await impatient.list()).toMatchObject({ state: ListState.COMPLETED, bay: '' });
    await holder.handedOver();
    expect(await bayOf(impatient)).toBe('');
    expect(await bayOf(patient)).toBe('B1');
  });

  it('that are new after a restart go to who was waiting', async () => {
    await using floor = await openShopFloor(1);
    await backWith(floor);
    const waiting = await backWith(floor);
    await floor.restart(2);
    expect(await floor.list(waiting.orderId)).toMatchObject({ state: ListState.COMPLETED, bay: 'B2' });
    expect((await waiting.said(4)).at(-1)).toMatchObject(['depot.bay_assigned', { bay: 'B2' }]);
  });

  it('are never shared, and none stays free while somebody waits, however many come and go at once', async () => {
    await using floor = await openShopFloor(3);
    const orders = await Promise.all(Array.from({ length: 12 }, () => floor.place()));
    await Promise.all(orders.map((order) => order.succeeded()));
    const held = async () => {
      const bays = await floor.bays();
      expect(new Set(bays.map(({ bay }) => bay)).size).toBe(bays.length);
      expect(new Set(bays.map(({ orderId }) => orderId)).size).toBe(bays.length);
      return new Set(bays.map(({ orderId }) => orderId));
    };
    expect((await held()).size).toBe(3);

    let left = orders;
    while (left.length > 0) {
      const now = await held();
      expect(now.size).toBe(Math.min(3, left.length));
      // All that have a bay leave at once, while a new one comes back to the first bay that is free.
      const newcomer = left.length > 6 ? await floor.place() : undefined;
      const leaving = left.filter(({ orderId }) => now.has(orderId));
      await Promise.all([...leaving.map((order) => order.handedOver()), newcomer?.succeeded()]);
      left = [...left.filter((order) => !leaving.includes(order)), ...(newcomer ? [newcomer] : [])];
    }
    expect(await floor.bays()).toEqual([]);
    for (const order of orders) {
      const given = (await order.said(3)).filter(([name]) => name === 'depot.bay_assigned');
      expect(given).toHaveLength(1);
    }
  });
});
