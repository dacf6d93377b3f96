import { invalid, MallError } from '../contract/errors.ts';
import type { BotFrame, HeldTask } from '../gen/fleet/v1/fleet.ts';
import { maxHeldTasks, readCredit, readPosition, requireCount } from './hello.ts';
import type { LiveBot } from './live-bot.ts';
import { isInstant } from './read-report.ts';
import type { Refusal } from './refusal.ts';

type Body = NonNullable<BotFrame['body']>;
/** What may be lost on its way, and does not wait behind what may not: a heartbeat counts also while a progress is tried again. */
export type Signal = Extract<Body, { $case: 'heartbeat' | 'telemetry' | 'credit' | 'nack' }>;

export const isSignal = (body: BotFrame['body']): body is Signal =>
  body?.$case === 'heartbeat' || body?.$case === 'telemetry' || body?.$case === 'credit' || body?.$case === 'nack';

export interface SignalEffect {
  readonly refusal?: Refusal;
  /** Unfinished tasks that the bot believes to have and has not. */
  readonly stale?: readonly HeldTask[];
  readonly isWilling?: boolean;
}

/** Applies a signal to what is known of the bot. */
export function takeSignal(bot: LiveBot, signal: Signal): SignalEffect {
  try {
    switch (signal.$case) {
      case 'heartbeat': {
        const { sentAt, position, battery, heldTasks } = signal.value;
        if (!(battery >= 0 && battery <= 1)) throw invalid('heartbeat.battery', battery, 'OUT_OF_RANGE', 'give 0 to 1');
        if (sentAt && !isInstant(sentAt)) {
          throw invalid('heartbeat.sent_at', sentAt, 'OUT_OF_RANGE', 'give an instant of the years 1 to 9999');
        }
        requireCount('heartbeat.held_tasks', heldTasks, maxHeldTasks);
        bot.locate(position && readPosition('heartbeat.position', position), battery);
        return { stale: bot.beat(heldTasks, sentAt) };
      }
      case 'telemetry': {
        const { position } = signal.value;
        bot.locate(position && readPosition('telemetry.position', position));
        return {};
      }
      case 'credit':
        bot.setCredit(signal.value.kind, readCredit('credit', signal.value, bot));
        return { isWilling: true };
      case 'nack':
        return {};
      default:
        return signal satisfies never;
    }
  } catch (error) {
    return { refusal: { reason: 'FIELD_INVALID', message: MallError.from(error).message } };
  }
}
