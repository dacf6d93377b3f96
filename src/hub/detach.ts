import type { Logger } from 'pino';
import type { Database } from '../database/port.ts';
import { ATTR_BOT_ID } from '../telemetry/attributes.ts';
import { Batch } from './batch.ts';
import { detachBots } from './bot-store.ts';
import type { Ledger } from './ledger.ts';
import type { LiveBot } from './live-bot.ts';

/** Sessions that end in one statement: all of a hub's, when it drains. */
const maxDetached = 1_000;

/**
 * What follows from the end of a stream: the bot id is free for another instance, offers go back to the queue, and so do leases when the
 * bot gives them back; else they run on, for the bot to return to. Where the database is away, all of it ends by time.
 */
export function detacher({ database, ledger, logger }: { database: Database; ledger: Ledger; logger: Logger }) {
  const sessions = new Batch<LiveBot, undefined>(maxDetached, async (bots) => {
    const ended = bots.map(({ botId, sessionId }) => ({ botId, sessionId }));
    await database.transaction(({ orm }) => detachBots(orm, ended));
    return bots.map(() => undefined);
  });

  return async (bot: LiveBot, giveBack: boolean): Promise<void> => {
    const { botId } = bot;
    const tasks = bot.held.flatMap(({ task: { taskId, fence, traceparent }, isLeased }) => {
      if (!isLeased) return [ledger.apply(taskId, { type: 'detached', fence }, traceparent)];
      return giveBack
        ? [ledger.apply(taskId, { type: 'dropped', botId, reason: 'the bot said goodbye' }, traceparent)]
        : [];
    });
    try {
      await Promise.all([sessions.add(bot), ...tasks]);
    } catch (error) {
      logger.warn({ err: error, [ATTR_BOT_ID]: botId }, 'a session could not be ended in the table; it expires');
    }
  };
}
