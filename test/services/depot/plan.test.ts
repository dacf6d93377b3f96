import { describe, expect, it } from 'vitest';
import type { BodyOf } from '../../../src/contract/events.ts';
import { StuckReason } from '../../../src/gen/events/depot/v1/events.ts';
import { ShopTask } from '../../../src/gen/kinds/shop/v1/shop.ts';
import { kinds } from '../../../src/gen/kinds.ts';
import type { KnownProduct, KnownStore, PlannedLine } from '../../../src/services/depot/messages.ts';
import { plan } from '../../../src/services/depot/plan.ts';

const near: KnownStore = { storeId: 'near', name: 'Near', position: { x: 3, y: 0 }, participating: true, version: 1 };
const far: KnownStore = { storeId: 'far', name: 'Far', position: { x: 3, y: 4 }, participating: true, version: 1 };
const tea: KnownProduct = { productId: 'tea', storeId: 'far', removed: false, version: 1 };
const bread: KnownProduct = { productId: 'bread', storeId: 'near', removed: false, version: 1 };
const jam: KnownProduct = { productId: 'jam', storeId: 'far', removed: false, version: 1 };

const line = (lineId: string, { productId, storeId }: KnownProduct, quantity = 1): PlannedLine => ({
  lineId,
  productId,
  storeId: storeId!,
  sku: productId.toUpperCase(),
  name: `some ${productId}`,
  quantity,
});
const catalogue = (stores: KnownStore[], products: KnownProduct[]) => ({
  stores: new Map(stores.map((store) => [store.storeId, store])),
  products: new Map(products.map((product) => [product.productId, product])),
});
const everything = catalogue([near, far], [tea, bread, jam]);
const lines = [line('1', tea, 2), line('2', bread), line('3', jam, 3)];

describe('a plan', () => {
  it('is a list in walking order, told to everybody, and a task for a bot', () => {
    const { list, events } = plan({ orderId: 'order', lines }, everything, 'task');
    expect(list).toMatchObject({ state: 'created', orderId: 'order', taskId: 'task', routeMetres: 12 });
    const [created, requested] = events;
    const stopOf = Object.fromEntries(list.lines.map(({ lineId, stop }) => [lineId, stop]));
    const { storeIds, ...told } = created!.body as BodyOf<'depot.list_created'>;
    expect(told).toEqual({ orderId: 'order', taskId: 'task', routeMetres: 12 });
    expect(stopOf).toEqual({
      '1': storeIds.indexOf('far'),
      '2': storeIds.indexOf('near'),
      '3': storeIds.indexOf('far'),
    });
    expect(events.map(({ name, key, correlationId }) => [name, key, correlationId])).toEqual([
      ['depot.list_created', 'order', 'order'],
      ['depot.task_requested', 'order', 'order'],
    ]);

    const { payload, ...request } = requested!.body as BodyOf<'depot.task_requested'>;
    const { kind, revision, digest } = kinds.shop;
    const position = (storeIds[0] === 'near' ? near : far).position;
    expect(request).toEqual({
      taskId: 'task',
      orderId: 'order',
      schema: { kind, revision, digest },
      priority: 0,
      maxAttempts: 5,
      position,
      deadline: undefined,
      onlyBotId: '',
    });
    const task = ShopTask.decode(payload);
    expect(task).toMatchObject({ orderId: 'order', depot: { x: 0, y: 0 } });
    expect(task.stops.map(({ storeId }) => storeId)).toEqual(storeIds);
    expect(task.stops.find(({ storeId }) => storeId === 'far')).toMatchObject({
      storeId: 'far',
      storeName: 'Far',
      place: { x: 3, y: 4 },
      items: [
        { lineId: '1', productId: 'tea', sku: 'TEA', name: 'some tea', quantity: 2 },
        { lineId: '3', productId: 'jam', sku: 'JAM', name: 'some jam', quantity: 3 },
      ],
    });
  });

  it.each([
    [
      'a store that has withdrawn',
      catalogue([near, { ...far, participating: false }], [tea, bread, jam]),
      'store far (Far) has withdrawn',
    ],
    [
      'a product that was removed',
      catalogue([near, far], [{ ...tea, removed: true, storeId: null }, bread, jam]),
      'product tea (some tea) was removed',
    ],
    [
      'a product of another store',
      catalogue([near, far], [{ ...tea, storeId: 'near' }, bread, jam]),
      'product tea (some tea) is not sold by store far',
    ],
  ])('is stuck on %s, and says so', (_, known, message) => {
    const { list, events } = plan({ orderId: 'order', lines }, known, 'task');
    expect(list).toMatchObject({ state: 'stuck', taskId: '', reason: expect.stringContaining(message) });
    expect(list.lines.map(({ lineId }) => lineId)).toEqual(['1', '2', '3']);
    expect(events.map(({ name }) => name)).toEqual(['depot.list_stuck']);
    expect(events[0]!.body).toEqual({
      orderId: 'order',
      taskId: '',
      reason: StuckReason.UNPLANNABLE,
      message: list.state === 'stuck' && list.reason,
    });
  });

  it('says once what is in the way of two lines', () => {
    const { list } = plan(
      { orderId: 'order', lines },
      catalogue([near, { ...far, participating: false }], [tea, bread, jam]),
      'task',
    );
    expect(list).toMatchObject({ reason: 'store far (Far) has withdrawn from the mall' });
  });

  it('is stuck on an order without lines', () => {
    expect(plan({ orderId: 'order', lines: [] }, everything, 'task').list.state).toBe('stuck');
  });

  it.each([
    ['store', catalogue([near], [tea, bread, jam]), 'store_id', 'far'],
    ['product', catalogue([near, far], [tea, bread]), 'product_id', 'jam'],
  ])('waits for news of a %s that nobody has told of yet', (_, known, field, value) => {
    expect(() => plan({ orderId: 'order', lines }, known, 'task')).toThrow(
      expect.objectContaining({ code: 'NOT_FOUND', detail: expect.objectContaining({ field, value }) }),
    );
  });
});
