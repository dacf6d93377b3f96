import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { returnTaskId } from '../../../src/contract/attempts.ts';
import type { BodyOf, MessageName } from '../../../src/contract/events.ts';
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

/** One order's list, as the hub and Depot tell of it; each attempt has a fence of its own, with room for the loss before it. */
function list() {
  const ids = { taskId: newId(), orderId: newId() };
  const tell = <N extends Extract<MessageName, `bots.${string}`>>(
    name: N,
    { taskId, kind, attempt, fence }: { taskId: string; kind: string; attempt: number; fence: number },
    body: Omit<BodyOf<N>, 'task'>,
  ): Draft => {
    const task = { ...ids, taskId, kind, attempt, fence, botId: 'bot-1', occurredAt: new Date() };
    return draft(name, ids.orderId, { ...body, task } as unknown as BodyOf<N>, { task: { id: taskId, fence } });
  };
  const at = (attempt: number) => ({ taskId: ids.taskId, kind: 'shop', attempt, fence: 2 * attempt - 1 });
  const item = (lineId: string, productId: string, quantity: number) => ({
    lineId,
    productId,
    quantity,
    storeId,
    original: undefined,
  });
  type Item = Parameters<typeof item>;
  return {
    ...ids,
    picked: (attempt: number, ...args: Item) => tell('bots.item_picked', at(attempt), item(...args)),
    short: (attempt: number, ...args: Item) => tell('bots.item_short', at(attempt), item(...args)),
    lost: (attempt: number) => {
      const { fence: lostFence } = at(attempt);
      const next = { ...at(attempt + 1), fence: lostFence + 1 };
      return tell('bots.task_lost', next, { lostFence, reason: 'silent' });
    },
    failed: (attempt: number) => tell('bots.task_failed', { ...at(attempt), fence: 2 * attempt }, { reason: 'POISON' }),
    cancelled: (attempt: number) => {
      const { fence: cancelledFence } = at(attempt);
      return tell('bots.task_cancelled', { ...at(attempt), fence: 2 * attempt }, { reason: 'wish', cancelledFence });
    },
    /** The return task of what `attempt` had picked. */
    back(attempt: number) {
      const taskId = returnTaskId(ids.taskId, attempt);
      const ref = (fence: number) => ({ taskId, kind: 'return', attempt: fence, fence });
      return {
        returned: (fence: number, ...args: Item) => tell('bots.item_returned', ref(fence), item(...args)),
        lost: (fence: number) => tell('bots.task_lost', ref(fence + 1), { lostFence: fence, reason: 'silent' }),
        ended: () => draft('depot.return_ended', ids.orderId, { orderId: ids.orderId, taskId, lines: [], reason: '' }),
      };
    },
  };
}

