import { returnTaskId } from '../../contract/attempts.ts';
import type { Draft } from '../../contract/message.ts';
import type { Transaction } from '../../database/port.ts';
import type { TaskRef } from '../../gen/events/bots/v1/events.ts';
import { decideReturn, planReturn } from './bring-back.ts';
import type { ListLine, ReturnCommand } from './messages.ts';
import { insertReturn, lockReturn, updateReturn } from './return-store.ts';
import { knownStores } from './store.ts';

/** Asks the bot whose attempt at a list came to nothing to bring back what it had picked. */
export async function askForReturn(
  { orm }: Transaction,
  { taskId, orderId, botId }: TaskRef,
  attempt: number,
  carried: readonly ListLine[],
): Promise<readonly Draft[]> {
  const stores = await knownStores(
    orm,
    carried.map(({ storeId }) => storeId),
  );
  const ended = { orderId, attempt, returnTaskId: returnTaskId(taskId, attempt), botId, carried };
  const { bringBack, events } = planReturn(ended, stores, new Date());
  if (bringBack) await insertReturn(orm, bringBack);
  return events;
}

/** Follows a task that is no list's. Of a kind that Depot never asked for there is no return, and nothing to follow. */
export async function followReturn(
  { orm }: Transaction,
  { taskId }: TaskRef,
  command: ReturnCommand,
): Promise<readonly Draft[]> {
  const before = await lockReturn(orm, taskId);
  if (!before) return [];
  const { bringBack, events } = decideReturn(before, command);
  if (bringBack && bringBack !== before) await updateReturn(orm, bringBack);
  return events;
}
