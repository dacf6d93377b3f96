import { isShopping } from '../../contract/attempts.ts';
import type { MessageName } from '../../contract/events.ts';
import { type Draft, type Received, required } from '../../contract/message.ts';
import type { Transaction } from '../../database/port.ts';
import type { Line } from '../../gen/events/orders/v1/events.ts';
import type { Handlers } from '../../role/messaging.ts';
import { cancelled } from './announce.ts';
import type { InvoiceCommand, PricedLine } from './messages.ts';
import { changeInvoice, readInvoice } from './stream.ts';

/**
 * What Payments makes of the others' events. An order's first event issues its invoice; what should come before that fails and is
 * tried again.
 */
export const paymentsHandlers: Handlers<'payments'> = {
  'orders.placed': (event, tx) => {
    const { orderId, lines } = event.body;
    return change(event, tx, orderId, { type: 'issue', orderId, lines: lines.map(pricedLine), issuedAt: new Date() });
  },

  // At once: nothing is handed over any more, wherever the goods are. Orders asks again when it has not heard the answer.
  'orders.cancellation_requested': async (event, tx) => {
    const { orderId, reason } = event.body;
    const drafts = await change(event, tx, orderId, { type: 'cancel', reason });
    return drafts.length > 0 ? drafts : [cancelled(orderId, reason)];
  },

  'orders.cancelled': (event, tx) => {
    const { orderId, reason } = event.body;
    return change(event, tx, orderId, { type: 'cancel', reason });
  },

  'orders.rejected': (event, tx) => {
    const { orderId, reason } = event.body;
    return change(event, tx, orderId, { type: 'cancel', reason });
  },

  'bots.task_succeeded': (event, tx) => {
    const { task: given, lines } = event.body;
    const task = required('task', given);
    // What brings goods back to their stores brings nothing to the shopper.
    if (!isShopping(task)) return Promise.resolve([]);
    return change(event, tx, task.orderId, { type: 'adjust', found: lines });
  },
};

async function change(
  event: Received<MessageName>,
  tx: Transaction,
  orderId: string,
  command: InvoiceCommand,
): Promise<readonly Draft[]> {
  const meta = { causationId: event.id, messageId: event.id, occurredAt: new Date().toISOString() };
  const before = await readInvoice(tx.orm, orderId);
  return (await changeInvoice(tx, orderId, before, command, meta)).drafts;
}

const pricedLine = ({ lineId, quantity, unitPrice }: Line, index: number): PricedLine => ({
  lineId,
  quantity,
  unitPrice: required(`lines[${index}].unit_price`, unitPrice),
});
