import { OrdersService } from '../../gen/orders/v1/orders.ts';
import { ParkedService } from '../../gen/parked/v1/parked.ts';
import { PaymentsService } from '../../gen/payments/v1/payments.ts';
import { startMessaging } from '../../role/messaging.ts';
import { parkedApi } from '../../role/parked-api.ts';
import type { Role, RoleContext } from '../../role/role.ts';
import { implement, type RpcServer, startServer } from '../../rpc/server.ts';
import { connectUpstream } from '../upstream.ts';
import { kioskHandlers } from './handlers.ts';
import { OrderEvents } from './order-events.ts';
import { orderTraces } from './order-trace.ts';
import { createApp, drainApp, listenOn } from './server.ts';
import { fences, inbox, outbox, parked } from './store.ts';

/**
 * What shoppers talk to: the REST API over Orders and Payments, and the kiosk's own copy of the catalogue and of every order's time line. Staff ask over
 * gRPC, at an endpoint where no shopper is, for the events that it could not add to these.
 */
export async function startKiosk(context: RoleContext): Promise<Role> {
  const { config, database, telemetry } = context;
  const events = new OrderEvents(database, telemetry.logger);
  const messaging = await startMessaging(context, {
    name: 'kiosk',
    tables: { outbox, inbox, fences, parked },
    handlers: kioskHandlers(telemetry.logger, (orderId) => events.wake(orderId)),
  });
  const orders = connectUpstream('Orders', OrdersService, config.address.orders, telemetry);
  const payments = connectUpstream('Payments', PaymentsService, config.address.payments, telemetry);
  let server: RpcServer | undefined;
  const letGo = async () => {
    await server?.drain();
    orders.close();
    payments.close();
    await messaging.drain();
  };

  try {
    const implementation = implement(ParkedService, parkedApi(messaging.parked), telemetry);
    server = await startServer(config.listen.kioskGrpc, [{ definition: ParkedService, implementation }]);
    const parts = { database, orders: orders.api, payments: payments.api, events, logger: telemetry.logger };
    const app = await createApp(parts, telemetry, orderTraces(database, orders.api, telemetry.logger));
    const address = await listenOn(app, config.listen.kiosk);
    return {
      address,
      async drain() {
        events.close();
        await drainApp(app);
        await letGo();
      },
    };
  } catch (error) {
    await letGo();
    throw error;
  }
}
