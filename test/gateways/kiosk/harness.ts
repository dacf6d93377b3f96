import type { Socket } from 'node:net';
import { join } from 'node:path';
import type { BodyOf, MessageName } from '../../../src/contract/events.ts';
import { newId } from '../../../src/contract/ids.ts';
import type { Received } from '../../../src/contract/message.ts';
import { kioskHandlers } from '../../../src/gateways/kiosk/handlers.ts';
import { OrderEvents, type StreamLimits, streamLimits } from '../../../src/gateways/kiosk/order-events.ts';
import { orderTraces } from '../../../src/gateways/kiosk/order-trace.ts';
import { createApp, drainApp, listenOn } from '../../../src/gateways/kiosk/server.ts';
import { connectUpstream } from '../../../src/gateways/upstream.ts';
import { OrdersService } from '../../../src/gen/orders/v1/orders.ts';
import { PaymentsService } from '../../../src/gen/payments/v1/payments.ts';
import { withDatabase } from '../../support/database.ts';
import { recordingTelemetry } from '../../support/telemetry.ts';
import { type Doubles, startDoubles } from '../doubles.ts';

const migrations = join(import.meta.dirname, '../../../src/gateways/kiosk/migrations');

export const anEvent = <N extends MessageName>(
  name: N,
  body: BodyOf<N>,
  more: { time?: Date; traceparent?: string } = {},
): Received<N> => ({
  id: newId(),
  name,
  source: '/test',
  time: more.time ?? new Date(),
  key: 'key',
  correlationId: 'key',
  causationId: 'cause',
  traceparent: more.traceparent ?? '',
  body,
});

/** The kiosk's API and tables with doubles for the services, and events put in by hand: what comes before and after the broker. */
export async function startTestKiosk(doubles: Doubles = {}, limits: Partial<StreamLimits> = {}) {
  const cleanUp = new AsyncDisposableStack();
  const { database } = cleanUp.use(await withDatabase());
  await database.migrate('kiosk', migrations);
  const services = cleanUp.use(await startDoubles(doubles));
  const telemetry = recordingTelemetry('kiosk');
  const orders = connectUpstream('Orders', OrdersService, services.address.orders, telemetry);
  const payments = connectUpstream('Payments', PaymentsService, services.address.payments, telemetry);
  cleanUp.defer(() => {
    orders.close();
    payments.close();
  });
  const { logger } = telemetry;
  const events = new OrderEvents(database, logger, { ...streamLimits, ...limits });
  const handlers = kioskHandlers(logger, (orderId) => events.wake(orderId));
  const parts = { database, orders: orders.api, payments: payments.api, events, logger };
  const app = await createApp(parts, telemetry, orderTraces(database, orders.api, logger));
  cleanUp.defer(async () => {
    events.close();
    await drainApp(app);
  });
  const url = `http://${await listenOn(app, '127.0.0.1:0')}`;
  const jsonHeaders = { 'content-type': 'application/json' };

  return {
    url,
    database,
    services,
    spans: () => telemetry.spans(),
    /** Takes in an event as the inbox does. */
    async hear<N extends MessageName>(event: Received<N>): Promise<void> {
      const handle = handlers[event.name as keyof typeof handlers] as (e: Received<N>, tx: object) => Promise<unknown>;
      await database.transaction((tx) => handle(event, tx));
    },
    async get(path: string, headers: Record<string, string> = {}) {
      return answerOf(await fetch(url + path, { headers }));
    },
    async post(path: string, body: unknown, headers: Record<string, string> = { 'idempotency-key': newId() }) {
      const text = typeof body === 'string' ? body : JSON.stringify(body);
      return answerOf(await fetch(url + path, { method: 'POST', headers: { ...jsonHeaders, ...headers }, body: text }));
    },
    endStreams: () => events.close(),
    /** Resolves when the next client's connection has closed on the kiosk's side. */
    nextConnectionClosed: () =>
      new Promise<void>((resolve) =>
        app.server.once('connection', (socket: Socket) => socket.once('close', () => resolve())),
      ),
    async [Symbol.asyncDispose]() {
      await cleanUp.disposeAsync();
    },
  };
}

export type TestKiosk = Awaited<ReturnType<typeof startTestKiosk>>;

async function answerOf(response: Response) {
  const text = await response.text();
  // biome-ignore lint/suspicious/noExplicitAny: what a program in another language sees.
  const body: any = text ? JSON.parse(text) : undefined;
  return { status: response.status, headers: response.headers, body };
}
