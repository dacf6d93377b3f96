import type { BodyOf, MessageName } from '../../contract/events.ts';
import type { Received } from '../../contract/message.ts';
import type { Money } from '../../gen/common/v1/common.ts';
import type { TaskRef } from '../../gen/events/bots/v1/events.ts';

/** One thing that happened to an order, by the event that told of it. */
export interface Happening {
  readonly eventId: string;
  readonly orderId: string;
  readonly name: MessageName;
  readonly at: Date;
  readonly botId: string;
  readonly taskId: string;
  readonly kind: string;
  /** Of the task, from 1; 0 where no task is meant. */
  readonly attempt: number;
  readonly storeId: string;
  readonly lineId: string;
  /** Units. */
  readonly quantity: number;
  readonly amountMinor: number;
  readonly currency: string;
  readonly bay: string;
  /** Why, or by whom. */
  readonly reason: string;
}

type Said = Partial<Omit<Happening, 'eventId' | 'orderId' | 'name' | 'at'>>;

const sum = (amount: Money | undefined): Said =>
  amount ? { amountMinor: amount.minor, currency: amount.currency } : {};
const units = ({ storeId, lineId, quantity }: { storeId: string; lineId: string; quantity: number }): Said => ({
  ...{ storeId, lineId, quantity },
});

/**
 * What each event says of an order to people. Not here is what another one says as well: Depot's word on what a bot did, stock that moves for a pick,
 * the bay (which `orders.ready` names), and the steps of kinds that the mall has no words for.
 */
const told: { readonly [N in MessageName]?: (body: BodyOf<N>) => Said } = {
  'orders.placed': ({ total, lines }) => ({
    ...sum(total),
    quantity: lines.reduce((all, line) => all + line.quantity, 0),
  }),
  'orders.ready': ({ bay }) => ({ bay }),
  'orders.collectable': ({ bay }) => ({ bay }),
  'orders.pickup_refused': ({ wrongCodes, locked }) => ({ quantity: wrongCodes, reason: locked ? 'locked' : '' }),
  'orders.identity_checked': ({ reason }) => ({ reason }),
  'orders.completed': () => ({}),
  'orders.cancellation_requested': ({ requestedBy, reason }) => ({
    reason: [requestedBy, reason].filter(Boolean).join(': '),
  }),
  'orders.cancelled': ({ reason }) => ({ reason }),
  'orders.rejected': ({ reason }) => ({ reason }),
  'payments.invoice_issued': ({ total }) => sum(total),
  'payments.adjusted': ({ reduction }) => sum(reduction),
  'payments.paid': ({ amount }) => sum(amount),
  'payments.refunded': ({ amount, reason }) => ({ ...sum(amount), reason }),
  'payments.cancelled': () => ({}),
  'depot.list_created': ({ taskId, storeIds }) => ({ taskId, quantity: storeIds.length }),
  'depot.list_stuck': ({ message }) => ({ reason: message }),
  'depot.return_ended': ({ taskId, lines, reason }) => ({
    taskId,
    quantity: lines.reduce((all, line) => all + line.returned, 0),
    reason,
  }),
  'bots.task_started': () => ({}),
  'bots.stop_reached': ({ storeId }) => ({ storeId }),
  'bots.item_picked': units,
  'bots.item_short': units,
  'bots.item_returned': units,
  'bots.task_succeeded': () => ({}),
  'bots.task_failed': ({ reason }) => ({ reason }),
  'bots.task_lost': ({ reason }) => ({ reason }),
  'bots.task_cancelled': ({ reason }) => ({ reason }),
};

const nothing = {
  ...{ botId: '', taskId: '', kind: '', attempt: 0, storeId: '', lineId: '', quantity: 0 },
  ...{ amountMinor: 0, currency: '', bay: '', reason: '' },
} satisfies Required<Said>;

/** What an event says of its order; undefined where that is nothing for people. */
export function happeningOf({ id, name, time, body }: Received): Happening | undefined {
  const tell = told[name] as ((body: unknown) => Said) | undefined;
  const { orderId, task } = body as { orderId?: string; task?: TaskRef };
  const about = orderId ?? task?.orderId;
  if (!tell || !about) return undefined;
  const bot = task && { botId: task.botId, taskId: task.taskId, kind: task.kind, attempt: task.attempt };
  return { ...nothing, ...bot, ...tell(body), eventId: id, orderId: about, name, at: task?.occurredAt ?? time };
}
