import { join } from 'node:path';
import { PaymentsService } from '../../gen/payments/v1/payments.ts';
import { startMessaging } from '../../role/messaging.ts';
import type { Role, RoleContext } from '../../role/role.ts';
import { implement, startServer } from '../../rpc/server.ts';
import { paymentsApi } from './api.ts';
import { paymentsHandlers } from './handlers.ts';
import { fences, inbox, outbox, parked } from './store.ts';

/** Issues an invoice for every order, takes the payment, and gives back what was paid for goods that did not come. */
export async function startPayments(context: RoleContext): Promise<Role> {
  const { config, database, telemetry } = context;
  const messaging = await startMessaging(context, {
    name: 'payments',
    migrations: join(import.meta.dirname, 'migrations'),
    tables: { outbox, inbox, fences, parked },
    handlers: paymentsHandlers,
  });
  const implementation = implement(PaymentsService, paymentsApi(database, messaging), telemetry);
  try {
    const server = await startServer(config.listen.payments, [{ definition: PaymentsService, implementation }]);
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
