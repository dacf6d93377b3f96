import { flushCompileCache } from 'node:module';
import { type Config, endpointNames, endpointVariable, type ListeningRole, roleAt } from '../config.ts';
import { MallError } from '../contract/errors.ts';
import { newId } from '../contract/ids.ts';
import type { Role, StartRole } from '../role/role.ts';
import { createTelemetry } from '../telemetry/setup.ts';
import type { Backends } from './backends.ts';

/** Every role, loaded when it is started: a process of one role does not pay for the others. In the order of starting: who is called comes first. */
export const roles: Readonly<Record<ListeningRole, { summary: string; load(): Promise<StartRole> }>> = {
  stores: {
    summary: 'stores, products, prices and stock',
    load: async () => (await import('../services/stores/service.ts')).startStores,
  },
  orders: {
    summary: 'orders from placing to hand-over',
    load: async () => (await import('../services/orders/service.ts')).startOrders,
  },
  payments: {
    summary: 'invoices, payments and refunds',
    load: async () => (await import('../services/payments/service.ts')).startPayments,
  },
  depot: {
    summary: 'shopping lists and bays',
    load: async () => (await import('../services/depot/service.ts')).startDepot,
  },
  hub: { summary: "the bots' streams, tasks and leases", load: async () => (await import('../hub/hub.ts')).startHub },
  kiosk: { summary: 'REST for kiosks', load: async () => (await import('../gateways/kiosk/kiosk.ts')).startKiosk },
  analytics: {
    summary: 'figures from the journal of all events',
    load: async () => (await import('../services/analytics/service.ts')).startAnalytics,
  },
  staff: {
    summary: "gRPC for the depot's desk",
    load: async () => (await import('../gateways/staff/staff.ts')).startStaff,
  },
};

export const roleNames = Object.keys(roles) as ListeningRole[];

/** Starts one role with a telemetry of its own, which goes when the role does. */
export async function startRole(name: ListeningRole, config: Config, backends: Backends): Promise<Role> {
  const telemetry = createTelemetry({ role: name, instanceId: newId(), ...config });
  const start = await roles[name].load();
  // Node writes it at the exit, which a process that is killed does not have; the next one starts in two thirds of the time.
  flushCompileCache();
  const role = await start({ config, telemetry, database: backends.database, broker: backends.broker }).catch(
    (error) => {
      throw withVariable(name, config, error);
    },
  );
  telemetry.logger.info({ address: role.address }, 'ready');
  return {
    address: role.address,
    async drain() {
      await role.drain();
      await telemetry.shutdown();
    },
  };
}

/** Where a role cannot listen: with the variable that says where it should. */
function withVariable(name: ListeningRole, { listen }: Config, error: unknown): unknown {
  if (!(error instanceof MallError) || error.detail.field !== 'listen') return error;
  const at = endpointNames.find((each) => roleAt(each) === name && listen[each] === error.detail.value) ?? name;
  const field = endpointVariable(at, 'LISTEN');
  return new MallError(
    error.code,
    `${name}: ${error.message} (${field})`,
    { ...error.detail, field },
    { cause: error },
  );
}

/** Starts every role in this process; drained in the opposite order. */
export async function startEveryRole(config: Config, backends: Backends): Promise<Role[]> {
  const running: Role[] = [];
  try {
    for (const name of roleNames) running.push(await startRole(name, config, backends));
    return running;
  } catch (error) {
    await drainAll(running);
    throw error;
  }
}

export async function drainAll(running: readonly Role[]): Promise<void> {
  for (const role of running.toReversed()) await role.drain();
}
