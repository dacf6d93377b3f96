import { expect } from 'vitest';
import { returnTaskId } from '../../../src/contract/attempts.ts';
import type { BodyOf, MessageName } from '../../../src/contract/events.ts';
import { newId } from '../../../src/contract/ids.ts';
import { type Draft, draft } from '../../../src/contract/message.ts';
import { DepotService, type ShoppingList } from '../../../src/gen/depot/v1/depot.ts';
import { connectClient } from '../../../src/rpc/client.ts';
import { startDepot } from '../../../src/services/depot/service.ts';
import { startAlone } from '../../support/service-alone.ts';

type BotEvent = Extract<MessageName, `bots.${string}`>;

export type ShopFloor = Awaited<ReturnType<typeof openShopFloor>>;
export type TestOrder = Awaited<ReturnType<ShopFloor['place']>>;

/** Depot alone, and a test that plays Stores with two stores, Orders, the hub and its bots. */
export async function openShopFloor(bayCount?: number) {
  const options = { bayCount };
  const service = await startAlone('depot', (context) => startDepot(context, options));
  let client = connectClient(DepotService, service.address, service.telemetry);

  const near = { storeId: newId(), name: 'Near', position: { x: 3, y: 0 } };
  const far = { storeId: newId(), name: 'Far', position: { x: 3, y: 4 } };
  const tea = { productId: newId(), storeId: far.storeId, sku: 'FAR-1', name: 'Tea' };
  const bread = { productId: newId(), storeId: near.storeId, sku: 'NEAR-1', name: 'Bread' };

  const storeTold = (store: typeof near, participating: boolean, version: number) =>
    service.tell(draft('stores.participation_changed', store.storeId, { ...store, participating, version }));
  const productTold = (product: typeof tea, version = 1) =>
    service.tell(
      draft('stores.product_added', product.productId, {
        ...product,
        price: { minor: 100, currency: 'EUR' },
        stock: 9,
        version,
      }),
    );
  const productRemovedTold = ({ productId }: typeof tea, version = 2) =>
    service.tell(draft('stores.product_removed', productId, { productId, version }));
  for (const store of [near, far]) await storeTold(store, true, 1);
  for (const product of [tea, bread]) await productTold(product);

  /** Two of tea (line-1) and one bread (line-2). */
  async function place(
    products: ReadonlyArray<readonly [typeof tea, number]> = [
      [tea, 2],
      [bread, 1],
    ],
  ) {
    const orderId = newId();
    const money = { minor: 100, currency: 'EUR' };
    const lines = products.map(([product, quantity], index) => ({
      ...product,
      lineId: `line-${index + 1}`,
      quantity,
      unitPrice: money,
    }));
    await service.tell(draft('orders.placed', orderId, { orderId, shopper: 'Ada', lines, total: money }));
    const list = () => client.api.getList({ orderId });
    const { taskId } = (await list().catch(() => undefined)) ?? { taskId: '' };
    const tell = <N extends BotEvent>(
      name: N,
      { taskId, kind, fence, botId }: { taskId: string; kind: string; fence: number; botId: string },
      body: Omit<BodyOf<N>, 'task'>,
      id?: string,
    ) => {
      const ref = { taskId, orderId, kind, attempt: fence, fence, botId, occurredAt: new Date() };
      const told: Draft = draft(name, orderId, { ...body, task: ref } as unknown as BodyOf<N>, {
        task: { id: taskId, fence },
      });
      return service.tell(told, id === undefined ? {} : { id });
    };
    const report = <N extends BotEvent>(name: N, fence: number, body: Omit<BodyOf<N>, 'task'>, id?: string) =>
      tell(name, { taskId, kind: 'shop', fence, botId: `bot-${fence}` }, body, id);
    const item = (lineId: string, quantity: number) => ({
      lineId,
      quantity,
      productId: '',
      storeId: '',
      original: undefined,
    });
    const outcome = (lineId: string, picked: number, short: number) => ({ lineId, picked, short });
    return {
      orderId,
      taskId,
      list,
      started: (fence = 1, id?: string) => report('bots.task_started', fence, {}, id),
      picked: (fence: number, lineId: string, units: number, id?: string) =>
        report('bots.item_picked', fence, item(lineId, units), id),
      short: (fence: number, lineId: string, units: number) => report('bots.item_short', fence, item(lineId, units)),
      lost: (lostFence = 1) => {
        const lost = { taskId, kind: 'shop', fence: lostFence + 1, botId: `bot-${lostFence}` };
        return tell('bots.task_lost', lost, { lostFence, reason: 'silent' });
      },
      cancelled: (fence = 1) => report('bots.task_cancelled', fence, { reason: 'wish', cancelledFence: fence }),
      failed: (fence = 1) => report('bots.task_failed', fence, { reason: 'POISON' }),
      /** What the hub says of a task that it cannot read, or that it is told to end before it is told to begin. */
      failedUnread: () =>
        tell('bots.task_failed', { taskId, kind: '', fence: 1, botId: '' }, { reason: 'unknown schema' }),
      cancelledUnheard: () =>
        tell('bots.task_cancelled', { taskId, kind: '', fence: 1, botId: '' }, { reason: 'wish', cancelledFence: 0 }),
      /** Back with all that was ordered. */
      succeeded: (fence = 1, id?: string) =>
        report(
          'bots.task_succeeded',
          fence,
          { lines: lines.map(({ lineId, quantity }) => outcome(lineId, quantity, 0)), original: undefined },
          id,
        ),
      cameBackEmpty: (fence = 1) =>
        report('bots.task_succeeded', fence, {
          lines: lines.map(({ lineId, quantity }) => outcome(lineId, 0, quantity)),
          original: undefined,
        }),
      calledOff: () =>
        service.tell(
          draft('orders.cancellation_requested', orderId, {
            orderId,
            reason: 'changed my mind',
            requestedBy: 'shopper',
          }),
        ),
      /** Depot's answer to that, the newest. */
      async answer() {
        await service.untilSaid('depot.list_cancelled', orderId);
        return service.said(orderId).findLast(({ name }) => name === 'depot.list_cancelled')!
          .body as BodyOf<'depot.list_cancelled'>;
      },
      /** The last word that the hub was asked to end the list's task. */
      recalled: async () => (await service.untilSaid('depot.task_cancel_requested', orderId, taskId)).body,
      handedOver: () => service.tell(draft('orders.completed', orderId, { orderId })),
      /** The bot that brings back what `attempt` had picked. */
      back(attempt: number, kind = 'return') {
        const backId = returnTaskId(taskId, attempt);
        const ref = (fence: number) => ({ taskId: backId, kind, fence, botId: `bot-${attempt}` });
        return {
          taskId: backId,
          request: async () => (await service.untilSaid('depot.task_requested', orderId, backId)).body,
          started: (fence = 1, botId = `bot-${attempt}`) => tell('bots.task_started', { ...ref(fence), botId }, {}),
          returned: (fence: number, lineId: string, units: number) =>
            tell('bots.item_returned', ref(fence), item(lineId, units)),
          lost: (fence: number) => tell('bots.task_lost', ref(fence + 1), { lostFence: fence, reason: 'silent' }),
          failed: (fence = 1) => tell('bots.task_failed', ref(fence), { reason: 'too late' }),
          cancelled: (fence = 1) => tell('bots.task_cancelled', ref(fence), { reason: 'wish', cancelledFence: fence }),
          succeeded: (fence = 1) => tell('bots.task_succeeded', ref(fence), { lines: [], original: undefined }),
          ended: async () => (await service.untilSaid('depot.return_ended', orderId, backId)).body,
          /** As staff see it. */
          shown: async () => (await list()).returns.find(({ taskId }) => taskId === backId),
        };
      },
      /** What Depot said of it, once `count` events have been heard. */
      async said(count: number) {
        await expect.poll(() => service.said(orderId).length).toBeGreaterThanOrEqual(count);
        return service.said(orderId).map(({ name, body }) => [name, body as BodyOf<MessageName>] as const);
      },
      /** The command to the hub. */
      command: async () => (await service.untilSaid('depot.task_requested', orderId)).body,
    };
  }

  return {
    service,
    stores: { near, far },
    products: { tea, bread },
    storeTold,
    productTold,
    productRemovedTold,
    place,
    bays: async () => (await client.api.listBays({ pageSize: 0, pageToken: '' })).bays,
    list: (orderId: string): Promise<ShoppingList> => client.api.getList({ orderId }),
    /** `bayCount` is another number of bays from then on. */
    async restart(bayCount = options.bayCount) {
      options.bayCount = bayCount;
      client.close();
      await service.restart();
      client = connectClient(DepotService, service.address, service.telemetry);
    },
    async [Symbol.asyncDispose]() {
      client.close();
      await service[Symbol.asyncDispose]();
    },
  };
}
