import type { BinaryReader } from '@bufbuild/protobuf/wire';
import * as bots from '../gen/events/bots/v1/events.ts';
import * as depot from '../gen/events/depot/v1/events.ts';
import * as orders from '../gen/events/orders/v1/events.ts';
import * as payments from '../gen/events/payments/v1/events.ts';
import * as stores from '../gen/events/stores/v1/events.ts';
import { type Encoder, encoded } from './encoding.ts';

interface Codec<T> extends Encoder<T> {
  decode(input: BinaryReader | Uint8Array): T;
}

const codec = <T>(c: Codec<T>): Codec<T> => c;

/** Every message that crosses the broker: its name (the routing key of events) and the codec of its body. */
const codecs = {
  'orders.placed': codec(orders.Placed),
  'orders.ready': codec(orders.Ready),
  'orders.collectable': codec(orders.Collectable),
  'orders.completed': codec(orders.Completed),
  'orders.cancellation_requested': codec(orders.CancellationRequested),
  'orders.cancelled': codec(orders.Cancelled),
  'orders.rejected': codec(orders.Rejected),
  'orders.pickup_refused': codec(orders.PickupRefused),
  'orders.identity_checked': codec(orders.IdentityChecked),
  'stores.participation_changed': codec(stores.ParticipationChanged),
  'stores.product_added': codec(stores.ProductAdded),
  'stores.price_changed': codec(stores.PriceChanged),
  'stores.stock_changed': codec(stores.StockChanged),
  'stores.product_removed': codec(stores.ProductRemoved),
  'stores.units_gone': codec(stores.UnitsGone),
  'payments.invoice_issued': codec(payments.InvoiceIssued),
  'payments.adjusted': codec(payments.Adjusted),
  'payments.paid': codec(payments.Paid),
  'payments.refunded': codec(payments.Refunded),
  'payments.cancelled': codec(payments.Cancelled),
  'depot.list_created': codec(depot.ListCreated),
  'depot.list_assigned': codec(depot.ListAssigned),
  'depot.list_completed': codec(depot.ListCompleted),
  'depot.list_stuck': codec(depot.ListStuck),
  'depot.list_cancelled': codec(depot.ListCancelled),
  'depot.bay_assigned': codec(depot.BayAssigned),
  'depot.return_ended': codec(depot.ReturnEnded),
  'depot.task_requested': codec(depot.TaskRequested),
  'depot.task_cancel_requested': codec(depot.TaskCancelRequested),
  'bots.task_started': codec(bots.TaskStarted),
  'bots.task_progressed': codec(bots.TaskProgressed),
  'bots.stop_reached': codec(bots.StopReached),
  'bots.item_picked': codec(bots.ItemPicked),
  'bots.item_short': codec(bots.ItemShort),
  'bots.task_succeeded': codec(bots.TaskSucceeded),
  'bots.task_failed': codec(bots.TaskFailed),
  'bots.task_lost': codec(bots.TaskLost),
  'bots.task_cancelled': codec(bots.TaskCancelled),
  'bots.item_returned': codec(bots.ItemReturned),
} as const;

export type MessageName = keyof typeof codecs;
export type BodyOf<N extends MessageName> = (typeof codecs)[N] extends Codec<infer T> ? T : never;

/** After one of these an order is closed; a refund may still follow. */
export const closingEvents: readonly MessageName[] = ['orders.completed', 'orders.cancelled', 'orders.rejected'];

export const closesOrder = (name: string): boolean => (closingEvents as readonly string[]).includes(name);

export const messageNames = Object.keys(codecs) as MessageName[];
export const isMessageName = (name: string): name is MessageName => Object.hasOwn(codecs, name);

export const encodeBody = <N extends MessageName>(name: N, body: BodyOf<N>): Uint8Array =>
  encoded(codecs[name] as unknown as Codec<BodyOf<N>>, body);

export const decodeBody = <N extends MessageName>(name: N, bytes: Uint8Array): BodyOf<N> =>
  (codecs[name] as unknown as Codec<BodyOf<N>>).decode(bytes);
