import { isShopping, lostAttempt } from '../../contract/attempts.ts';
import { notFound, refused } from '../../contract/errors.ts';
import { newId } from '../../contract/ids.ts';
import { type Draft, required } from '../../contract/message.ts';
import type { Orm, Transaction } from '../../database/port.ts';
import type { TaskRef } from '../../gen/events/bots/v1/events.ts';
import type { Handlers } from '../../role/messaging.ts';
import { bayAssigned, type Decision, decide, listCompleted } from './decide.ts';
import type { List, ListCommand } from './messages.ts';
import { plan } from './plan.ts';
import { askForReturn, followReturn } from './returns.ts';
import {
  fillBays,
  freeBay,
  insertList,
  knownProducts,
  knownStores,
  lockBays,
  lockList,
  rememberProduct,
  rememberStore,
  saveLines,
  updateList,
} from './store.ts';

/** Lists follow orders and bots; the copy of the catalogue follows Stores. */
export const depotHandlers: Handlers<'depot'> = {
  'orders.placed': async ({ body: { orderId, lines } }, { orm }) => {
    const catalogue = {
      stores: await knownStores(
        orm,
        lines.map(({ storeId }) => storeId),
      ),
      products: await knownProducts(
        orm,
        lines.map(({ productId }) => productId),
      ),
    };
    const { list, events } = plan({ orderId, lines }, catalogue, newId());
    await insertList(orm, list);
    await saveLines(orm, orderId, list.lines);
    return events;
  },

  'orders.completed': async ({ body: { orderId } }, { orm }) => {
    await lockBays(orm);
    const list = await requireList(orm, orderId);
    const hadBay = await freeBay(orm, orderId);
    if (list.state === 'waiting_for_bay') await updateList(orm, { ...list, state: 'completed' });
    return hadBay ? giveOutBays(orm, new Date()) : [];
  },

  'stores.participation_changed': async ({ body }, { orm }) => {
    const { storeId, name, participating, version } = body;
    const position = required('position', body.position);
    await rememberStore(orm, { storeId, name, position, participating, version });
    return [];
  },

  'stores.product_added': async ({ body: { productId, storeId, version } }, { orm }) => {
    await rememberProduct(orm, { productId, storeId, removed: false, version });
    return [];
  },

  'stores.product_removed': async ({ body: { productId, version } }, { orm }) => {
    await rememberProduct(orm, { productId, storeId: null, removed: true, version });
    return [];
  },

  'bots.task_started': async ({ body }, tx) => {
    const task = required('task', body.task);
    if (!isShopping(task)) return followReturn(tx, task, { type: 'start' });
    return follow(tx, task, { type: 'start', botId: task.botId });
  },

  'bots.item_picked': async ({ body: { task, lineId, quantity } }, tx) =>
    follow(tx, required('task', task), { type: 'count', lineId, picked: quantity, short: 0 }),

  'bots.item_short': async ({ body: { task, lineId, quantity } }, tx) =>
    follow(tx, required('task', task), { type: 'count', lineId, picked: 0, short: quantity }),

  'bots.item_returned': async ({ body: { task, lineId, quantity } }, tx) =>
    followReturn(tx, required('task', task), { type: 'count', lineId, quantity }),

  'bots.task_lost': async ({ body }, tx) => {
    const task = required('task', body.task);
    if (!isShopping(task)) return followReturn(tx, task, { type: 'lose' });
    return endAttempt(tx, task, lostAttempt(task), { type: 'lose' });
  },

  'bots.task_failed': async ({ body }, tx) => {
    const task = required('task', body.task);
    const { reason } = body;
    if (!isShopping(task)) return followReturn(tx, task, { type: 'fail', reason });
    return endAttempt(tx, task, task.attempt, { type: 'fail', reason });
  },

  'bots.task_cancelled': async ({ body }, tx) => {
    const task = required('task', body.task);
    const { reason } = body;
    if (!isShopping(task)) return followReturn(tx, task, { type: 'fail', reason: `cancelled: ${reason}` });
    return endAttempt(tx, task, task.attempt, { type: 'cancel', reason });
  },

  'bots.task_succeeded': async ({ body }, tx) => {
    const task = required('task', body.task);
    if (!isShopping(task)) return followReturn(tx, task, { type: 'finish' });
    await lockBays(tx.orm);
    const now = new Date();
    const { list, events } = await apply(tx, task, { type: 'finish', botId: task.botId, outcomes: body.lines }, now);
    if (list.state !== 'waiting_for_bay' || list.waitingSince !== now) return events;
    const given = await fillBays(tx.orm, now);
    const own = given.find(({ orderId }) => orderId === list.orderId);
    return [listCompleted(list, own?.bay ?? ''), ...given.map(({ orderId, bay }) => bayAssigned(orderId, bay))];
  },
};

/** Gives free bays to the lists that wait for one. The caller holds the bays' lock. */
export async function giveOutBays(orm: Orm, now: Date): Promise<readonly Draft[]> {
  return (await fillBays(orm, now)).map(({ orderId, bay }) => bayAssigned(orderId, bay));
}

const follow = async (tx: Transaction, task: TaskRef, command: ListCommand) =>
  (await apply(tx, task, command, new Date())).events;

async function endAttempt(
  tx: Transaction,
  task: TaskRef,
  attempt: number,
  command: ListCommand,
): Promise<readonly Draft[]> {
  const { events, carried } = await apply(tx, task, command, new Date());
  return carried ? [...events, ...(await askForReturn(tx, task, attempt, carried))] : events;
}

async function apply({ orm }: Transaction, task: TaskRef, command: ListCommand, now: Date): Promise<Decision> {
  const before = await requireList(orm, task.orderId);
  if (before.taskId !== task.taskId) {
    const message = `task ${task.taskId} is not the one of order ${task.orderId}'s list, ${before.taskId || 'which has none'}`;
    throw refused('task.task_id', task.taskId, 'OTHER_TASK', message);
  }
  const decision = decide(before, command, now);
  await save(orm, before, decision.list);
  return decision;
}

async function save(orm: Orm, before: List, after: List): Promise<void> {
  if (after === before) return;
  if (after.state !== before.state) await updateList(orm, after);
  if (after.lines !== before.lines) await saveLines(orm, after.orderId, after.lines);
}

async function requireList(orm: Orm, orderId: string): Promise<List> {
  const list = await lockList(orm, orderId);
  if (!list) throw notFound('shopping list', 'order_id', orderId, 'orders.placed of the order comes first');
  return list;
}
