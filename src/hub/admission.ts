import { MallError } from '../contract/errors.ts';
import type { BotRow } from './bot-store.ts';
import type { Introduction } from './hello.ts';

/**
 * Whether a stream may become its bot's session, given what is known of the bot at the database's `now`.
 *
 * | known bot is                    | same instance                 | other instance |
 * |---------------------------------|-------------------------------|----------------|
 * | unknown, detached, or expired   | admitted                      | admitted       |
 * | connected, session not expired  | admitted, ends the old stream | refused        |
 *
 * @throws MallError ALREADY_EXISTS naming the bot id and when to try again
 */
export function admitBot(
  known: Pick<BotRow, 'instanceId' | 'connected' | 'sessionExpiresAt' | 'hubId'> | undefined,
  { botId, instanceId }: Pick<Introduction, 'botId' | 'instanceId'>,
  now: Date | undefined,
): { supersededOn: string | undefined } {
  if (!known || !now || !known.connected || known.sessionExpiresAt <= now) return { supersededOn: undefined };
  if (known.instanceId === instanceId) return { supersededOn: known.hubId };
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
