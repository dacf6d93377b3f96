import type { Broker } from '../../../src/broker/port.ts';
import { readConfig } from '../../../src/config.ts';
import type { RoleContext } from '../../../src/role/role.ts';
import type { Telemetry } from '../../../src/telemetry/setup.ts';
import type { StartedDoubles } from '../doubles.ts';

/** What the staff role needs, which is no database, and a broker for nothing but its journal. */
export const staffContext = (
  address: StartedDoubles['address'],
  telemetry: Telemetry,
  { listen = '127.0.0.1:0', broker }: { listen?: string; broker?: Broker } = {},
): RoleContext => {
  const config = readConfig({
    MALLBOTS_STAFF_LISTEN: listen,
    MALLBOTS_ORDERS_ADDRESS: address.orders,
    MALLBOTS_PAYMENTS_ADDRESS: address.payments,
    MALLBOTS_DEPOT_ADDRESS: address.depot,
    MALLBOTS_STORES_ADDRESS: address.stores,
    MALLBOTS_HUB_ADDRESS: address.hub,
    MALLBOTS_ANALYTICS_ADDRESS: address.analytics,
    MALLBOTS_KIOSK_GRPC_ADDRESS: address.kiosk,
  });
  const absent = new Proxy({}, { get: () => expectNothing });
  return { config, telemetry, database: absent, broker: broker ?? absent } as RoleContext;
};

const expectNothing = () => {
  throw new Error('the staff role keeps nothing and handles nothing');
};
