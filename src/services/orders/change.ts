import { randomInt } from 'node:crypto';
import { newId } from '../../contract/ids.ts';
import { drawPickupCode } from '../../contract/pickup-code.ts';
import type { Orm } from '../../database/port.ts';
import { wakesAt } from './cancellation.ts';
import { commitmentChanges, type Decision, decide } from './decide.ts';
import type { Order, OrderCommand, PlaceOrder } from './messages.ts';
import { place, requireSameRequest } from './place.ts';
import {
  changeCommitted,
  findOrder,
  findOrderByKey,
  findStores,
  insertLines,
  insertOrder,
  lockIdempotencyKey,
  lockOrder,
  lockProducts,
  saveCancellation,
  updateLines,
  updateOrder,
} from './store.ts';

// Each of these runs inside the caller's transaction; the events it answers with have to leave with that transaction.

/**
 * The order for this idempotency key: a new one, or the one that the key stands for already.
 * @throws MallError as `place` and `requireSameRequest` do
 */
export async function placeOrder(orm: Orm, command: PlaceOrder, now: Date): Promise<Decision> {
  await lockIdempotencyKey(orm, command.idempotencyKey);
  const existing = await findOrderByKey(orm, command.idempotencyKey);
  if (existing) {
    requireSameRequest(existing, command);
    return { order: existing, events: [] };
  }
  const products = await lockProducts(
    orm,
    command.lines.map(({ productId }) => productId),
  );
  const stores = await findStores(orm, [...new Set([...products.values()].map(({ storeId }) => storeId))]);
  const ids = { order: newId(), lines: command.lines.map(newId) };
  const decision = place(command, { products, stores }, ids, now);
  const order = await insertWithCode(orm, decision.order);
  await insertLines(orm, order);
  await changeCommitted(orm, commitmentChanges(undefined, order));
  return { ...decision, order };
}

/**
 * Draws until no order that waits is found by the same part of the code. With 100,000 of them waiting every third draw fails, so that many in a row do
 * not happen; a mall of as many orders as there are codes would have to say so.
 */
const maxDraws = 50;

async function insertWithCode(orm: Orm, placed: Order): Promise<Order> {
  for (let draws = 0; draws < maxDraws; draws += 1) {
    const order = { ...placed, pickupCode: drawPickupCode(randomInt) };
    if (await insertOrder(orm, order)) return order;
  }
  throw new Error(`no free pickup code in ${maxDraws} draws`);
}

/**
 * Decides on the order under its lock and writes what changed; undefined when there is no such order.
 * @throws MallError as `decide` does
 */
export async function changeOrder(
  orm: Orm,
  orderId: string,
  command: OrderCommand,
  now: Date,
): Promise<Decision | undefined> {
  if (!(await lockOrder(orm, orderId))) return undefined;
  const before = (await findOrder(orm, orderId))!;
  const decision = decide(before, command, now);
  if (decision.order !== before) await write(orm, before, decision.order);
  return decision;
}

async function write(orm: Orm, before: Order, after: Order): Promise<void> {
  await updateOrder(orm, after);
  if (after.cancellation && after.cancellation !== before.cancellation) {
    await saveCancellation(orm, after.id, after.cancellation, wakesAt(after.cancellation));
  }
  const changed = after.lines.filter((line, index) => line !== before.lines[index]);
  if (changed.length > 0) await updateLines(orm, after.id, changed);
  const commitments = commitmentChanges(before, after);
  if (commitments.size === 0) return;
  await lockProducts(orm, [...commitments.keys()]);
  await changeCommitted(orm, commitments);
}
