import { AnalyticsService } from '../../gen/analytics/v1/analytics.ts';
import { DepotService } from '../../gen/depot/v1/depot.ts';
import { FleetAdminService } from '../../gen/fleet/v1/fleet.ts';
import { OrdersService } from '../../gen/orders/v1/orders.ts';
import { ParkedService } from '../../gen/parked/v1/parked.ts';
import { PaymentsService } from '../../gen/payments/v1/payments.ts';
import { RegistryService } from '../../gen/protocol/v1/protocol.ts';
import { StaffService } from '../../gen/staff/v1/staff.ts';
import type { Role, RoleContext } from '../../role/role.ts';
import { implement, startServer } from '../../rpc/server.ts';
import { connectUpstream } from '../upstream.ts';
import { staffApi, type Upstreams } from './api.ts';
import { BoardFeed } from './board.ts';
import { JournalReadings } from './journal.ts';
import { Originals } from './originals.ts';
import { type ParkingRole, parkingRoles } from './parked.ts';

const { watchStatus: _, ...registryService } = RegistryService;

/** What the depot's desk talks to. It has no tables and handles no events: everything is in the services that it asks, and in the journal. */
export async function startStaff({ config, telemetry, broker }: RoleContext): Promise<Role> {
  const orders = connectUpstream('Orders', OrdersService, config.address.orders, telemetry);
  const payments = connectUpstream('Payments', PaymentsService, config.address.payments, telemetry);
  const depot = connectUpstream('Depot', DepotService, config.address.depot, telemetry);
  const hub = connectUpstream('Hub', FleetAdminService, config.address.hub, telemetry);
  const analytics = connectUpstream('Analytics', AnalyticsService, config.address.analytics, telemetry);
  const registry = connectUpstream('Hub', registryService, config.address.hub, telemetry);
  const parking = parkingRoles.map((role) => {
    const address = config.address[role === 'kiosk' ? 'kioskGrpc' : role];
    return { role, client: connectUpstream(nameOf(role), ParkedService, address, telemetry) };
  });
  const parked = Object.fromEntries(parking.map(({ role, client }) => [role, client.api]));
  const letGo = () => {
    for (const client of [orders, payments, depot, hub, analytics, registry, ...parking.map((each) => each.client)])
      client.close();
  };
  const upstreams = {
    ...{ orders: orders.api, payments: payments.api, depot: depot.api },
    ...{ hub: hub.api, analytics: analytics.api },
  };
  const { logger } = telemetry;
  const originals = new Originals(registry.api, logger);
  const journal = new JournalReadings({ broker, orders: orders.api, originals, logger });
  const board = new BoardFeed(upstreams, logger);
  const api = staffApi({ ...upstreams, parked: parked as Upstreams['parked'] }, { journal, board }, telemetry);
  try {
    const server = await startServer(config.listen.staff, [
      { definition: StaffService, implementation: implement(StaffService, api, telemetry) },
    ]);
    return {
      address: server.address,
      async drain() {
        journal.close();
        board.close();
        await server.drain();
        letGo();
      },
    };
  } catch (error) {
    letGo();
    throw error;
  }
}

const nameOf = (role: ParkingRole): string => `${role[0]!.toUpperCase()}${role.slice(1)}`;
