import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { BodyOf } from '../../../src/contract/events.ts';
import { newId } from '../../../src/contract/ids.ts';
import { type Draft, draft } from '../../../src/contract/message.ts';
import { StockReason } from '../../../src/gen/events/stores/v1/events.ts';
import { StoresService } from '../../../src/gen/stores/v1/stores.ts';
import { connectClient, type RpcClient } from '../../../src/rpc/client.ts';
import { startStores } from '../../../src/services/stores/service.ts';
import { parked } from '../../../src/services/stores/store.ts';
import { type ServiceAlone, startAlone } from '../../support/service-alone.ts';

let service: ServiceAlone;
let client: RpcClient<StoresService>;
let storeId: string;
beforeAll(async () => {
  service = await startAlone('stores', startStores);
  client = connectClient(StoresService, service.address, service.telemetry);
});
afterAll(async () => {
  client?.close();
  await service?.[Symbol.asyncDispose]();
});
beforeEach(async () => {
  storeId = newId();
  await client.api.openStore({ storeId, name: 'Leaf & Kettle', position: { x: 1, y: 2 } });
});

let skus = 0;
async function add(stock: number): Promise<string> {
  const productId = newId();
  skus += 1;
  const price = { minor: 690, currency: 'EUR' };
  await client.api.addProduct({ productId, storeId, sku: `SKU-${skus}`, name: 'Tea', price, stock });
  return productId;
}
const stockOf = async (productId: string) =>
  (await client.api.listProducts({ storeId })).products.find((product) => product.productId === productId)?.stock;
const parkedReasons = async (key: string) =>
  (await service.database.query((orm) => orm.select().from(parked)))
    .filter((row) => row.key === key)
    .map(({ reason }) => reason);

/** One order's task, as the hub tells of it; each attempt has a fence of its own. */
function task() {
  const ids = { taskId: newId(), orderId: newId() };
  const refs = (fence: number) => ({
    ...ids,
    kind: 'shop',
    attempt: fence,
    fence,
    botId: 'bot-1',
    occurredAt: new Date(),
  });
  type Name = 'bots.item_picked' | 'bots.item_short' | 'bots.task_lost' | 'bots.task_failed';
  const tell = <N extends Name>(name: N, fence: number, body: Omit<BodyOf<N>, 'task'>): Draft =>
    draft(name, ids.orderId, { ...body, task: refs(fence) } as unknown as BodyOf<N>, {
      task: { id: ids.taskId, fence },
    });
  const item = (lineId: string, productId: string, quantity: number) => ({
    lineId,
    productId,
    quantity,
    storeId,
    original: undefined,
  });
  return {
    ...ids,
    picked: (fence: number, ...args: Parameters<typeof item>) => tell('bots.item_picked', fence, item(...args)),
    short: (fence: number, ...args: Parameters<typeof item>) => tell('bots.item_short', fence, item(...args)),
    lost: (lostFence: number) => tell('bots.task_lost', lostFence + 1, { lostFence, reason: 'silent' }),
    failed: (fence: number) => tell('bots.task_failed', fence, { reason: 'POISON' }),
  };
}

/** What was said of a product's stock, once `count` changes of it have been said. */
async function stockChanges(productId: string, count: number) {
  const changes = () =>
    service
      .said(productId)
      .flatMap(({ name, body, correlationId }) =>
        name === 'stores.stock_changed' ? [{ ...(body as BodyOf<'stores.stock_changed'>), correlationId }] : [],
      );
  await expect.poll(() => changes().length).toBeGreaterThanOrEqual(count);
  return changes();
}

