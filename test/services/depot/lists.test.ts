import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { BodyOf } from '../../../src/contract/events.ts';
import { newId } from '../../../src/contract/ids.ts';
import { ListState } from '../../../src/gen/depot/v1/depot.ts';
import { StuckReason } from '../../../src/gen/events/depot/v1/events.ts';
import { ShopTask } from '../../../src/gen/kinds/shop/v1/shop.ts';
import { parked } from '../../../src/services/depot/store.ts';
import { openShopFloor, type ShopFloor } from './shop-floor.ts';

let floor: ShopFloor;
beforeAll(async () => {
  floor = await openShopFloor();
});
afterAll(() => floor?.[Symbol.asyncDispose]());

const names = (said: ReadonlyArray<readonly [string, unknown]>) => said.map(([name]) => name);
const counts = async (orderId: string) =>
  Object.fromEntries(
    (await floor.list(orderId)).stops.flatMap(({ items }) =>
      items.map(({ lineId, picked, short }) => [lineId, [picked, short]]),
    ),
  );

describe('a shopping list', () => {
  it('is planned when the order is placed, with a command to the hub', async () => {
    const { orderId, taskId, said, command, list } = await floor.place();
    const { near, far } = floor.stores;
    const shown = await list();
    expect(shown).toMatchObject({
      orderId,
      taskId,
      state: ListState.CREATED,
      botId: '',
      bay: '',
      routeMetres: 12,
      reason: '',
    });
    const [created] = await said(1);
    const { storeIds } = created![1] as BodyOf<'depot.list_created'>;
    expect(created).toEqual(['depot.list_created', expect.objectContaining({ orderId, taskId, routeMetres: 12 })]);
    expect(storeIds.toSorted()).toEqual([near.storeId, far.storeId].toSorted());
    expect(shown.stops.map(({ storeId }) => storeId)).toEqual(storeIds);
    expect(shown.stops.find(({ storeId }) => storeId === far.storeId)).toMatchObject({
      storeName: 'Far',
      items: [
        {
          lineId: 'line-1',
          productId: floor.products.tea.productId,
          sku: 'FAR-1',
          name: 'Tea',
          quantity: 2,
          picked: 0,
          short: 0,
        },
      ],
    });
    const request = await command();
    expect(request).toMatchObject({ taskId, orderId, maxAttempts: 5, schema: { kind: 'shop' } });
    expect(ShopTask.decode(request.payload).stops.map(({ storeId }) => storeId)).toEqual(storeIds);
  });

  it('goes to a bot, counts live, comes back and waits in a bay until it is handed over', async () => {
    const order = await floor.place();
    const { orderId, taskId } = order;
    await order.started();
    expect(await order.list()).toMatchObject({ state: ListState.ASSIGNED, botId: 'bot-1' });
    await order.picked(1, 'line-1', 1);
    await order.short(1, 'line-1', 1);
    await order.picked(1, 'line-2', 1);
    expect(await counts(orderId)).toEqual({ 'line-1': [1, 1], 'line-2': [1, 0] });
    await order.succeeded();
    const done = await order.list();
    expect(done).toMatchObject({ state: ListState.COMPLETED, botId: 'bot-1', bay: expect.stringMatching(/^B\d+$/) });
    expect(await counts(orderId)).toEqual({ 'line-1': [2, 0], 'line-2': [1, 0] });
    const said = await order.said(4);
    expect(said.slice(1)).toMatchObject([
      ['depot.list_assigned', { orderId, taskId, botId: 'bot-1' }],
      [
        'depot.list_completed',
        {
          orderId,
          taskId,
          bay: done.bay,
          lines: [
            { lineId: 'line-1', picked: 2, short: 0 },
            { lineId: 'line-2', picked: 1, short: 0 },
          ],
        },
      ],
      ['depot.bay_assigned', { orderId, bay: done.bay }],
    ]);
    expect(await floor.bays()).toContainEqual(expect.objectContaining({ orderId, bay: done.bay }));

    await order.handedOver();
    expect(await order.list()).toMatchObject({ state: ListState.COMPLETED, bay: '' });
    expect((await floor.bays()).map((bay) => bay.orderId)).not.toContain(orderId);
  });

  it('begins anew with the next bot when an attempt is lost, and hears no more of the lost one', async () => {
    const order = await floor.place();
    await order.started(1);
    await order.picked(1, 'line-1', 2);
    await order.lost(1);
    expect(await order.list()).toMatchObject({ state: ListState.CREATED, botId: '' });
    expect(await counts(order.orderId)).toEqual({ 'line-1': [0, 0], 'line-2': [0, 0] });

    await order.picked(1, 'line-2', 1);
    await order.succeeded(1);
    expect(await order.list()).toMatchObject({ state: ListState.CREATED });
    expect(await counts(order.orderId)).toEqual({ 'line-1': [0, 0], 'line-2': [0, 0] });

    await order.started(2);
    await order.succeeded(2);
    expect(await order.list()).toMatchObject({ state: ListState.COMPLETED, botId: 'bot-2' });
  });

  it('takes each report once, however often it comes', async () => {
    const order = await floor.place();
    await order.started(1, `${order.taskId}:1:1`);
    await order.started(1, `${order.taskId}:1:1`);
    await order.picked(1, 'line-1', 1, `${order.taskId}:1:2`);
    await order.picked(1, 'line-1', 1, `${order.taskId}:1:2`);
    expect((await counts(order.orderId))['line-1']).toEqual([1, 0]);
    await order.succeeded(1, `${order.taskId}:1:3`);
    await order.succeeded(1, `${order.taskId}:1:3`);
    expect(names(await order.said(4))).toEqual([
      'depot.list_created',
      'depot.list_assigned',
      'depot.list_completed',
      'depot.bay_assigned',
    ]);
    expect((await floor.bays()).filter(({ orderId }) => orderId === order.orderId)).toHaveLength(1);
  });

  it('needs no bay when nothing was found', async () => {
    const order = await floor.place();
    await order.started();
    await order.cameBackEmpty();
    expect(await order.list()).toMatchObject({ state: ListState.COMPLETED, bay: '' });
    expect((await order.said(3)).at(-1)).toMatchObject(['depot.list_completed', { bay: '' }]);
    await order.handedOver();
    expect(await order.list()).toMatchObject({ state: ListState.COMPLETED, bay: '' });
  });

  it('is stuck when the last attempt failed', async () => {
    const order = await floor.place();
    const { orderId, taskId } = order;
    await order.started();
    await order.failed();
    expect(await order.list()).toMatchObject({ state: ListState.STUCK, reason: 'no bot could do it: POISON' });
    expect((await order.said(3))[2]).toMatchObject([
      'depot.list_stuck',
      { orderId, taskId, reason: StuckReason.TASK_FAILED, message: 'no bot could do it: POISON' },
    ]);
  });

  it('is the same after a restart', async () => {
    const order = await floor.place();
    await order.started();
    await order.picked(1, 'line-1', 2);
    const before = await floor.list(order.orderId);
    await floor.restart();
    expect(await floor.list(order.orderId)).toEqual(before);
    await order.succeeded();
    expect(await floor.list(order.orderId)).toMatchObject({ state: ListState.COMPLETED });
  });
});

