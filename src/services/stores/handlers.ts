import { notFound } from '../../contract/errors.ts';
import { type Draft, required } from '../../contract/message.ts';
import type { Transaction } from '../../database/port.ts';
import type { TaskRef } from '../../gen/events/bots/v1/events.ts';
import type { Handlers } from '../../role/messaging.ts';
import { decideProduct, unitsToPutBack } from './decide.ts';
import type { Pick, UnitMove } from './messages.ts';
import { addToPick, lockProducts, takePicks, updateProduct } from './store.ts';

/** The books follow what bots report. Stale attempts never come this far: the inbox knows the fences. */
export const storesHandlers: Handlers<'stores'> = {
  'bots.item_picked': async ({ body }, tx) => {
    const pick = pickOf(body, { picked: body.quantity, short: 0 });
    await addToPick(tx.orm, pick);
    return move(tx, [{ pick, type: 'take', quantity: pick.picked }]);
  },

  'bots.item_short': async ({ body }, tx) => {
    const pick = pickOf(body, { picked: 0, short: body.quantity });
    await addToPick(tx.orm, pick);
    return move(tx, [{ pick, type: 'writeOff', quantity: pick.short }]);
  },

  'bots.task_lost': async ({ body }, tx) => {
    const { taskId } = required('task', body.task);
    return putBack(tx, await takePicks(tx.orm, taskId, body.lostFence), 'lost');
  },

  'bots.task_failed': async ({ body }, tx) => {
    const { taskId, fence } = required('task', body.task);
    return putBack(tx, await takePicks(tx.orm, taskId, fence), 'failed');
  },
};

interface ItemReport {
  readonly task: TaskRef | undefined;
  readonly lineId: string;
  readonly productId: string;
}

function pickOf({ task, lineId, productId }: ItemReport, units: { picked: number; short: number }): Pick {
  const { taskId, fence, orderId } = required('task', task);
  return { taskId, fence, orderId, lineId, productId, ...units };
}

const putBack = (tx: Transaction, picks: readonly Pick[], over: 'lost' | 'failed') =>
  move(
    tx,
    picks.map((pick) => ({ pick, type: 'putBack', quantity: unitsToPutBack(pick, over) })),
  );

interface Move extends Omit<UnitMove, 'line'> {
  readonly pick: Pick;
}

/** @throws MallError NOT_FOUND when Stores has no such product */
async function move(tx: Transaction, moves: readonly Move[]): Promise<readonly Draft[]> {
  if (moves.length === 0) return [];
  const books = await lockProducts(
    tx.orm,
    moves.map(({ pick }) => pick.productId),
  );
  const touched = new Set<string>();
  const drafts: Draft[] = [];
  for (const { pick, type, quantity } of moves) {
    const { productId, orderId, lineId } = pick;
    const before = books.get(productId);
    if (!before) throw notFound('product', 'product_id', productId, `a bot reported it for order ${orderId}`);
    const { state, events } = decideProduct(before, { type, quantity, line: { orderId, lineId } });
    books.set(productId, state);
    if (events.length > 0) touched.add(productId);
    drafts.push(...events);
  }
  for (const productId of touched) await updateProduct(tx.orm, books.get(productId)!);
  return drafts;
}
