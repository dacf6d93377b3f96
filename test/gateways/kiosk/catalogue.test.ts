import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { newId } from '../../../src/contract/ids.ts';
import { subscriptions } from '../../../src/contract/topology.ts';
import { kioskHandlers } from '../../../src/gateways/kiosk/handlers.ts';
import { StockReason } from '../../../src/gen/events/stores/v1/events.ts';
import { silentLogger } from '../../support/silent-logger.ts';
import { anEvent, startTestKiosk, type TestKiosk } from './harness.ts';

let kiosk: TestKiosk;
beforeEach(async () => {
  kiosk = await startTestKiosk();
});
afterEach(() => kiosk[Symbol.asyncDispose]());

const euros = (minor: number) => ({ minor, currency: 'EUR' });
const opened = (storeId: string, name: string, version = 1, participating = true) =>
  anEvent('stores.participation_changed', { storeId, name, position: { x: 1, y: 2 }, participating, version });
const added = (storeId: string, productId: string, name: string, version = 1) =>
  anEvent('stores.product_added', {
    productId,
    storeId,
    sku: name.toUpperCase(),
    name,
    price: euros(150),
    stock: 5,
    version,
  });
const repriced = (productId: string, minor: number, version: number) =>
  anEvent('stores.price_changed', { productId, price: euros(minor), version });
const restocked = (productId: string, stock: number, version: number) =>
  anEvent('stores.stock_changed', {
    productId,
    stock,
    reason: StockReason.SET,
    delta: 0,
    orderId: '',
    lineId: '',
    attempt: 0,
    version,
  });
const products = async (query = '') => (await kiosk.get(`/v1/products${query}`)).body.products;

test('there is a handler for each event that the inbox is bound to, and for no other', () => {
  expect(Object.keys(kioskHandlers(silentLogger, () => {})).sort()).toEqual([...subscriptions.kiosk].sort());
});

describe("the kiosk's copy of the catalogue", () => {
  test('lists stores and products by name, products also of one store', async () => {
    const [bakery, grocer, bread, apple] = [newId(), newId(), newId(), newId()];
    for (const event of [opened(grocer, 'Grocer'), opened(bakery, 'Bakery')]) await kiosk.hear(event);
    for (const event of [added(bakery, bread, 'Bread'), added(grocer, apple, 'Apple')]) await kiosk.hear(event);

    expect((await kiosk.get('/v1/stores')).body).toEqual({
      stores: [
        { storeId: bakery, name: 'Bakery', participating: true },
        { storeId: grocer, name: 'Grocer', participating: true },
      ],
    });
    expect(await products()).toMatchObject([{ name: 'Apple' }, { name: 'Bread' }]);
    expect(await products(`?storeId=${bakery}`)).toEqual([
      { productId: bread, storeId: bakery, sku: 'BREAD', name: 'Bread', price: euros(150), stock: 5 },
    ]);
  });

  test('takes a product before its store, and shows it once the store takes part', async () => {
    const [store, apple] = [newId(), newId()];
    await kiosk.hear(added(store, apple, 'Apple'));
    expect(await products()).toEqual([]);

    await kiosk.hear(opened(store, 'Grocer'));
    expect(await products()).toMatchObject([{ productId: apple }]);

    await kiosk.hear(opened(store, 'Grocer', 2, false));
    expect(await products()).toEqual([]);
    expect((await kiosk.get('/v1/stores')).body.stores).toMatchObject([{ participating: false }]);
  });

  test('follows price and stock, and ignores what is older than what it has', async () => {
    const [store, apple] = [newId(), newId()];
    await kiosk.hear(opened(store, 'Grocer', 3));
    await kiosk.hear(opened(store, 'Greengrocer', 2));
    await kiosk.hear(added(store, apple, 'Apple'));
    await kiosk.hear(repriced(apple, 170, 2));
    await kiosk.hear(restocked(apple, 4, 4));
    await kiosk.hear(restocked(apple, 9, 3));
    await kiosk.hear(repriced(apple, 100, 2));
    await kiosk.hear(added(store, apple, 'Apple'));

    expect(await products()).toMatchObject([{ price: euros(170), stock: 4 }]);
    expect((await kiosk.get('/v1/stores')).body.stores).toMatchObject([{ name: 'Grocer' }]);
  });

  test('forgets a removed product, also when what came before its removal comes again', async () => {
    const [store, apple] = [newId(), newId()];
    await kiosk.hear(opened(store, 'Grocer'));
    await kiosk.hear(added(store, apple, 'Apple'));
    await kiosk.hear(anEvent('stores.product_removed', { productId: apple, version: 2 }));
    await kiosk.hear(added(store, apple, 'Apple'));

    expect(await products()).toEqual([]);
  });

  test('lets pass changes of a product that it never heard of', async () => {
    await kiosk.hear(repriced(newId(), 170, 2));
    await kiosk.hear(anEvent('stores.product_removed', { productId: newId(), version: 2 }));

    expect(await products()).toEqual([]);
  });

  test('needs a store id that is one, and no other filter', async () => {
    expect(await kiosk.get('/v1/products?storeId=1')).toMatchObject({
      status: 400,
      body: { field: 'storeId', value: '1' },
    });
    expect(await kiosk.get('/v1/products?colour=red')).toMatchObject({ status: 400, body: { field: 'colour' } });
  });
});
