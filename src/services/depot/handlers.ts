import { isShopping, lostAttempt } from '../../contract/attempts.ts';
import { notFound, refused } from '../../contract/errors.ts';
import { newId } from '../../contract/ids.ts';
import { type Draft, required } from '../../contract/message.ts';
import type { Orm, Transaction } from '../../database/port.ts';
import type { TaskRef } from '../../gen/events/bots/v1/events.ts';
import type { Handlers } from '../../role/messaging.ts';
import { bayOf, fillBays, freeBay, lockBays } from './bay-store.ts';
import { giveOutBays } from './bays.ts';
import { bayAssigned, type Decision, decide, listCancelled, listCompleted } from './decide.ts';
import type { List, ListCommand, ReturnCommand } from './messages.ts';
import { plan } from './plan.ts';
import { openReturns } from './return-store.ts';
import { askForReturn, followReturn } from './returns.ts';
import {
  insertList,
  knownProducts,
  knownStores,
  lockList,
  rememberProduct,
  rememberStore,
  saveLines,
  taskOfList,
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

  'orders.cancellation_requested': async ({ body: { orderId, reason } }, tx) => {
    await lockBays(tx.orm);
    const before = await requireList(tx.orm, orderId);
    const decision = decide(before, { type: 'callOff', reason }, new Date());
    await save(tx.orm, before, decision.list);
    return follow(tx, decision, { taskId: before.taskId, orderId, botId: '' });
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
    if (!isShopping(task)) return followReturn(tx, task, { type: 'start', botId: task.botId });
    return report(tx, task, { type: 'start', botId: task.botId });
  },

  'bots.item_picked': async ({ body: { task, lineId, quantity } }, tx) =>
    report(tx, required('task', task), { type: 'count', lineId, picked: quantity, short: 0 }),

  'bots.item_short': async ({ body: { task, lineId, quantity } }, tx) =>
    report(tx, required('task', task), { type: 'count', lineId, picked: 0, short: quantity }),

  'bots.item_returned': async ({ body: { task, lineId, quantity } }, tx) =>
    followReturn(tx, required('task', task), { type: 'count', lineId, quantity }),

  'bots.task_lost': async ({ body }, tx) => {
    const task = required('task', body.task);
    if (!isShopping(task)) return followReturn(tx, task, { type: 'lose' });
    return report(tx, task, { type: 'lose' }, lostAttempt(task));
  },

  'bots.task_failed': async ({ body }, tx) => {
    const task = required('task', body.task);
    const { reason } = body;
    if (!(await isOfList(tx.orm, task))) return endReturn(tx, task, { type: 'fail', reason });
    return report(tx, task, { type: 'fail', reason });
  },

  'bots.task_cancelled': async ({ body }, tx) => {
    const task = required('task', body.task);
    const { reason } = body;
    if (!(await isOfList(tx.orm, task))) return endReturn(tx, task, { type: 'fail', reason: `cancelled: ${reason}` });
    return report(tx, task, { type: 'cancel', reason });
  },

  'bots.task_succeeded': async ({ body }, tx) => {
    const task = required('task', body.task);
    if (!isShopping(task)) return endReturn(tx, task, { type: 'finish' });
    await lockBays(tx.orm);
    const now = new Date();
    const { botId, attempt } = task;
    const decision = await apply(tx, task, { type: 'finish', botId, attempt, outcomes: body.lines }, now);
    const { list } = decision;
    if (list.state !== 'waiting_for_bay' || list.waitingSince !== now) return follow(tx, decision, task, attempt);
    const given = await fillBays(tx.orm, now);
    const own = given.find(({ orderId }) => orderId === list.orderId);
    return [listCompleted(list, own?.bay ?? ''), ...given.map(({ orderId, bay }) => bayAssigned(orderId, bay))];
  },
};

/** A task that the hub could make nothing of, or that was cancelled before the hub had heard of it, has no kind: its id says what it is. */
async function isOfList(orm: Orm, task: TaskRef): Promise<boolean> {
  return task.kind === '' ? (await taskOfList(orm, task.orderId)) === task.taskId : isShopping(task);
}

/** What may end a return gives out bays, whose lock comes before any other. */
async function endReturn(tx: Transaction, task: TaskRef, command: ReturnCommand): Promise<readonly Draft[]> {
  await lockBays(tx.orm);
  return followReturn(tx, task, command);
}

/** `attempt` is the one that the report is about. */
const report = async (tx: Transaction, task: TaskRef, command: ListCommand, attempt = task.attempt) =>
  follow(tx, await apply(tx, task, command, new Date()), task, attempt);

/** What follows from a decision: goods are asked for that nobody wants, and who has called the list off hears when nobody has it any more. */
async function follow(
  tx: Transaction,
  { list, events, carried, unwanted, isCalledOff }: Decision,
  task: Pick<TaskRef, 'taskId' | 'orderId' | 'botId'>,
  attempt = 1,
): Promise<readonly Draft[]> {
  const { orm } = tx;
  const { orderId } = list;
  const drafts = [...events];
  if (carried) drafts.push(...(await askForReturn(tx, task, attempt, carried)));
  if (unwanted) {
    const atDepot = { bay: (await bayOf(orm, orderId)) ?? '' };
    drafts.push(...(await askForReturn(tx, task, unwanted.attempt, unwanted.lines, atDepot)));
  }
  // Last: what has ended by now is not waited for.
  if (isCalledOff) drafts.push(listCancelled(list, await openReturns(orm, orderId)));
  return drafts;
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
  if (after.state !== before.state || botOf(after) !== botOf(before)) await updateList(orm, after);
  if (after.lines !== before.lines) await saveLines(orm, after.orderId, after.lines);
}

const botOf = (list: List): string => ('botId' in list ? list.botId : '');

async function requireList(orm: Orm, orderId: string): Promise<List> {
  const list = await lockList(orm, orderId);
  if (!list) throw notFound('shopping list', 'order_id', orderId, 'orders.placed of the order comes first');
  return list;
}
