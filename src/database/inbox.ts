import type { Inbox } from '../broker/consume.ts';
import { MallError } from '../contract/errors.ts';
import type { Message } from '../contract/message.ts';
import {
  addParked,
  type Entry,
  enter,
  enterParked,
  firstParked,
  type InboxTables,
  lockParked,
  raiseFence,
  setOutcome,
} from './inbox-rows.ts';
import type { Database, Transaction } from './port.ts';

/** What a message does, inside of the transaction that takes its id in. */
export type Handle = (message: Message, tx: Transaction) => Promise<void>;

/** Why a message was parked, as staff read it: a sentence and the start of a stack, no more. */
const maxReasonChars = 2_000;
const waitsBehind = 'waits behind an earlier message of its key';

/**
 * Takes messages in: effect and id commit together. Every way in ends with the id in the inbox, once: handled, refused for its fence
 * (`stale`), or parked. What is parked holds up the later messages of its key, which are parked behind it without being tried.
 */
export function createInbox(o: { database: Database; tables: InboxTables; handle: Handle }): Inbox {
  const { database, tables, handle } = o;
  return {
    process: (message) =>
      database.transaction(async (tx) => {
        const entry = await enter(tx.orm, tables, message);
        if (entry.outcome === null) return 'duplicate';
        if (entry.outcome === 'handled') return settle(tx, tables, message, entry.fence, handle);
        return behind(tx, message);
      }),
    park: (message, error, attempts) =>
      database.transaction(async (tx) => {
        await lockParked(tx.orm, tables, message.key);
        if (!(await enterParked(tx.orm, tables, message))) return;
        await addParked(tx.orm, tables, message, reasonOf(error), attempts);
      }),
  };

  /** Parks the message behind those of its key, unless they went away while this one waited for them. */
  async function behind(tx: Transaction, message: Message): Promise<'parked' | 'handled' | 'stale'> {
    await lockParked(tx.orm, tables, message.key);
    if (await firstParked(tx.orm, tables, message.key)) {
      await addParked(tx.orm, tables, message, waitsBehind, 0);
      return 'parked';
    }
    await setOutcome(tx.orm, tables, message.id, 'handled');
    return settle(tx, tables, message, await raiseFence(tx.orm, tables, message), handle);
  }
}

/** Handles the message, unless its task has seen a higher fence. The inbox says `handled` before and the truth after. */
export async function settle(
  tx: Transaction,
  tables: InboxTables,
  message: Message,
  highestFence: Entry['fence'],
  handle: Handle,
): Promise<'handled' | 'stale'> {
  if (message.task && highestFence !== null && highestFence > message.task.fence) {
    await setOutcome(tx.orm, tables, message.id, 'stale');
    return 'stale';
  }
  await handle(message, tx);
  return 'handled';
}

export function reasonOf(error: unknown): string {
  if (error instanceof MallError && error.code !== 'INTERNAL')
    return `${error.code}: ${error.message}`.slice(0, maxReasonChars);
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return text.slice(0, maxReasonChars);
}
