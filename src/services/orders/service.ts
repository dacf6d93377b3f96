import { join } from 'node:path';
import { OrdersService } from '../../gen/orders/v1/orders.ts';
import { startMessaging } from '../../role/messaging.ts';
import type { Role, RoleContext } from '../../role/role.ts';
import { implement, startServer } from '../../rpc/server.ts';
import { ordersApi } from './api.ts';
import { ordersHandlers } from './handlers.ts';
import { fences, inbox, outbox, parked } from './store.ts';

/** Takes orders, follows them through the others' events, and joins payment and goods. */
export async function startOrders(context: RoleContext): Promise<Role> {
  const { config, database, telemetry } = context;
  const messaging = await startMessaging(context, {
    name: 'orders',
    migrations: join(import.meta.dirname, 'migrations'),
    tables: { outbox, inbox, fences, parked },
    handlers: ordersHandlers,
  });
  const implementation = implement(OrdersService, ordersApi(database, messaging), telemetry);
  try {
    const server = await startServer(config.listen.orders, [{ definition: OrdersService, implementation }]);
    return {
      address: server.address,
      async drain() {
        await server.drain();
        await messaging.drain();
      },
    };
  } catch (error) {
    await messaging.drain();
    throw error;
  }
}
