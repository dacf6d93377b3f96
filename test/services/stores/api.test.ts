import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { newId } from '../../../src/contract/ids.ts';
import { StoresService } from '../../../src/gen/stores/v1/stores.ts';
import { connectClient, type RpcClient } from '../../../src/rpc/client.ts';
import { startStores } from '../../../src/services/stores/service.ts';
import { type ServiceAlone, startAlone } from '../../support/service-alone.ts';

let service: ServiceAlone;
let client: RpcClient<StoresService>;
beforeAll(async () => {
  service = await startAlone('stores', startStores);
  client = connectClient(StoresService, service.address, service.telemetry);
});
afterAll(async () => {
  client?.close();
  await service?.[Symbol.asyncDispose]();
});

const storeOf = (more = {}) => ({ storeId: newId(), name: 'Leaf & Kettle', position: { x: -3.5, y: 4 }, ...more });
const productOf = (storeId: string, more = {}) => ({
  productId: newId(),
  storeId,
  sku: 'LEA-01',
  name: 'Tea',
  price: { minor: 690, currency: 'EUR' },
  stock: 10,
  ...more,
});
const names = (key: string) => service.said(key).map(({ name }) => name);
const failure = (code: string, field: string, value?: string) =>
  expect.objectContaining({
    code,
    message: expect.stringContaining(field),
    detail: expect.objectContaining(value === undefined ? { field } : { field, value }),
  });

async function open() {
  const store = storeOf();
  await client.api.openStore(store);
  return store.storeId;
}
async function add(more = {}) {
  const product = productOf(await open(), more);
  await client.api.addProduct(product);
  return product;
}

describe('stores', () => {
  it('open, are listed, withdraw and come back, and each change is told', async () => {
    const store = storeOf();
    expect(await client.api.openStore(store)).toMatchObject({ ...store, participating: true });
    const { stores } = await client.api.listStores({});
    expect(stores.find(({ storeId }) => storeId === store.storeId)).toMatchObject({ ...store, participating: true });

    const { storeId } = store;
    expect(await client.api.setParticipation({ storeId, participating: false })).toMatchObject({
      participating: false,
    });
    expect(await client.api.setParticipation({ storeId, participating: false })).toMatchObject({
      participating: false,
    });
    expect(await client.api.openStore(store)).toMatchObject({ ...store, participating: false });
    await client.api.setParticipation({ storeId, participating: true });
    await service.untilSaid('stores.participation_changed', storeId);
    await expect
      .poll(() => service.said(storeId).map(({ body }) => body))
      .toMatchObject([
        { ...store, participating: true, version: 1 },
        { participating: false, version: 2 },
        { participating: true, version: 3 },
      ]);
  });

  it('open once under one id, also when asked twice at the same time', async () => {
    const store = storeOf();
    const answers = await Promise.all([1, 2, 3, 4].map(() => client.api.openStore(store)));
    expect(answers).toEqual(answers.map(() => answers[0]));
    await expect(client.api.openStore({ ...store, name: 'Another' })).rejects.toEqual(
      failure('ALREADY_EXISTS', 'store_id', store.storeId),
    );
    await service.untilSaid('stores.participation_changed', store.storeId);
    expect(service.said(store.storeId)).toHaveLength(1);
  });

  it.each([
    ['store_id', { storeId: 'first' }],
    ['name', { name: ' ' }],
    ['name', { name: 'x'.repeat(101) }],
    ['name', { name: 'nul\0' }],
    ['position', { position: undefined }],
    ['position.x', { position: { x: Number.NaN, y: 0 } }],
    ['position.y', { position: { x: 0, y: 1_000.5 } }],
  ])('do not open with a bad %s', async (field, bad) => {
    const store = storeOf(bad);
    await expect(client.api.openStore(store)).rejects.toEqual(failure('INVALID_ARGUMENT', field));
    expect((await client.api.listStores({})).stores.map(({ storeId }) => storeId)).not.toContain(store.storeId);
  });

  it('that nobody opened cannot take part', async () => {
    const storeId = newId();
    await expect(client.api.setParticipation({ storeId, participating: true })).rejects.toEqual(
      failure('NOT_FOUND', 'store_id', storeId),
    );
    await expect(client.api.setParticipation({ storeId: '', participating: true })).rejects.toEqual(
      failure('INVALID_ARGUMENT', 'store_id'),
    );
  });
});

