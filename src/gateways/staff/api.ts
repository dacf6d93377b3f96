import { type Meter, type Tracer, trace } from '@opentelemetry/api';
import type { Logger } from 'pino';
import { MallError } from '../../contract/errors.ts';
import { requireId } from '../../contract/ids.ts';
import type { AnalyticsService } from '../../gen/analytics/v1/analytics.ts';
import type { Bay, DepotService } from '../../gen/depot/v1/depot.ts';
import type { FleetAdminService } from '../../gen/fleet/v1/fleet.ts';
import {
  CancelledBy,
  type HandOverRequest,
  type Order,
  OrderState,
  type OrdersService,
} from '../../gen/orders/v1/orders.ts';
import type { ParkedService } from '../../gen/parked/v1/parked.ts';
import { InvoiceState, type PaymentsService } from '../../gen/payments/v1/payments.ts';
import type { OrderSheet, Pickup, StaffService } from '../../gen/staff/v1/staff.ts';
import { pause } from '../../kit/backoff.ts';
import type { Api, CallOptions } from '../../rpc/api.ts';
import { orderAttributes } from '../../telemetry/attributes.ts';
import { linkBothWays } from '../../telemetry/linked-trace.ts';
import { parseTraceparent } from '../../telemetry/propagation.ts';
import type { BoardFeed } from './board.ts';
import { CodeSearches } from './code-searches.ts';
import { fleetApi } from './fleet.ts';
import type { JournalReadings } from './journal.ts';
import { type ParkingRole, parkedApi } from './parked.ts';

export interface Upstreams {
  readonly orders: Api<OrdersService>;
  readonly payments: Api<PaymentsService>;
  readonly depot: Api<DepotService>;
  readonly hub: Api<FleetAdminService>;
  readonly analytics: Pick<Api<AnalyticsService>, 'getTimeline'>;
  readonly parked: Readonly<Record<ParkingRole, Api<ParkedService>>>;
}

/** What goes on and on, for who looks on. */
export interface Feeds {
  readonly journal: JournalReadings;
  readonly board: BoardFeed;
}

/** Depot frees the bay a moment after the hand-over; goods of a cancelled order are in theirs until a bot has brought them back. */
const notForPickup: readonly OrderState[] = [
  OrderState.COMPLETED,
  OrderState.CANCELLING,
  OrderState.CANCELLED,
  OrderState.REJECTED,
];

/** How long a sheet waits for what it can do without, ms. */
const optionalDeadlineMs = 1_500;

/** How long a hand-over waits for a payment to come round, ms: within the deadline of the caller. */
const paymentPatienceMs = 3_000;
const paymentPollMs = 50;

export interface StaffTelemetry {
  readonly tracer: Tracer;
  readonly meter: Meter;
  readonly logger: Logger;
}