describe('the copy of the catalogue', () => {
  const kiosk = () => ({ storeId: newId(), name: 'Pop-up', position: { x: 0, y: 9 } });
  const productOf = ({ storeId }: { storeId: string }) => ({ productId: newId(), storeId, sku: 'POP-1', name: 'Kite' });

  it('is what a plan stands on: a store that has withdrawn makes it stuck, one that came back does not', async () => {
    const store = kiosk();
    const kite = productOf(store);
    await floor.storeTold(store, true, 1);
    await floor.productTold(kite);
    await floor.storeTold(store, false, 2);
    const order = await floor.place([[kite, 1]]);
    const message = `store ${store.storeId} (Pop-up) has withdrawn from the mall`;
    expect(await order.list()).toMatchObject({
      state: ListState.STUCK,
      taskId: '',
      reason: message,
      stops: [{ storeName: 'Pop-up', items: [{ name: 'Kite', quantity: 1 }] }],
    });
    expect(await order.said(1)).toMatchObject([
      ['depot.list_stuck', { reason: StuckReason.UNPLANNABLE, taskId: '', message }],
    ]);

    await floor.storeTold(store, true, 3);
    expect(await (await floor.place([[kite, 1]])).list()).toMatchObject({ state: ListState.CREATED });
  });

  it('ignores what is older than what it has', async () => {
    const store = kiosk();
    const kite = productOf(store);
    await floor.storeTold(store, true, 3);
    await floor.storeTold(store, false, 2);
    await floor.productTold(kite);
    expect(await (await floor.place([[kite, 1]])).list()).toMatchObject({ state: ListState.CREATED });

    const gone = productOf(store);
    await floor.productRemovedTold(gone, 2);
    await floor.productTold(gone, 1);
    expect(await (await floor.place([[gone, 1]])).list()).toMatchObject({
      state: ListState.STUCK,
      reason: `product ${gone.productId} (Kite) was removed`,
    });
  });

  it('may lag behind: the order waits for the news, and its plan is made when it comes', async () => {
    const store = kiosk();
    const kite = productOf(store);
    await floor.productTold(kite);
    const placed = floor.place([[kite, 1]]);
    await floor.storeTold(store, true, 1);
    expect(await (await placed).list()).toMatchObject({ state: ListState.CREATED });
  });

  it('that never hears of a product leaves the order to staff, with the reason', async () => {
    const kite = productOf(floor.stores.near);
    const { orderId, list } = await floor.place([[kite, 1]]);
    const rows = await floor.service.database.query((orm) => orm.select().from(parked));
    expect(rows.filter(({ key }) => key === orderId)).toMatchObject([
      { name: 'orders.placed', reason: expect.stringContaining(kite.productId) },
    ]);
    await expect(list()).rejects.toMatchObject({ code: 'NOT_FOUND', detail: { field: 'order_id', value: orderId } });
  });
});

describe('asking for a list', () => {
  it.each(['', '7', 'not-a-uuid'])('with the malformed id "%s" is refused', async (orderId) => {
    await expect(floor.list(orderId)).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      detail: { field: 'order_id', value: orderId, reason: 'MALFORMED_ID' },
    });
  });

  it('of an order that nobody placed finds none', async () => {
    const orderId = newId();
    await expect(floor.list(orderId)).rejects.toMatchObject({
      code: 'NOT_FOUND',
      detail: { field: 'order_id', value: orderId, reason: 'SHOPPING_LIST_NOT_FOUND' },
    });
  });
});
