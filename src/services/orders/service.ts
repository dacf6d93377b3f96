import { OrdersService } from '../../gen/orders/v1/orders.ts';
import type { Role, RoleContext } from '../../role/role.ts';
import { startService } from '../../role/service.ts';
import { ordersApi } from './api.ts';
import { ordersHandlers } from './handlers.ts';
import { watchCancellations } from './overdue.ts';
import { fences, inbox, outbox, parked } from './store.ts';

/** Takes orders, follows them through the others' events, and joins payment and goods. */
export const startOrders = (context: RoleContext): Promise<Role> =>
  startService(context, {
    name: 'orders',
    tables: { outbox, inbox, fences, parked },
    handlers: ordersHandlers,
    definition: OrdersService,
    api: (messaging) => ordersApi(context.database, messaging),
    background: (messaging) => watchCancellations(context.database, messaging, context.telemetry),
  });