describe('the books', () => {
  it('follow what bots pick and miss, on the order line, in the order of the events', async () => {
    const tea = await add(10);
    const { orderId, picked, short } = task();
    await service.tell(picked(1, 'line-1', tea, 2));
    await service.tell(short(1, 'line-1', tea, 1));
    expect(await stockOf(tea)).toBe(7);
    const line = { orderId, lineId: 'line-1', correlationId: orderId };
    expect(await stockChanges(tea, 2)).toMatchObject([
      { productId: tea, stock: 8, delta: -2, reason: StockReason.PICKED, version: 2, ...line },
      { productId: tea, stock: 7, delta: -1, reason: StockReason.SHORT, version: 3, ...line },
    ]);
  });

  it('go below zero when a shelf held more, until somebody counts', async () => {
    const tea = await add(1);
    await service.tell(task().picked(1, 'line-1', tea, 3));
    expect(await stockOf(tea)).toBe(-2);
    await client.api.setStock({ productId: tea, stock: 5 });
    expect(await stockChanges(tea, 2)).toMatchObject([{ stock: -2 }, { stock: 5, delta: 7, reason: StockReason.SET }]);
  });

  it('take a report that comes twice once', async () => {
    const tea = await add(10);
    const { picked, lost } = task();
    const first = await service.tell(picked(1, 'line-1', tea, 2));
    await service.tell(picked(1, 'line-1', tea, 2), { id: first });
    expect(await stockOf(tea)).toBe(8);
    const loss = await service.tell(lost(1));
    await service.tell(lost(1), { id: loss });
    expect(await stockOf(tea)).toBe(10);
    expect(await stockChanges(tea, 2)).toHaveLength(2);
  });

  it('get back what a lost attempt picked and wrote off, line by line, and nothing of it is accepted later', async () => {
    const [tea, jam] = [await add(10), await add(10)];
    const { picked, short, lost } = task();
    await service.tell(picked(1, 'line-1', tea, 1));
    await service.tell(picked(1, 'line-1', tea, 1));
    await service.tell(short(1, 'line-1', tea, 1));
    await service.tell(picked(1, 'line-2', tea, 4));
    await service.tell(picked(1, 'line-3', jam, 5));
    await service.tell(lost(1));
    expect([await stockOf(tea), await stockOf(jam)]).toEqual([10, 10]);
    const returned = (await stockChanges(tea, 6)).slice(4);
    expect(
      returned.map(({ lineId, delta, reason }) => ({ lineId, delta, reason })).toSorted((a, b) => a.delta - b.delta),
    ).toEqual([
      { lineId: 'line-1', delta: 3, reason: StockReason.RETURNED },
      { lineId: 'line-2', delta: 4, reason: StockReason.RETURNED },
    ]);

    await service.tell(picked(1, 'line-3', jam, 5));
    expect(await stockOf(jam)).toBe(10);
    await service.tell(picked(2, 'line-3', jam, 5));
    await service.tell(short(2, 'line-1', tea, 3));
    expect([await stockOf(tea), await stockOf(jam)]).toEqual([7, 5]);
    await service.tell(lost(2));
    expect([await stockOf(tea), await stockOf(jam)]).toEqual([10, 10]);
  });

  it('get back what the last attempt picked, and keep written off what nobody will look for again', async () => {
    const tea = await add(10);
    const { picked, short, failed } = task();
    await service.tell(picked(3, 'line-1', tea, 2));
    await service.tell(short(3, 'line-1', tea, 1));
    await service.tell(failed(3));
    expect(await stockOf(tea)).toBe(9);
    expect(await stockChanges(tea, 3)).toMatchObject([{}, {}, { reason: StockReason.RETURNED, delta: 2, stock: 9 }]);
  });

  it('add up when many tasks pick and lose the same products at the same time', async () => {
    const products = [await add(100), await add(100), await add(100)];
    await Promise.all(
      Array.from({ length: 8 }, async (_, index) => {
        const { picked, lost } = task();
        // Each in another order, so that locks taken in the order of arrival would wait for each other.
        const some = products.map((_, place) => products[(place * (index % 2 === 0 ? 1 : 2) + index) % 3]!);
        for (const productId of some) await service.tell(picked(1, productId, productId, 2));
        await service.tell(lost(1));
        for (const productId of some) await service.tell(picked(2, productId, productId, 1));
      }),
    );
    for (const productId of products) {
      const changes = await stockChanges(productId, 24);
      expect(changes).toHaveLength(24);
      expect(changes.map(({ version }) => version)).toEqual(changes.map((_, index) => index + 2));
      expect(changes.at(-1)!.stock).toBe(92);
      expect(await stockOf(productId)).toBe(92);
    }
  });

  it('keep a report about an unknown product for staff to see, and what follows it', async () => {
    const tea = await add(10);
    const { orderId, picked } = task();
    const unknown = newId();
    await service.tell(picked(1, 'line-1', unknown, 1));
    await service.tell(picked(1, 'line-2', tea, 1));
    expect(await parkedReasons(orderId)).toEqual([expect.stringContaining(unknown), expect.any(String)]);
    expect(await stockOf(tea)).toBe(10);
  });

  it('are the same after a restart', async () => {
    const tea = await add(10);
    const { picked, lost } = task();
    const first = await service.tell(picked(1, 'line-1', tea, 2));
    client.close();
    await service.restart();
    client = connectClient(StoresService, service.address, service.telemetry);
    await service.tell(picked(1, 'line-1', tea, 2), { id: first });
    expect(await stockOf(tea)).toBe(8);
    await service.tell(lost(1));
    expect(await stockOf(tea)).toBe(10);
  });
});
