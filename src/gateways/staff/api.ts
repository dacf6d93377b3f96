import { type Tracer, trace } from '@opentelemetry/api';
import type { Logger } from 'pino';
import { MallError } from '../../contract/errors.ts';
import { requireId } from '../../contract/ids.ts';
import type { Bay, DepotService } from '../../gen/depot/v1/depot.ts';
import type { FleetAdminService } from '../../gen/fleet/v1/fleet.ts';
import { CancelledBy, type Order, OrderState, type OrdersService } from '../../gen/orders/v1/orders.ts';
import type { ParkedService } from '../../gen/parked/v1/parked.ts';
import { InvoiceState, type PaymentsService } from '../../gen/payments/v1/payments.ts';
import type { OrderSheet, Pickup, StaffService } from '../../gen/staff/v1/staff.ts';
import { pause } from '../../kit/backoff.ts';
import { KeyedSerial } from '../../kit/keyed-serial.ts';
import type { Api, CallOptions } from '../../rpc/api.ts';
import { orderAttributes } from '../../telemetry/attributes.ts';
import { linkBothWays } from '../../telemetry/linked-trace.ts';
import { parseTraceparent } from '../../telemetry/propagation.ts';
import { fleetApi } from './fleet.ts';
import { type ParkingRole, parkedApi } from './parked.ts';

export interface Upstreams {
  readonly orders: Api<OrdersService>;
  readonly payments: Api<PaymentsService>;
  readonly depot: Api<DepotService>;
  readonly hub: Api<FleetAdminService>;
  readonly parked: Readonly<Record<ParkingRole, Api<ParkedService>>>;
}

/** Orders that are looked up side by side for one list of pickups: quick for a full depot, no burst for the services. */
const lookupConcurrency = 8;

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
  readonly logger: Logger;
}

/** What staff ask for, out of what the services and the hubs know. Keeps nothing. */
export function staffApi(upstreams: Upstreams, { tracer, logger }: StaffTelemetry): Api<StaffService> {
