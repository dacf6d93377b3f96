import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { type Bot, connectBot, returnKind, shopKind, TaskAborted } from '../../bots/sdk/index.ts';
import { check } from '../../src/audit/checks.ts';
import { readFacts } from '../../src/audit/store.ts';
import { createEmbeddedBroker } from '../../src/broker/embedded.ts';
import { type ListeningRole, readConfig } from '../../src/config.ts';
import { newId } from '../../src/contract/ids.ts';
import type { Database } from '../../src/database/port.ts';
import { startKiosk } from '../../src/gateways/kiosk/kiosk.ts';
import { DepotService, ReturnState } from '../../src/gen/depot/v1/depot.ts';
import { FleetAdminService, ListTasksRequest } from '../../src/gen/fleet/v1/fleet.ts';
import { CancelledBy, OrderState, OrdersService } from '../../src/gen/orders/v1/orders.ts';
import { PaymentsService } from '../../src/gen/payments/v1/payments.ts';
import { StoresService } from '../../src/gen/stores/v1/stores.ts';
import { startHub } from '../../src/hub/hub.ts';
import type { StartRole } from '../../src/role/role.ts';
import { connectClient } from '../../src/rpc/client.ts';
import { startDepot } from '../../src/services/depot/service.ts';
import { startOrders } from '../../src/services/orders/service.ts';
import { startPayments } from '../../src/services/payments/service.ts';
import { startStores } from '../../src/services/stores/service.ts';
import { withDatabase } from '../support/database.ts';
import { silentLogger } from '../support/silent-logger.ts';
import { TcpProxy } from '../support/tcp-proxy.ts';
import { recordingTelemetry } from '../support/telemetry.ts';

/** ms, on a machine that is busy with other tests. */
const patience = { timeout: 60_000, interval: 50 };
const leaseMs = 1_000;

let cleanUp: AsyncDisposableStack;
let mall: Awaited<ReturnType<typeof startMall>>;
beforeEach(async () => {
  cleanUp = new AsyncDisposableStack();
  mall = await startMall();
});
afterEach(() => cleanUp.disposeAsync());

/** Every service and a hub for real, with ten of one product; the wire to the hub can be cut. */
async function startMall() {
  const { database } = cleanUp.use(await withDatabase());
  const broker = createEmbeddedBroker({ logger: silentLogger });
  cleanUp.defer(() => broker.close());
  const environment: Record<string, string> = {
    MALLBOTS_HUB_LEASE_MS: String(leaseMs),
    MALLBOTS_KIOSK_GRPC_LISTEN: '127.0.0.1:0',
  };
  const start = async (role: ListeningRole, starter: StartRole): Promise<string> => {
    environment[`MALLBOTS_${role.toUpperCase()}_LISTEN`] = '127.0.0.1:0';
    const telemetry = recordingTelemetry(role);
    const running = await starter({ config: readConfig(environment), database, broker, telemetry });
    cleanUp.defer(() => running.drain());
    environment[`MALLBOTS_${role.toUpperCase()}_ADDRESS`] = running.address;
    return running.address;
  };
  const telemetry = recordingTelemetry('test');
  const stores = connectClient(StoresService, await start('stores', startStores), telemetry);
  const orders = connectClient(OrdersService, await start('orders', startOrders), telemetry);
  const payments = connectClient(PaymentsService, await start('payments', startPayments), telemetry);
  const depot = connectClient(DepotService, await start('depot', startDepot), telemetry);
  await start('kiosk', startKiosk);
  const hub = await start('hub', startHub);
  const admin = connectClient(FleetAdminService, hub, telemetry);
  for (const client of [stores, orders, payments, depot, admin]) cleanUp.defer(() => client.close());

  const wire = await TcpProxy.to('127.0.0.1', Number(hub.split(':')[1]));
  cleanUp.defer(() => wire.close());
  const [storeId, productId] = [newId(), newId()];
  await stores.api.openStore({ storeId, name: 'Leaf & Kettle', position: { x: 3, y: 4 } });
  const price = { minor: 690, currency: 'EUR' };
  await stores.api.addProduct({ productId, storeId, sku: 'TEA', name: 'Tea', price, stock: 10 });

  return {
    database: database as Database,
    hub,
    wire,
    orders: orders.api,
    payments: payments.api,
    stock: async () => (await stores.api.listProducts({ storeId })).products[0]!.stock,
    list: (orderId: string) => depot.api.getList({ orderId }),
    tasks: async (orderId: string) => (await admin.api.listTasks(ListTasksRequest.fromPartial({ orderId }))).tasks,
    place: () =>
      vi.waitFor(
        () =>
          orders.api.placeOrder({
            ...{ idempotencyKey: 'order', shopper: 'Ada', currency: 'EUR' },
            lines: [{ productId, quantity: 4 }],
          }),
        patience,
      ),
  };
}

type Found = 'all of it' | 'three, and there it stays';

