import { PaymentsService } from '../../gen/payments/v1/payments.ts';
import type { Role, RoleContext } from '../../role/role.ts';
import { startService } from '../../role/service.ts';
import { paymentsApi } from './api.ts';
import { paymentsHandlers } from './handlers.ts';
import { fences, inbox, outbox, parked } from './store.ts';

/** Issues an invoice for every order, takes the payment, and gives back what was paid for goods that did not come. */
export const startPayments = (context: RoleContext): Promise<Role> =>
  startService(context, {
    name: 'payments',
    tables: { outbox, inbox, fences, parked },
    handlers: paymentsHandlers,
    definition: PaymentsService,
    api: (messaging) => paymentsApi(context.database, messaging),
  });