const goneOf = (productId: string) =>
  service
    .said(productId)
    .flatMap(({ name, body }) => (name === 'stores.units_gone' ? [body as BodyOf<'stores.units_gone'>] : []));

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
    const { orderId, picked, short } = list();
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
    await service.tell(list().picked(1, 'line-1', tea, 3));
    expect(await stockOf(tea)).toBe(-2);
    await client.api.setStock({ productId: tea, stock: 5 });
    expect(await stockChanges(tea, 2)).toMatchObject([{ stock: -2 }, { stock: 5, delta: 7, reason: StockReason.SET }]);
  });

  it('take a report that comes twice once', async () => {
    const tea = await add(10);
    const { picked, back } = list();
    const first = await service.tell(picked(1, 'line-1', tea, 2));
    await service.tell(picked(1, 'line-1', tea, 2), { id: first });
    expect(await stockOf(tea)).toBe(8);
    const again = await service.tell(back(1).returned(1, 'line-1', tea, 1));
    await service.tell(back(1).returned(1, 'line-1', tea, 1), { id: again });
    expect(await stockOf(tea)).toBe(9);
    expect(await stockChanges(tea, 2)).toHaveLength(2);
  });

  it('stay without what a lost attempt picked until it is back, and have at once what it wrote off', async () => {
    const [tea, jam] = [await add(10), await add(10)];
    const { picked, short, lost, back } = list();
    await service.tell(picked(1, 'line-1', tea, 1));
    await service.tell(picked(1, 'line-1', tea, 1));
    await service.tell(short(1, 'line-1', tea, 1));
    await service.tell(picked(1, 'line-2', jam, 4));
    await service.tell(lost(1));
    expect([await stockOf(tea), await stockOf(jam)]).toEqual([8, 6]);

    // Nothing more of the attempt is accepted; the next one has its own account.
    await service.tell(picked(1, 'line-2', jam, 5));
    await service.tell(picked(2, 'line-2', jam, 5));
    expect([await stockOf(tea), await stockOf(jam)]).toEqual([8, 1]);
    await service.tell(back(1).returned(1, 'line-1', tea, 2));
    await service.tell(back(1).returned(1, 'line-2', jam, 4));
    await service.tell(back(1).ended());
    expect([await stockOf(tea), await stockOf(jam)]).toEqual([10, 5]);
    expect((await stockChanges(tea, 5)).map(({ delta, reason, attempt }) => [delta, reason, attempt])).toEqual([
      [-1, StockReason.PICKED, 1],
      [-1, StockReason.PICKED, 1],
      [-1, StockReason.SHORT, 1],
      [1, StockReason.SHORT, 1],
      [2, StockReason.RETURNED, 1],
    ]);
    expect([...goneOf(tea), ...goneOf(jam)]).toEqual([]);
  });

  it('get back what was picked and no more, by however many attempts at the return', async () => {
    const tea = await add(10);
    const { picked, lost, back } = list();
    await service.tell(picked(1, 'line-1', tea, 3));
    await service.tell(lost(1));
    const { returned, lost: returnLost, ended } = back(1);
    await service.tell(returned(1, 'line-1', tea, 2));
    await service.tell(returnLost(1));
    expect(await stockOf(tea)).toBe(9);
    await service.tell(returned(1, 'line-1', tea, 1));
    expect(await stockOf(tea)).toBe(9);
    await service.tell(returned(3, 'line-1', tea, 3));
    await service.tell(returned(3, 'line-9', tea, 3));
    await service.tell(ended());
    expect(await stockOf(tea)).toBe(10);
  });

  it.each(['failed', 'cancelled'] as const)(
    'are without what a %s attempt had picked for good once its return has ended, and say so',
    async (end) => {
      const tea = await add(10);
      const { orderId, picked, short, back, ...ends } = list();
      await service.tell(picked(3, 'line-1', tea, 3));
      await service.tell(short(3, 'line-1', tea, 1));
      await service.tell(ends[end](3));
      // Nobody will look again: what was missing stays written off.
      expect(await stockOf(tea)).toBe(6);
      await service.tell(back(3).returned(1, 'line-1', tea, 1));
      await service.tell(back(3).ended());
      await service.tell(back(3).ended());
      expect(await stockOf(tea)).toBe(7);
      await service.untilSaid('stores.units_gone', tea);
      expect(goneOf(tea)).toMatchObject([{ productId: tea, orderId, lineId: 'line-1', quantity: 2, attempt: 3 }]);
    },
  );

  it('come to the same when Depot says that nothing comes back before the pick is heard of', async () => {
    const tea = await add(10);
    const { picked, lost, back } = list();
    await service.tell(back(1).ended());
    await service.tell(picked(1, 'line-1', tea, 2));
    await service.tell(lost(1));
    expect(await stockOf(tea)).toBe(8);
    await service.untilSaid('stores.units_gone', tea);
    expect(goneOf(tea)).toMatchObject([{ quantity: 2 }]);
  });

  it('do not lose on account of a shortage what they do not have', async () => {
    const tea = await add(4);
    const { picked, short, lost, back } = list();
    await service.tell(picked(1, 'line-1', tea, 4));
    await service.tell(lost(1));
    await service.tell(short(2, 'line-1', tea, 4));
    expect(await stockOf(tea)).toBe(0);
    await service.tell(back(1).returned(1, 'line-1', tea, 4));
    expect(await stockOf(tea)).toBe(4);
  });

  it('add up when many tasks pick, lose and bring back the same products at the same time', async () => {
    const products = [await add(100), await add(100), await add(100)];
    await Promise.all(
      Array.from({ length: 8 }, async (_, index) => {
        const { picked, short, lost, back } = list();
        // Each in another order, so that locks taken in the order of arrival would wait for each other.
        const some = products.map((_, place) => products[(place * (index % 2 === 0 ? 1 : 2) + index) % 3]!);
        for (const productId of some) await service.tell(picked(1, productId, productId, 2));
        for (const productId of some) await service.tell(short(1, productId, productId, 1));
        await service.tell(lost(1));
        for (const productId of some) await service.tell(picked(2, productId, productId, 1));
        for (const productId of some) await service.tell(back(1).returned(1, productId, productId, 1));
        await service.tell(back(1).ended());
      }),
    );
    for (const productId of products) {
      const changes = await stockChanges(productId, 40);
      expect(changes).toHaveLength(40);
      expect(changes.map(({ version }) => version)).toEqual(changes.map((_, index) => index + 2));
      expect(changes.at(-1)!.stock).toBe(84);
      expect(await stockOf(productId)).toBe(84);
      await expect.poll(() => goneOf(productId).map(({ quantity }) => quantity)).toEqual(Array(8).fill(1));
    }
  });

  it('keep a report about an unknown product for staff to see, and what follows it', async () => {
    const tea = await add(10);
    const { orderId, picked } = list();
    const unknown = newId();
    await service.tell(picked(1, 'line-1', unknown, 1));
    await service.tell(picked(1, 'line-2', tea, 1));
    expect(await parkedReasons(orderId)).toEqual([expect.stringContaining(unknown), expect.any(String)]);
    expect(await stockOf(tea)).toBe(10);
  });

  it('are the same after a restart', async () => {
    const tea = await add(10);
    const { picked, lost, back } = list();
    const first = await service.tell(picked(1, 'line-1', tea, 2));
    client.close();
    await service.restart();
    client = connectClient(StoresService, service.address, service.telemetry);
    await service.tell(picked(1, 'line-1', tea, 2), { id: first });
    expect(await stockOf(tea)).toBe(8);
    await service.tell(lost(1));
    await service.tell(back(1).returned(1, 'line-1', tea, 2));
    expect(await stockOf(tea)).toBe(10);
  });
});
