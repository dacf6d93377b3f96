import { notFound } from '../../src/contract/errors.ts';
import { newId } from '../../src/contract/ids.ts';
import type { ParkingRole } from '../../src/gateways/staff/parked.ts';
import { AnalyticsService } from '../../src/gen/analytics/v1/analytics.ts';
import { DepotService } from '../../src/gen/depot/v1/depot.ts';
import { FleetAdminService } from '../../src/gen/fleet/v1/fleet.ts';
import { Order, OrderState, OrdersService } from '../../src/gen/orders/v1/orders.ts';
import { ParkedService } from '../../src/gen/parked/v1/parked.ts';
import { Invoice, InvoiceState, PaymentsService } from '../../src/gen/payments/v1/payments.ts';
import { RegistryService } from '../../src/gen/protocol/v1/protocol.ts';
import type { Api, Definition } from '../../src/rpc/api.ts';
import { implement, type RpcServer, startServer } from '../../src/rpc/server.ts';
import { recordingTelemetry } from '../support/telemetry.ts';

/** Services that answer as a test wants, on real gRPC servers: what a gateway does when they refuse, are slow or are gone. */
export type Doubles = {
  orders?: Partial<Api<OrdersService>>;
  payments?: Partial<Api<PaymentsService>>;
  depot?: Partial<Api<DepotService>>;
  hub?: Partial<Api<FleetAdminService>>;
  analytics?: Partial<Api<AnalyticsService>>;
  /** Of the hub too. */
  registry?: Partial<Api<RegistryService>>;
  /** What each of them has parked: nothing, where it is not said. */
  parked?: Partial<Record<ParkingRole, Partial<Api<ParkedService>>>>;
};

const nothingParked: Partial<Api<ParkedService>> = { listParked: async () => ({ messages: [] }) };

async function serve<D extends Definition>(
  role: string,
  definition: D,
  methods: Partial<Api<D>> | undefined,
  aside?: { definition: Definition; methods: object },
) {
  const telemetry = recordingTelemetry(role);
  const services = [{ definition: definition as Definition, methods: methods ?? {} }, ...(aside ? [aside] : [])].map(
    ({ definition, methods }) => ({
      definition,
      implementation: implementedBy(role, definition, methods, telemetry),
    }),
  );
  return { server: await startServer('127.0.0.1:0', services), telemetry };
}

const parkedAside = (methods: Partial<Api<ParkedService>> = nothingParked) => ({ definition: ParkedService, methods });

function implementedBy<D extends Definition>(
  role: string,
  definition: D,
  methods: Partial<Api<D>> | undefined,
  telemetry: ReturnType<typeof recordingTelemetry>,
) {
  const absent = Object.fromEntries(
    Object.keys(definition).map((name) => [
      name,
      async ({ orderId = '' }: { orderId?: string }) => {
        throw notFound(role === 'orders' ? 'order' : 'invoice', 'order_id', orderId);
      },
    ]),
  );
  return implement(definition, { ...absent, ...methods } as unknown as Api<D>, telemetry);
}

export type DoubleName = ParkingRole | 'hub' | 'analytics';

export interface StartedDoubles extends AsyncDisposable {
  readonly address: Readonly<Record<DoubleName, string>>;
  readonly spans: ReturnType<typeof recordingTelemetry>['spans'];
  stop(service: DoubleName): Promise<void>;
}

/** What answers for one order answers for several. */
const several = (orders: Doubles['orders'] = {}): Doubles['orders'] => ({
  batchGetOrders: async ({ orderIds }) => ({
    orders: await Promise.all(orderIds.map((orderId) => orders.getOrder!({ orderId, withPickupCode: false }))),
  }),
  ...orders,
});
const severalInvoices = (payments: Doubles['payments'] = {}): Doubles['payments'] => ({
  batchGetInvoices: async ({ orderIds }) => ({
    invoices: await Promise.all(orderIds.map((orderId) => payments.getInvoice!({ orderId }))),
  }),
  ...payments,
});

export async function startDoubles(doubles: Doubles): Promise<StartedDoubles> {
  const { orders, payments, depot, hub, analytics, registry = {}, parked = {} } = doubles;
  const started = {
    orders: await serve('orders', OrdersService, several(orders), parkedAside(parked.orders)),
    // These are asked for nothing but what they have parked.
    stores: await serve('stores', ParkedService, parked.stores ?? nothingParked),
    kiosk: await serve('kiosk', ParkedService, parked.kiosk ?? nothingParked),
    payments: await serve('payments', PaymentsService, severalInvoices(payments), parkedAside(parked.payments)),
    depot: await serve('depot', DepotService, depot, parkedAside(parked.depot)),
    analytics: await serve('analytics', AnalyticsService, analytics),
    hub: await serve('hub', FleetAdminService, hub, { definition: RegistryService, methods: registry }),
  };
  const running = new Map<string, RpcServer>(Object.entries(started).map(([name, { server }]) => [name, server]));
  const stop = async (name: string) => {
    const server = running.get(name);
    running.delete(name);
    await server?.drain();
  };
  return {
    address: {
      orders: started.orders.server.address,
      payments: started.payments.server.address,
      depot: started.depot.server.address,
      stores: started.stores.server.address,
      kiosk: started.kiosk.server.address,
      hub: started.hub.server.address,
      analytics: started.analytics.server.address,
    },
    spans: () => Object.values(started).flatMap(({ telemetry }) => telemetry.spans()),
    stop,
    async [Symbol.asyncDispose]() {
      for (const name of [...running.keys()]) await stop(name);
    },
  };
}

const euros = (minor: number) => ({ minor, currency: 'EUR' });

/** A placed order of two apples, unless said otherwise. */
export const anOrder = (given: Partial<Order> = {}): Order =>
  Order.fromPartial({
    orderId: newId(),
    shopper: 'Ada',
    state: OrderState.PLACED,
    lines: [
      {
        lineId: newId(),
        productId: newId(),
        sku: 'APPLE',
        name: 'Apple',
        storeId: newId(),
        quantity: 2,
        unitPrice: euros(150),
      },
    ],
    total: euros(300),
    placedAt: new Date('2026-01-05T10:00:00Z'),
    traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
    ...given,
  } as Order);

export const anInvoice = (orderId: string, given: Partial<Invoice> = {}): Invoice =>
  Invoice.fromPartial({
    orderId,
    state: InvoiceState.OPEN,
    total: euros(300),
    paid: euros(0),
    refunded: euros(0),
    due: euros(300),
    issuedAt: new Date('2026-01-05T10:00:01Z'),
    version: 1,
    ...given,
  } as Invoice);
