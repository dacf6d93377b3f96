import { isShopping, lostAttempt, returnTaskId } from '../../contract/attempts.ts';
import { notFound } from '../../contract/errors.ts';
import { type Draft, required } from '../../contract/message.ts';
import type { Transaction } from '../../database/port.ts';
import type { TaskRef } from '../../gen/events/bots/v1/events.ts';
import type { Handlers } from '../../role/messaging.ts';
import { decideProduct } from './decide.ts';
import type { Pick, PickCommand, ProductState } from './messages.ts';
import { decidePick } from './pick.ts';
import {
  enterPick,
  lockMissedPicks,
  lockPicks,
  lockProducts,
  savePicks,
  settleReturn,
  updateProduct,
} from './store.ts';

/**
 * The books follow what bots report. Stale attempts never come this far: the inbox knows the fences. What a bot of an attempt that came to
 * nothing has is out of the books until it is back on the shelf, or until Depot says that it never will be.
 */
export const storesHandlers: Handlers<'stores'> = {
  'bots.item_picked': async ({ body }, tx) => {
    const { pick, isSettled } = await enterPick(tx.orm, pickOf(body));
    return move(tx, [pick], { type: 'take', quantity: body.quantity }, isSettled);
  },

  'bots.item_short': async ({ body }, tx) => {
    const { pick, isSettled } = await enterPick(tx.orm, pickOf(body));
    return move(tx, [pick], { type: 'miss', quantity: body.quantity }, isSettled);
  },

  'bots.item_returned': async ({ body: { task, lineId, quantity } }, tx) => {
    const picks = await lockPicks(tx.orm, required('task', task).taskId);
    // None where Depot heard of a pick that never came here: the books have the units still.
    const picked = picks.filter((pick) => pick.lineId === lineId);
    return move(tx, picked, { type: 'putBack', quantity });
  },

  'bots.task_lost': async ({ body }, tx) => {
    const task = required('task', body.task);
    if (!isShopping(task)) return [];
    return move(tx, await lockMissedPicks(tx.orm, task.taskId, lostAttempt(task)), { type: 'lose' });
  },

  // After the last attempt nobody looks again: what was missing stays written off. These are heard for their fences, so that nothing is picked
  // for an attempt that is over.
  'bots.task_failed': async () => [],
  'bots.task_cancelled': async () => [],

  'depot.return_ended': async ({ body: { taskId } }, tx) => {
    const isSettled = !(await settleReturn(tx.orm, taskId));
    return move(tx, await lockPicks(tx.orm, taskId), { type: 'settle' }, isSettled);
  },
};

interface ItemReport {
  readonly task: TaskRef | undefined;
  readonly lineId: string;
  readonly productId: string;
}

function pickOf({ task, lineId, productId }: ItemReport): Pick {
  const { taskId, attempt, orderId } = required('task', task);
  const ids = { taskId, attempt, returnTaskId: returnTaskId(taskId, attempt), orderId, lineId, productId };
  return { ...ids, picked: 0, returned: 0, missed: 0, writtenOff: 0 };
}

/** @throws MallError NOT_FOUND when Stores has no such product */
async function move(
  tx: Transaction,
  picks: readonly Pick[],
  command: PickCommand,
  isSettled = false,
): Promise<readonly Draft[]> {
  if (picks.length === 0) return [];
  const books = await lockProducts(
    tx.orm,
    picks.map(({ productId }) => productId),
  );
  const after: Pick[] = [];
  const touched = new Map<string, ProductState>();
  const drafts: Draft[] = [];
  for (const before of picks) {
    const { productId, orderId } = before;
    let product = touched.get(productId) ?? books.get(productId);
    if (!product) throw notFound('product', 'product_id', productId, `a bot reported it for order ${orderId}`);
    const { pick, moves } = decidePick(before, command, { isSettled, stock: product.stock });
    after.push(pick);
    for (const unitMove of moves) {
      const { state, events } = decideProduct(product, unitMove);
      product = state;
      drafts.push(...events);
    }
    touched.set(productId, product);
  }
  await savePicks(tx.orm, after);
  for (const [productId, state] of touched) {
    if (state !== books.get(productId)) await updateProduct(tx.orm, state);
  }
  return drafts;
}