/** A robot that does lists and brings goods back, without legs. */
function robot(botId: string, hub: string, found: Found, told: string[], carries: 'back' | 'away' = 'back'): Bot {
  const bot = connectBot({
    ...{ hub, botId, reconnect: { firstMs: 20, maxMs: 100, factor: 2 } },
    kinds: [
      shopKind.serve(async ({ payload, signal, progress }) => {
        const [stop] = payload.stops;
        const [item] = stop!.items;
        const picked = found === 'all of it' ? item!.quantity : 3;
        const { storeId } = stop!;
        const { lineId, productId } = item!;
        await progress({ step: { $case: 'itemPicked', value: { lineId, productId, storeId, quantity: picked } } });
        if (found !== 'all of it') {
          await new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason))).catch(
            (error: unknown) => {
              if (error instanceof TaskAborted) told.push(`list ${error.why}`);
              throw error;
            },
          );
        }
        return { lines: [{ lineId, picked, short: 0 }], walkedMetres: 10 };
      }),
      returnKind.serve(async ({ payload, progress, signal }) => {
        if (payload.collect) told.push(`collected from ${payload.collect.bay}`);
        if (carries === 'away') await new Promise((_, reject) => signal.addEventListener('abort', reject));
        for (const { storeId, storeName, items } of payload.stops) {
          for (const { lineId, productId, name, quantity } of items) {
            await progress({ step: { $case: 'itemReturned', value: { lineId, productId, storeId, quantity } } });
            told.push(`${quantity} x ${name} back at ${storeName}`);
          }
        }
        return { walkedMetres: 10 };
      }),
    ],
  });
  cleanUp.defer(() => bot.kill());
  return bot;
}

it.each([
  ['is back when its lease is over', 'cut off'],
  ['was killed, and starts again under the same name', 'killed'],
] as const)(
  'a bot that %s brings back what it had picked, while another one does the list',
  async (_, how) => {
    const { orderId } = await mall.place();
    const told: string[] = [];
    const wire = `127.0.0.1:${mall.wire.port}`;
    const loser = robot('loser', wire, 'three, and there it stays', told);
    await vi.waitFor(async () => expect(await mall.stock()).toBe(7), patience);

    if (how === 'killed') await loser.kill();
    else await mall.wire.refuse();
    const heir = robot('heir', mall.hub, 'all of it', []);
    await vi.waitFor(async () => expect(await mall.stock()).toBe(3), patience);
    // The first three are with the loser: nobody else is asked for them.
    await vi.waitFor(
      async () =>
        expect((await mall.list(orderId)).returns).toMatchObject([{ botId: 'loser', state: ReturnState.REQUESTED }]),
      patience,
    );
    expect(heir.state).toMatchObject({ at: 'ready' });

    if (how === 'killed') robot('loser', wire, 'all of it', told);
    else await mall.wire.restore();
    await vi.waitFor(async () => expect(await mall.stock()).toBe(6), patience);
    await vi.waitFor(
      async () =>
        expect((await mall.list(orderId)).returns).toMatchObject([
          { attempt: 1, state: ReturnState.DONE, items: [{ quantity: 3, returned: 3 }] },
        ]),
      patience,
    );
    expect(told.at(-1)).toBe('3 x Tea back at Leaf & Kettle');
    expect(told[0]).toBe(how === 'killed' ? 'list killed' : 'list lease-lost');
    const tasks = await mall.tasks(orderId);
    expect(tasks.map(({ kind, state, botId, attempt }) => `${kind} ${state} ${botId} ${attempt}`).sort()).toEqual([
      'return SUCCEEDED loser 1',
      'shop SUCCEEDED heir 2',
    ]);

    const { due } = await mall.payments.getInvoice({ orderId });
    await mall.payments.pay({ orderId, idempotencyKey: 'payment', amount: due });
    const byHand = { orderId, pickupCode: '', identityReason: 'the only shopper here' };
    await vi.waitFor(async () => {
      expect((await mall.orders.handOver(byHand)).state).toBe(OrderState.COMPLETED);
    }, patience);
    await vi.waitFor(async () => expect(check(await readFacts(mall.database))).toEqual([]), patience);
  },
  240_000,
);

it('goods in a bay whose order is cancelled are brought back by any bot, and by nobody else once that has them', async () => {
  const { orderId } = await mall.place();
  const bringer = robot('bringer', mall.hub, 'all of it', []);
  await vi.waitFor(async () => {
    expect(await mall.orders.getOrder({ orderId, withPickupCode: false })).toMatchObject({
      state: OrderState.READY,
      bay: 'B1',
    });
  }, patience);
  await bringer.kill();

  const told: string[] = [];
  const carrier = robot('carrier', mall.hub, 'all of it', told, 'away');
  const requestedBy = CancelledBy.SHOPPER;
  await mall.orders.cancelOrder({ orderId, idempotencyKey: 'cancellation', requestedBy, reason: '' });
  await vi.waitFor(() => expect(told).toEqual(['collected from B1']), patience);
  await carrier.kill();
  const others: string[] = [];
  robot('other', mall.hub, 'all of it', others);
  await vi.waitFor(async () => {
    const tasks = await mall.tasks(orderId);
    expect(tasks.find(({ kind }) => kind === 'return')).toMatchObject({
      state: 'QUEUED',
      attempt: 2,
      onlyBotId: 'carrier',
    });
  }, patience);
  expect((await mall.orders.getOrder({ orderId, withPickupCode: false })).state).toBe(OrderState.CANCELLING);

  robot('carrier', mall.hub, 'all of it', told);
  await vi.waitFor(async () => {
    expect(await mall.orders.getOrder({ orderId, withPickupCode: false })).toMatchObject({
      state: OrderState.CANCELLED,
    });
  }, patience);
  expect((await mall.list(orderId)).returns).toMatchObject([
    { botId: 'carrier', fromDepot: true, state: ReturnState.DONE, items: [{ quantity: 4, returned: 4 }] },
  ]);
  expect(await mall.stock()).toBe(10);
  expect(others).toEqual([]);
  await vi.waitFor(async () => expect(check(await readFacts(mall.database))).toEqual([]), patience);
}, 240_000);