/** What staff ask for, out of what the services and the hubs know, and the journal. Keeps nothing. */
export function staffApi(
  upstreams: Upstreams,
  { journal, board }: Feeds,
  { tracer, meter, logger }: StaffTelemetry,
): Api<StaffService> {
  const { orders, payments, depot, analytics } = upstreams;
  const codes = new CodeSearches({ meter, logger });

  /** The answer, or undefined where the service has none or is not there: staff can go on without. */
  async function ifKnown<T>(what: string, answer: Promise<T>): Promise<T | undefined> {
    try {
      return await answer;
    } catch (thrown) {
      const error = MallError.from(thrown);
      if (error.code !== 'NOT_FOUND')
        logger.warn(
          { part: what, reason: error.detail.reason, detail: error.message },
          'a part of the order is left out',
        );
      return undefined;
    }
  }
  /** Without its pickup code: that is the shopper's to show. */
  const getOrder = (orderId: string, options?: CallOptions) =>
    orders.getOrder({ orderId, withPickupCode: false }, { signal: options?.signal });
  const optional = (options?: CallOptions) => ({ signal: options?.signal, deadlineMs: optionalDeadlineMs });
  const invoiceOf = (orderId: string, options?: CallOptions) =>
    ifKnown('an invoice', payments.getInvoice({ orderId }, optional(options)));

  /** What is done at the desk is a trace of its own, since it starts whenever somebody comes; the order's and this one lead to each other. */
  function linkToOrder(order: Order): void {
    const span = trace.getActiveSpan();
    span?.setAttributes(orderAttributes(order));
    if (span) linkBothWays(tracer, span, order.traceparent, orderAttributes(order));
  }

  async function sheetOf(order: Order, options?: CallOptions): Promise<OrderSheet> {
    const { orderId } = order;
    const [invoice, list] = await Promise.all([
      invoiceOf(orderId, options),
      ifKnown('a shopping list', depot.getList({ orderId }, optional(options))),
    ]);
    return { order, invoice, list, timeline: undefined };
  }

  /** Three questions, however many bays there are; without the money where Payments does not answer. */
  async function pickupsOf(bays: readonly Bay[], options?: CallOptions): Promise<Pickup[]> {
    const orderIds = bays.map(({ orderId }) => orderId);
    const [{ orders: found }, money] = await Promise.all([
      orders.batchGetOrders({ orderIds }, { signal: options?.signal }),
      ifKnown('the money of the pickups', payments.batchGetInvoices({ orderIds }, optional(options))),
    ]);
    const orderOf = new Map(found.map((order) => [order.orderId, order]));
    const invoiceOfOrder = new Map(money?.invoices.map((invoice) => [invoice.orderId, invoice]));
    return bays.flatMap(({ bay, orderId, since }) => {
      const order = orderOf.get(orderId);
      if (!order || notForPickup.includes(order.state)) return [];
      linkToTraceOf(order);
      return [{ bay, waitingSince: since, order, invoice: invoiceOfOrder.get(orderId) }];
    });
  }

  /** Orders hears of a payment a moment after Payments has taken it; who pays at the desk and then asks for the goods does not wait. */
  async function handedOver(request: HandOverRequest, options?: CallOptions): Promise<Order> {
    const giveUpAt = Date.now() + paymentPatienceMs;
    for (;;) {
      try {
        return await orders.handOver(request);
      } catch (thrown) {
        const isPaid = async () => (await invoiceOf(request.orderId, options))?.state === InvoiceState.PAID;
        const unheard = MallError.from(thrown).detail.reason === 'ORDER_NOT_PAID' && (await isPaid());
        if (!unheard || Date.now() > giveUpAt || options?.signal?.aborted) throw thrown;
        await pause(paymentPollMs, options?.signal);
      }
    }
  }

  return {
    ...fleetApi(upstreams.hub),
    ...parkedApi(upstreams.parked, logger),
    readJournal: (request, options) => journal.read(request, options?.signal),
    watchBoard: (_, options) => board.watch(options?.signal),

    async listPickups(request, options) {
      const { bays, nextPageToken } = await depot.listBays(request, { signal: options?.signal });
      return { pickups: await pickupsOf(bays, options), nextPageToken };
    },

    listOrders: (request, options) => orders.listOrders(request, { signal: options?.signal }),

    async showOrder({ orderId: id }, options) {
      const orderId = requireId('order_id', id);
      const order = await getOrder(orderId, options);
      lookAt(order);
      const [sheet, timeline] = await Promise.all([
        sheetOf(order, options),
        ifKnown('a time line', analytics.getTimeline({ orderId }, optional(options))),
      ]);
      return { ...sheet, timeline };
    },

    async payOrder({ orderId: id, idempotencyKey }, options) {
      const orderId = requireId('order_id', id);
      const order = await getOrder(orderId, options);
      linkToOrder(order);
      const { state, due, total } = await payments.getInvoice({ orderId }, { signal: options?.signal });
      // Of a paid invoice nothing is due: Payments says so, or that this very key has paid it.
      const amount = state === InvoiceState.OPEN ? due : total;
      const invoice = await payments.pay({ orderId, idempotencyKey, amount });
      return { ...(await sheetOf(order, options)), invoice };
    },

    async refundOrder({ orderId: id, ...wanted }, options) {
      const orderId = requireId('order_id', id);
      const order = await getOrder(orderId, options);
      linkToOrder(order);
      const invoice = await payments.refund({ orderId, ...wanted });
      return { ...(await sheetOf(order, options)), invoice };
    },

    async findPickup(request, options) {
      const find = () => orders.findPickup(request);
      const order = await (request.orderId ? codes.count(find) : codes.search(options?.peer, find));
      lookAt(order);
      return sheetOf(order, options);
    },

    async handOver({ orderId: id, ...proof }, options) {
      const orderId = requireId('order_id', id);
      linkToOrder(await getOrder(orderId, options));
      return sheetOf(await codes.count(() => handedOver({ orderId, ...proof }, options)), options);
    },

    async cancelOrder({ orderId: id, idempotencyKey, reason }, options) {
      const orderId = requireId('order_id', id);
      linkToOrder(await getOrder(orderId, options));
      const requestedBy = CancelledBy.STAFF;
      return sheetOf(await orders.cancelOrder({ orderId, idempotencyKey, requestedBy, reason }), options);
    },
  };
}

/** A look at an order leaves nothing behind in its trace. */
function lookAt(order: Order): void {
  trace.getActiveSpan()?.setAttributes(orderAttributes(order));
  linkToTraceOf(order);
}

function linkToTraceOf({ traceparent }: Order): void {
  const spanContext = parseTraceparent(traceparent);
  if (spanContext) trace.getActiveSpan()?.addLink({ context: spanContext });
}
