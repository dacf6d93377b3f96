import type { Control } from './control.ts';
import type { Ledger } from './ledger.ts';
import type { Roster, Seat } from './roster.ts';
import type { Decision } from './task-ends.ts';
import type { Task } from './task-phase.ts';

/** What a bot is told to stop. */
export interface Recall {
  readonly botId: string;
  readonly taskId: string;
  /** Under which the bot has it. */
  readonly fence: number;
  readonly reason: string;
}

/** Who has to hear of the cancel of a task that is in this state; undefined for nobody. */
export function recallOf({ taskId, fence, phase }: Task): Recall | undefined {
  const { state } = phase;
  if ((state !== 'CANCELLING' && state !== 'CANCELLED') || phase.botId === '') return undefined;
  return { botId: phase.botId, taskId, fence: state === 'CANCELLED' ? fence - 1 : fence, reason: phase.reason };
}

/** The bot answers with a CancelReply. An offer is gone by then; it does not wait for the answer. */
export function sendRecall(seat: Seat, { taskId, fence, reason }: Recall, traceparent = ''): void {
  const held = seat.bot.find(taskId);
  if (held?.task.fence === fence && !held.isLeased) seat.bot.drop(taskId, fence);
  else if (held?.task.fence === fence) held.recalled = true;
  seat.send({ $case: 'cancel', value: { taskId, fence, reason } }, traceparent);
}

export interface CancelPorts {
  readonly ledger: Ledger;
  readonly roster: Roster;
  readonly control: Pick<Control, 'tellRecalled'>;
}

export type CancelTask = (taskId: string, reason: string, traceparent?: string) => Promise<Decision>;

/**
 * Ends a task on somebody's wish, and tells its bot at once, on whichever hub that is. The note to the other hubs may be lost: the renewal of the
 * lease finds the task CANCELLING, the resume of the session too, and the answer to an offer is refused.
 */
export const canceller =
  ({ ledger, roster, control }: CancelPorts): CancelTask =>
  async (taskId, reason, traceparent = '') => {
    const decision = await ledger.apply(taskId, { type: 'cancel', reason }, traceparent);
    const recall = decision.verdict === 'changed' ? recallOf(decision.task) : undefined;
    if (decision.verdict !== 'changed' || !recall) return decision;
    const seat = roster.find(recall.botId);
    if (seat) sendRecall(seat, recall, traceparent || decision.task.traceparent);
    else control.tellRecalled(recall);
    return decision;
  };
