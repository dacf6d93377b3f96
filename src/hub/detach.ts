import type { Logger } from 'pino';
import type { Database } from '../database/port.ts';
import { Batch } from './batch.ts';
import { detachBots } from './bot-store.ts';
import type { Ledger } from './ledger.ts';
import type { LiveBot } from './live-bot.ts';
import { aboutSession } from './session-log.ts';

/** Sessions that lose their stream in one statement: all of a hub's, when it drains. */
const maxDetached = 1_000;

export interface Detachment {
  /** The bot said goodbye: its leases go back to the queue. */
  readonly giveBack: boolean;
  /** How long the bot finds its session again. */
  readonly graceMs: number;
}

/** Never rejects. */
export type Detach = (bot: LiveBot, how: Detachment) => Promise<void>;

/**
 * What follows from the end of a stream: the bot id is free for another instance, offers go back to the queue, and so do leases when the
 * bot gives them back; else they run on, for the bot to return to. Where the database is away, all of it ends by time.
 */
export function detacher({ database, ledger, logger }: { database: Database; ledger: Ledger; logger: Logger }): Detach {
  const sessions = new Batch<{ botId: string; epoch: number; graceMs: number }, undefined>(
    maxDetached,
    async (ended) => {
      await database.transaction(({ orm }) => detachBots(orm, ended));
      return ended.map(() => undefined);
    },
  );

  return async (bot, { giveBack, graceMs }) => {
    const { botId, epoch } = bot;
    const tasks = bot.held.flatMap(({ task: { taskId, fence, traceparent }, isLeased }) => {
      if (!isLeased) return [ledger.apply(taskId, { type: 'detached', fence }, traceparent)];
      return giveBack
        ? [ledger.apply(taskId, { type: 'dropped', botId, reason: 'the bot said goodbye' }, traceparent, bot)]
        : [];
    });
    try {
      await Promise.all([sessions.add({ botId, epoch, graceMs }), ...tasks]);
    } catch (error) {
      logger.warn({ err: error, ...aboutSession(bot) }, 'a session could not be ended in the table; it expires');
    }
  };
}