describe('products', () => {
  it('are added, priced, counted, listed and removed, and each change is told in order', async () => {
    const product = await add();
    const { productId, storeId } = product;
    const price = { minor: 1_000_000_000, currency: 'EUR' };
    expect(await client.api.changePrice({ productId, price })).toMatchObject({ productId, price, stock: 10 });
    expect(await client.api.setStock({ productId, stock: 0 })).toMatchObject({ price, stock: 0 });
    expect((await client.api.listProducts({ storeId })).products).toMatchObject([{ ...product, price, stock: 0 }]);
    expect(await client.api.removeProduct({ productId })).toMatchObject({ productId, removed: true });
    expect(await client.api.removeProduct({ productId })).toMatchObject({ productId, removed: true });
    expect((await client.api.listProducts({ storeId: '' })).products.map((p) => p.productId)).not.toContain(productId);

    await service.untilSaid('stores.product_removed', productId);
    expect(service.said(productId).map(({ name, body }) => [name, (body as { version: number }).version])).toEqual([
      ['stores.product_added', 1],
      ['stores.price_changed', 2],
      ['stores.stock_changed', 3],
      ['stores.product_removed', 4],
    ]);
  });

  it('are added once under one id, also when asked twice at the same time and later', async () => {
    const product = productOf(await open());
    const answers = await Promise.all([1, 2, 3].map(() => client.api.addProduct(product)));
    expect(answers).toEqual(answers.map(() => answers[0]));
    await client.api.setStock({ productId: product.productId, stock: 4 });
    expect(await client.api.addProduct(product)).toMatchObject({ productId: product.productId, stock: 4 });
    await expect(client.api.addProduct({ ...product, stock: 11 })).rejects.toEqual(
      failure('ALREADY_EXISTS', 'product_id', product.productId),
    );
    await expect(client.api.addProduct({ ...product, storeId: await open() })).rejects.toEqual(
      failure('ALREADY_EXISTS', 'product_id', product.productId),
    );
    await service.untilSaid('stores.stock_changed', product.productId);
    expect(names(product.productId)).toEqual(['stores.product_added', 'stores.stock_changed']);
  });

  it('are added under one id by one of two stores that ask at the same time', async () => {
    const product = productOf(await open());
    const rival = { ...product, storeId: await open() };
    const answers = await Promise.allSettled([client.api.addProduct(product), client.api.addProduct(rival)]);
    expect(answers.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected']);
    const refusal = answers.find((answer) => answer.status === 'rejected');
    expect(refusal?.reason).toEqual(failure('ALREADY_EXISTS', 'product_id', product.productId));
  });

  it('have an SKU that no other product of the store on sale has, also when added at the same time', async () => {
    const storeId = await open();
    const [first, second] = [productOf(storeId), productOf(storeId)];
    const answers = await Promise.allSettled([client.api.addProduct(first), client.api.addProduct(second)]);
    expect(answers.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected']);
    const refusal = answers.find((answer) => answer.status === 'rejected');
    expect(refusal?.reason).toEqual(failure('ALREADY_EXISTS', 'sku', 'LEA-01'));

    const [holder] = (await client.api.listProducts({ storeId })).products;
    await client.api.removeProduct({ productId: holder!.productId });
    expect(await client.api.addProduct(productOf(storeId))).toMatchObject({ sku: 'LEA-01' });
    expect(await client.api.addProduct(productOf(await open()))).toMatchObject({ sku: 'LEA-01' });
  });

  it.each([
    ['product_id', { productId: 'tea' }],
    ['store_id', { storeId: 'store' }],
    ['sku', { sku: '' }],
    ['sku', { sku: 'has space' }],
    ['sku', { sku: 'x'.repeat(33) }],
    ['name', { name: '' }],
    ['price', { price: undefined }],
    ['price.minor', { price: { minor: -1, currency: 'EUR' } }],
    ['price.minor', { price: { minor: 1_000_000_001, currency: 'EUR' } }],
    ['price.currency', { price: { minor: 1, currency: 'euro' } }],
    ['stock', { stock: 1_000_001 }],
  ])('are not added with a bad %s', async (field, bad) => {
    const storeId = await open();
    await expect(client.api.addProduct(productOf(storeId, bad))).rejects.toEqual(failure('INVALID_ARGUMENT', field));
    expect((await client.api.listProducts({ storeId })).products).toEqual([]);
  });

  it('are not added to, nor listed of, a store that nobody opened', async () => {
    const storeId = newId();
    await expect(client.api.addProduct(productOf(storeId))).rejects.toEqual(failure('NOT_FOUND', 'store_id', storeId));
    await expect(client.api.listProducts({ storeId })).rejects.toEqual(failure('NOT_FOUND', 'store_id', storeId));
    await expect(client.api.listProducts({ storeId: '7' })).rejects.toEqual(
      failure('INVALID_ARGUMENT', 'store_id', '7'),
    );
  });

  it('keep their price and stock when what they are changed to is wrong', async () => {
    const { productId, storeId, ...product } = await add();
    const { api } = client;
    const price = { minor: 1, currency: 'EUR' };
    const unknown = newId();
    const wrong: Array<[() => Promise<unknown>, ReturnType<typeof failure>]> = [
      [() => api.changePrice({ productId, price: undefined }), failure('INVALID_ARGUMENT', 'price')],
      [
        () => api.changePrice({ productId, price: { ...price, minor: -1 } }),
        failure('INVALID_ARGUMENT', 'price.minor', '-1'),
      ],
      [
        () => api.changePrice({ productId, price: { ...price, currency: 'EURO' } }),
        failure('INVALID_ARGUMENT', 'price.currency', 'EURO'),
      ],
      [() => api.changePrice({ productId: 'tea', price }), failure('INVALID_ARGUMENT', 'product_id', 'tea')],
      [() => api.changePrice({ productId: unknown, price }), failure('NOT_FOUND', 'product_id', unknown)],
      [() => api.setStock({ productId, stock: 2 ** 32 - 1 }), failure('INVALID_ARGUMENT', 'stock', '4294967295')],
      [() => api.setStock({ productId: 'tea', stock: 1 }), failure('INVALID_ARGUMENT', 'product_id', 'tea')],
      [() => api.setStock({ productId: unknown, stock: 1 }), failure('NOT_FOUND', 'product_id', unknown)],
      [() => api.removeProduct({ productId: 'tea' }), failure('INVALID_ARGUMENT', 'product_id', 'tea')],
      [() => api.removeProduct({ productId: unknown }), failure('NOT_FOUND', 'product_id', unknown)],
    ];
    for (const [call, expected] of wrong) await expect(call()).rejects.toEqual(expected);
    await expect(api.changePrice({ productId, price: { minor: 1, currency: 'USD' } })).rejects.toMatchObject({
      code: 'FAILED_PRECONDITION',
      detail: { field: 'price.currency', value: 'USD', reason: 'CURRENCY_MISMATCH' },
    });
    expect((await api.listProducts({ storeId })).products).toMatchObject([product]);
  });

  it('that were removed are not found by changes', async () => {
    const { productId } = await add();
    await client.api.removeProduct({ productId });
    const price = { minor: 1, currency: 'EUR' };
    await expect(client.api.changePrice({ productId, price })).rejects.toEqual(failure('NOT_FOUND', 'product_id'));
    await expect(client.api.setStock({ productId, stock: 1 })).rejects.toEqual(failure('NOT_FOUND', 'product_id'));
  });
});
