import { type MessageName, messageNames } from './events.ts';

/** Where a message is published to. */
export interface Address {
  readonly exchange: string;
  readonly routingKey: string;
}

/** Messages are durable; what no queue is bound for goes to an alternate exchange and raises an alarm. */
export interface ExchangeSpec {
  readonly name: string;
  readonly type: 'topic' | 'direct';
}

export interface QueueSpec {
  readonly name: string;
  /** One consumer at a time, so that messages of one key stay in order when a role runs twice; the others stand by. */
  readonly singleActiveConsumer: boolean;
  readonly bindings: readonly Address[];
}

/** A log of messages, kept for `maxAgeMs` and read from any place as often as anybody likes. */
export interface StreamSpec {
  readonly name: string;
  readonly maxAgeMs: number;
  readonly bindings: readonly Address[];
}

export interface Topology {
  readonly exchanges: readonly ExchangeSpec[];
  readonly queues: readonly QueueSpec[];
  readonly streams: readonly StreamSpec[];
}

/** Commands to the hubs; all else is an event. */
type TaskCommand = 'depot.task_requested' | 'depot.task_cancel_requested';
const isTaskCommand = (name: MessageName): name is TaskCommand =>
  name === 'depot.task_requested' || name === 'depot.task_cancel_requested';

const eventNames = messageNames.filter((name) => !isTaskCommand(name));

const contexts = ['orders', 'stores', 'payments', 'depot', 'bots'] as const;

/** Who handles which events: one quorum queue `<role>.inbox` each, bound to exactly these keys. A test compares it with the handlers. */
export const subscriptions = {
  orders: [
    'stores.participation_changed',
    'stores.product_added',
    'stores.price_changed',
    'stores.stock_changed',
    'stores.product_removed',
    'payments.paid',
    'payments.cancelled',
    'depot.list_completed',
    'depot.list_stuck',
    'depot.list_cancelled',
    'depot.bay_assigned',
    'depot.return_ended',
    'bots.item_picked',
    'bots.item_short',
    'bots.task_lost',
  ],
  stores: [
    'depot.return_ended',
    'bots.item_picked',
    'bots.item_short',
    'bots.item_returned',
    'bots.task_lost',
    'bots.task_failed',
    'bots.task_cancelled',
  ],
  payments: [
    'orders.placed',
    'orders.cancellation_requested',
    'orders.cancelled',
    'orders.rejected',
    'bots.task_succeeded',
  ],
  depot: [
    'orders.placed',
    'orders.cancellation_requested',
    'orders.completed',
    'stores.participation_changed',
    'stores.product_added',
    'stores.product_removed',
    'bots.task_started',
    'bots.item_picked',
    'bots.item_short',
    'bots.item_returned',
    'bots.task_succeeded',
    'bots.task_failed',
    'bots.task_lost',
    'bots.task_cancelled',
  ],
  // The kiosk keeps its own catalogue and the time line that shoppers follow.
  kiosk: eventNames,
} as const satisfies Record<string, readonly MessageName[]>;

export type Subscriber = keyof typeof subscriptions;

export const inboxOf = (subscriber: Subscriber): string => `${subscriber}.inbox`;

export const hubTasks = 'hub.tasks';

/** Every event, in the order in which the broker took it: for analytics, audits and rebuilds. */
export const journal = 'journal';
/** Last month's orders can be looked at this month, and a role that joins late has a month of history. ms */
export const journalMaxAgeMs = 31 * 24 * 3_600_000;

export function addressOf(name: MessageName): Address {
  if (isTaskCommand(name)) return { exchange: 'depot.tasks', routingKey: hubTasks };
  return { exchange: `${name.slice(0, name.indexOf('.'))}.events`, routingKey: name };
}

/** Everything the broker has to have; every exchange and queue is declared from this table and nowhere else. */
export const mallTopology: Topology = {
  exchanges: [
    ...contexts.map((context) => ({ name: `${context}.events`, type: 'topic' }) as const),
    { name: 'depot.tasks', type: 'direct' },
  ],
  queues: [
    ...(Object.keys(subscriptions) as Subscriber[]).map((subscriber) => ({
      name: inboxOf(subscriber),
      singleActiveConsumer: true,
      bindings: subscriptions[subscriber].map(addressOf),
    })),
    // Any hub takes any task, and the order of tasks is the table's business: hubs compete.
    { name: hubTasks, singleActiveConsumer: false, bindings: [addressOf('depot.task_requested')] },
  ],
  // Bound to the known names and not to all: an event that nobody knows stays unroutable, and is an alarm.
  streams: [{ name: journal, maxAgeMs: journalMaxAgeMs, bindings: eventNames.map(addressOf) }],
};
