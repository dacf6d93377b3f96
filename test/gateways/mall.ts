import { vi } from 'vitest';
import { createEmbeddedBroker } from '../../src/broker/embedded.ts';
import { type ListeningRole, readConfig } from '../../src/config.ts';
import { newId } from '../../src/contract/ids.ts';
import { type Draft, draft, seal } from '../../src/contract/message.ts';
import { addressOf } from '../../src/contract/topology.ts';
import { startKiosk } from '../../src/gateways/kiosk/kiosk.ts';
import { startStaff } from '../../src/gateways/staff/staff.ts';
import { DepotService } from '../../src/gen/depot/v1/depot.ts';
import { StaffService } from '../../src/gen/staff/v1/staff.ts';
import { StoresService } from '../../src/gen/stores/v1/stores.ts';
import { freePort } from '../../src/kit/free-port.ts';
import type { StartRole } from '../../src/role/role.ts';
import { connectClient } from '../../src/rpc/client.ts';
import { startDepot } from '../../src/services/depot/service.ts';
import { startOrders } from '../../src/services/orders/service.ts';
import { startPayments } from '../../src/services/payments/service.ts';
import { startStores } from '../../src/services/stores/service.ts';
import { withDatabase } from '../support/database.ts';
import { silentLogger } from '../support/silent-logger.ts';
import { recordingTelemetry } from '../support/telemetry.ts';

/** ms, on a machine that is busy with other tests. */
const planPatienceMs = 20_000;

/** Every service and both gateways for real, in process; the one thing played is the fleet, whose events a test publishes. */
export async function startMall() {
  const cleanUp = new AsyncDisposableStack();
  const { database } = cleanUp.use(await withDatabase());
  const broker = createEmbeddedBroker({ logger: silentLogger });
  cleanUp.defer(() => broker.close());
  const environment: Record<string, string> = { MALLBOTS_KIOSK_GRPC_LISTEN: `127.0.0.1:${await freePort()}` };
  const start = async (role: ListeningRole, starter: StartRole): Promise<string> => {
    environment[`MALLBOTS_${role.toUpperCase()}_LISTEN`] = '127.0.0.1:0';
    const telemetry = recordingTelemetry(role);
    const running = await starter({ config: readConfig(environment), database, broker, telemetry });
    cleanUp.defer(() => running.drain());
    environment[`MALLBOTS_${role.toUpperCase()}_ADDRESS`] = running.address;
    return running.address;
  };
  const addresses = {
    stores: await start('stores', startStores),
    orders: await start('orders', startOrders),
    payments: await start('payments', startPayments),
    depot: await start('depot', startDepot),
    kiosk: await start('kiosk', startKiosk),
    staff: await start('staff', startStaff),
  };
  // What the depot asks bots for is taken and done by the test.
  const hub = await broker.consume('hub.tasks', 100, (delivery) => delivery.ack());
  cleanUp.defer(() => hub.drain());
  const telemetry = recordingTelemetry('test');
  const stores = connectClient(StoresService, addresses.stores, telemetry);
  const depot = connectClient(DepotService, addresses.depot, telemetry);
  const staff = connectClient(StaffService, addresses.staff, telemetry);
  for (const client of [stores, depot, staff]) cleanUp.defer(() => client.close());

  const publish = (event: Draft) =>
    broker.publish(
      addressOf(event.name),
      seal(event, { id: newId(), source: '/hub', time: new Date(), causationId: newId(), traceparent: '' }),
    );

  return {
    url: `http://${addresses.kiosk}`,
    stores: stores.api,
    depot: depot.api,
    staff: staff.api,
    database,
    publish,
    /** A bot does an order's list: everything is found. */
    async shop(orderId: string): Promise<void> {
      // The depot plans an order when it hears of it, a moment after the kiosk.
      const { taskId, stops } = await vi.waitFor(() => depot.api.getList({ orderId }), { timeout: planPatienceMs });
      const task = { taskId, orderId, kind: 'shop', attempt: 1, fence: 1, botId: 'bot-1', occurredAt: new Date() };
      const more = { correlationId: orderId, task: { id: taskId, fence: 1 } };
      await publish(draft('bots.task_started', orderId, { task }, more));
      const items = stops.flatMap(({ storeId, items }) => items.map((item) => ({ storeId, ...item })));
      for (const { storeId, lineId, productId, quantity } of items) {
        const body = { task, lineId, productId, storeId, quantity, original: undefined };
        await publish(draft('bots.item_picked', orderId, body, more));
      }
      const lines = items.map(({ lineId, quantity }) => ({ lineId, picked: quantity, short: 0 }));
      await publish(draft('bots.task_succeeded', orderId, { task, lines, original: undefined }, more));
    },
    async [Symbol.asyncDispose]() {
      await cleanUp.disposeAsync();
    },
  };
}

export type Mall = Awaited<ReturnType<typeof startMall>>;
