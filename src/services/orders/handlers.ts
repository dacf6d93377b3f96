import { isShopping, lostAttempt } from '../../contract/attempts.ts';
import { type Draft, required } from '../../contract/message.ts';
import type { Transaction } from '../../database/port.ts';
import type { TaskRef } from '../../gen/events/bots/v1/events.ts';
import { StuckReason } from '../../gen/events/depot/v1/events.ts';
import type { StockChanged } from '../../gen/events/stores/v1/events.ts';
import type { Handlers } from '../../role/messaging.ts';
import { saveProduct, saveStore, updateProduct } from './catalogue-store.ts';
import { changeOrder } from './change.ts';
import type { OrderCommand } from './messages.ts';

/** What Orders makes of the others' events. Stale attempts of bots never come this far: the inbox knows the fences. */
export const ordersHandlers: Handlers<'orders'> = {
  'stores.participation_changed': async ({ body }, tx) => {
    const { storeId: id, name, participating, version } = body;
    await saveStore(tx.orm, { id, name, participating, version });
    return [];
  },

  'stores.product_added': async ({ body }, tx) => {
    const { productId: id, storeId, sku, name, stock, version } = body;
    const { minor: priceMinor, currency } = required('price', body.price);
    await saveProduct(tx.orm, { id, storeId, sku, name, priceMinor, currency, stock, removed: false, version });
    return [];
  },

  'stores.price_changed': async ({ body }, tx) => {
    const { minor: priceMinor, currency } = required('price', body.price);
    await updateProduct(tx.orm, body.productId, body.version, { priceMinor, currency });
    return [];
  },

  'stores.stock_changed': async ({ body }, tx) => {
    const { productId, stock, orderId, version } = body;
    // The order first: orders are locked before products. In one transaction, or the units would be free, or gone twice, for a moment.
    const command = stockCommand(body);
    if (orderId && command) await changeOrder(tx.orm, orderId, command, new Date());
    await updateProduct(tx.orm, productId, version, { stock });
    return [];
  },

  'stores.product_removed': async ({ body }, tx) => {
    await updateProduct(tx.orm, body.productId, body.version, { removed: true });
    return [];
  },

  'payments.paid': ({ body }, tx) => change(tx, body.orderId, { type: 'markPaid' }),

  'depot.list_completed': ({ body: { orderId, lines, bay } }, tx) =>
    change(tx, orderId, { type: 'completeList', lines, bay }),

  'depot.list_stuck': ({ body: { orderId, reason, message } }, tx) =>
    change(tx, orderId, {
      // Whatever else a depot may come to say, the goods will not come.
      type: reason === StuckReason.UNPLANNABLE ? 'reject' : 'cancel',
      reason: message || 'the shopping list could not be worked off',
    }),

  'payments.cancelled': ({ body: { orderId } }, tx) => change(tx, orderId, { type: 'moneyReturned' }),

  'depot.list_cancelled': ({ body: { orderId, returnTaskIds } }, tx) =>
    change(tx, orderId, { type: 'listCancelled', returnTaskIds }),

  'depot.return_ended': ({ body: { orderId, taskId } }, tx) => change(tx, orderId, { type: 'returnEnded', taskId }),

  'depot.bay_assigned': ({ body: { orderId, bay } }, tx) => change(tx, orderId, { type: 'assignBay', bay }),

  'bots.item_picked': ({ body: { task, lineId, quantity } }, tx) =>
    change(tx, orderOf(task), { type: 'count', line: { lineId, picked: quantity, short: 0 } }),

  'bots.item_short': ({ body: { task, lineId, quantity } }, tx) =>
    change(tx, orderOf(task), { type: 'count', line: { lineId, picked: 0, short: quantity } }),

  'bots.task_lost': async ({ body }, tx) => {
    const task = required('task', body.task);
    // What brings goods back serves the order too, and is no attempt at its list.
    if (!isShopping(task)) return [];
    return change(tx, task.orderId, { type: 'beginAnew', attempt: lostAttempt(task) + 1 });
  },
};

/** @throws Error when there is no such order: somebody speaks of what was never placed, and the message is parked */
async function change(tx: Transaction, orderId: string, command: OrderCommand): Promise<readonly Draft[]> {
  const decision = await changeOrder(tx.orm, orderId, command, new Date());
  if (!decision) throw new Error(`no order with order_id "${orderId}"`);
  return decision.events;
}

/** What the books' change means to the line on whose account it was made. */
function stockCommand({ delta, lineId, attempt }: StockChanged): OrderCommand | undefined {
  if (attempt === 0) return undefined;
  return delta < 0
    ? { type: 'takeStock', lineId, attempt, quantity: -delta }
    : { type: 'returnStock', lineId, attempt };
}

const orderOf = (task: TaskRef | undefined): string => required('task', task).orderId;
