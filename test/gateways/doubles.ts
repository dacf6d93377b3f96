import { notFound } from '../../src/contract/errors.ts';
import { newId } from '../../src/contract/ids.ts';
import { DepotService } from '../../src/gen/depot/v1/depot.ts';
import { Order, OrderState, OrdersService } from '../../src/gen/orders/v1/orders.ts';
import { Invoice, InvoiceState, PaymentsService } from '../../src/gen/payments/v1/payments.ts';
import type { Api, UnaryDefinition } from '../../src/rpc/api.ts';
import { implement, type RpcServer, startServer } from '../../src/rpc/server.ts';
import { recordingTelemetry } from '../support/telemetry.ts';

/** Services that answer as a test wants, on real gRPC servers: what a gateway does when they refuse, are slow or are gone. */
export type Doubles = {
  orders?: Partial<Api<OrdersService>>;
  payments?: Partial<Api<PaymentsService>>;
  depot?: Partial<Api<DepotService>>;
};

async function serve<D extends UnaryDefinition>(role: string, definition: D, methods: Partial<Api<D>> | undefined) {
  const telemetry = recordingTelemetry(role);
  const absent = Object.fromEntries(
    Object.keys(definition).map((name) => [
      name,
      async ({ orderId = '' }: { orderId?: string }) => {
        throw notFound(role === 'orders' ? 'order' : 'invoice', 'order_id', orderId);
      },
    ]),
  );
  const implementation = implement(definition, { ...absent, ...methods } as unknown as Api<D>, telemetry);
  const server = await startServer('127.0.0.1:0', [{ definition, implementation }]);
  return { server, telemetry };
}

export interface StartedDoubles extends AsyncDisposable {
  readonly address: { readonly orders: string; readonly payments: string; readonly depot: string };
  readonly spans: ReturnType<typeof recordingTelemetry>['spans'];
  stop(service: 'orders' | 'payments' | 'depot'): Promise<void>;
}

export async function startDoubles({ orders, payments, depot }: Doubles): Promise<StartedDoubles> {
  const started = {
    orders: await serve('orders', OrdersService, orders),
    payments: await serve('payments', PaymentsService, payments),
    depot: await serve('depot', DepotService, depot),
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
