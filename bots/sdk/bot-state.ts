import { status } from '@grpc/grpc-js';
import { type Nack, NackReason, type ProtocolStatus, type RetiredKind } from '../../src/gen/fleet/v1/fleet.ts';
import type { SessionEnd } from './session.ts';
import { ATTR_BOT_ID, ATTR_EPOCH, ATTR_FENCE, ATTR_SESSION_ID, ATTR_TASK_ID } from './spans.ts';

/**
 * | state      | what happens                                   | then                                             |
 * |------------|------------------------------------------------|--------------------------------------------------|
 * | connecting | Hello is under way to `hub`                    | ready, waiting, closed                           |
 * | ready      | tasks come and go                              | departing (the hub drains), waiting, closed      |
 * | departing  | the hub acknowledges what is on the wire       | waiting                                          |
 * | waiting    | handlers go on; the bot connects again         | connecting                                       |
 * | closed     | nothing any more; `error` when the hub said so | never left                                       |
 */
export type BotState =
  | { readonly at: 'connecting'; readonly hub: string; readonly attempt: number }
  | {
      readonly at: 'ready';
      readonly hub: string;
      readonly hubId: string;
      readonly sessionId: string;
      readonly epoch: number;
      readonly resumed: boolean;
    }
  | { readonly at: 'departing'; readonly hub: string }
  | { readonly at: 'waiting'; readonly retryInMs: number; readonly reason: string }
  | { readonly at: 'closed'; readonly error?: HubRefused };

export interface BotEvents {
  state: BotState;
  /** The hub refused a frame of this bot. */
  nack: Nack;
  /** How far this bot is with a revision that the hub has offered. */
  revision: ProtocolStatus;
  /** Nothing that this bot speaks of a kind is in use any more: it gets no task of the kind until it applies a newer revision. */
  retired: RetiredKind;
}

/** The hub will not have this bot, now or later: trying again would not help. */
export class HubRefused extends Error {
  /** Name of the gRPC status: UNAUTHENTICATED or INVALID_ARGUMENT. */
  readonly code: string;

  constructor(hub: string, end: SessionEnd) {
    super(`hub ${hub} refuses this bot with ${statusName(end.code)}: ${end.details}`);
    this.name = 'HubRefused';
    this.code = statusName(end.code);
  }
}

const reasonNames = new Map<number, string>(Object.entries(NackReason).map(([name, number]) => [number, name]));
/** Of a reason that this SDK does not know, its number. */
const nackReasonName = (reason: number): string => reasonNames.get(reason) ?? String(reason);

/** What log lines say of a frame that the hub refused; `known` of its task, where the bot has it. */
export function aboutNack(botId: string, state: BotState, nack: Nack, known: object | undefined): object {
  const { seq, reason, message: detail, taskId, fence } = nack;
  const session = state.at === 'ready' && { [ATTR_SESSION_ID]: state.sessionId, [ATTR_EPOCH]: state.epoch };
  const task = known ?? (taskId && { [ATTR_TASK_ID]: taskId, [ATTR_FENCE]: fence });
  return { [ATTR_BOT_ID]: botId, ...session, ...(task || {}), seq, reason: nackReasonName(reason), detail };
}

export const statusName = (code: number): string => status[code] ?? `status ${code}`;

/** INVALID_ARGUMENT is final in the handshake only; later it is about a frame, and a new stream may do better. */
export const isFinal = ({ code, welcomed }: SessionEnd): boolean =>
  code === status.UNAUTHENTICATED || (code === status.INVALID_ARGUMENT && !welcomed);
