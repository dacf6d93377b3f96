import { returnTaskId } from '../../contract/attempts.ts';
import type { Draft } from '../../contract/message.ts';
import type { Transaction } from '../../database/port.ts';
import type { TaskRef } from '../../gen/events/bots/v1/events.ts';
import { freeBay } from './bay-store.ts';
import { giveOutBays } from './bays.ts';
import { decideReturn, planReturn } from './bring-back.ts';
import type { ListLine, ReturnCommand } from './messages.ts';
import { insertReturn, lockReturn, updateReturn } from './return-store.ts';
import { knownStores } from './store.ts';

/** Asks for what an attempt at a list had picked: its bot, or, where that has brought it to the depot, any bot. */
export async function askForReturn(
  { orm }: Transaction,
  { taskId, orderId, botId }: Pick<TaskRef, 'taskId' | 'orderId' | 'botId'>,
  attempt: number,
  carried: readonly ListLine[],
  atDepot?: { readonly bay: string },
): Promise<readonly Draft[]> {
  const stores = await knownStores(
    orm,
    carried.map(({ storeId }) => storeId),
  );
  const ended = {
    orderId,
    attempt,
    returnTaskId: returnTaskId(taskId, attempt),
    botId,
    carried,
    ...(atDepot && { atDepot }),
  };
  const { bringBack, events } = planReturn(ended, stores, new Date());
  if (bringBack) await insertReturn(orm, bringBack);
  return events;
}

/**
 * Follows a task that is no list's. Of a kind that Depot never asked for there is no return, and nothing to follow. A bay is free again when the return from
 * it is over: until then nobody can know whether the goods are still there. The caller of what may end a return holds the bays' lock.
 */
export async function followReturn(
  { orm }: Transaction,
  { taskId }: TaskRef,
  command: ReturnCommand,
): Promise<readonly Draft[]> {
  const before = await lockReturn(orm, taskId);
  if (!before) return [];
  const { bringBack, events } = decideReturn(before, command);
  if (bringBack && bringBack !== before) await updateReturn(orm, bringBack);
  const isOver = bringBack !== before && (bringBack?.state === 'done' || bringBack?.state === 'lost');
  if (!before.fromDepot || !isOver || !(await freeBay(orm, before.orderId))) return events;
  return [...events, ...(await giveOutBays(orm, new Date()))];
}
