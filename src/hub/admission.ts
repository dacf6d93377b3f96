import { MallError } from '../contract/errors.ts';
import type { BotRow } from './bot-store.ts';
import type { Introduction } from './hello.ts';

export interface Admission {
  /** The hub of the stream that this one ends. */
  readonly supersededOn: string | undefined;
  /** The session that the bot has goes on; else a new one begins. */
  readonly continues: boolean;
}

/**
 * Whether a stream may become its bot's newest, given what is known of the bot and the database's `now`.
 *
 * | known bot is                     | same instance with the newest token   | same instance                       | other instance |
 * |----------------------------------|---------------------------------------|-------------------------------------|----------------|
 * | unknown, or its session expired  | new session                           | new session                         | new session    |
 * | detached                         | its session goes on                   | new session                         | new session    |
 * | connected                        | its session goes on, old stream ends  | new session, ends the old stream    | refused        |
 *
 * @throws MallError ALREADY_EXISTS naming the bot id and when to try again
 */
export function admitBot(
  known: (Pick<BotRow, 'instanceId' | 'connected' | 'sessionExpiresAt' | 'hubId'> & { readonly now: Date }) | undefined,
  { botId, instanceId }: Pick<Introduction, 'botId' | 'instanceId'>,
  hasNewestToken: boolean,
): Admission {
  if (!known || known.sessionExpiresAt <= known.now) return { supersededOn: undefined, continues: false };
  if (known.instanceId === instanceId) {
    return { supersededOn: known.connected ? known.hubId : undefined, continues: hasNewestToken };
  }
  if (!known.connected) return { supersededOn: undefined, continues: false };
  const remedy = `stop the other instance, or try again after ${known.sessionExpiresAt.toISOString()}`;
  throw new MallError(
    'ALREADY_EXISTS',
    `hello.bot_id "${botId}" is connected as instance ${known.instanceId}; ${remedy}`,
    {
      reason: 'BOT_CONNECTED',
      field: 'hello.bot_id',
      value: botId,
      remedy,
    },
  );
}
