import { DepotService } from '../../gen/depot/v1/depot.ts';
import { OrdersService } from '../../gen/orders/v1/orders.ts';
import { PaymentsService } from '../../gen/payments/v1/payments.ts';
import { StaffService } from '../../gen/staff/v1/staff.ts';
import type { Role, RoleContext } from '../../role/role.ts';
import { implement, startServer } from '../../rpc/server.ts';
import { connectUpstream } from '../upstream.ts';
import { staffApi } from './api.ts';

/** What the depot's desk talks to. It has no tables and no events: everything is in the services that it asks. */
export async function startStaff({ config, telemetry }: RoleContext): Promise<Role> {
  const orders = connectUpstream('Orders', OrdersService, config.address.orders, telemetry);
  const payments = connectUpstream('Payments', PaymentsService, config.address.payments, telemetry);
  const depot = connectUpstream('Depot', DepotService, config.address.depot, telemetry);
  const letGo = () => {
    for (const client of [orders, payments, depot]) client.close();
  };
  const api = staffApi({ orders: orders.api, payments: payments.api, depot: depot.api }, telemetry);
  try {
    const server = await startServer(config.listen.staff, [
      { definition: StaffService, implementation: implement(StaffService, api, telemetry) },
    ]);
    return {
      address: server.address,
      async drain() {
        await server.drain();
        letGo();
      },
    };
  } catch (error) {
    letGo();
    throw error;
  }
}
