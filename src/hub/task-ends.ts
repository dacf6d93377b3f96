import type { Draft } from '../contract/message.ts';
import { taskCancelled, taskFailed, taskLost } from './task-events.ts';
import type { Task } from './task-phase.ts';

export type RefusalReason = 'UNKNOWN_TASK' | 'STALE_FENCE' | 'WRONG_STATE' | 'UNKNOWN_SCHEMA' | 'FIELD_INVALID';

export type Decision =
  | { readonly verdict: 'changed'; readonly task: Task; readonly events: readonly Draft[] }
  /** Known already, or of no concern any more. */
  | { readonly verdict: 'unchanged'; readonly task: Task }
  | { readonly verdict: 'refused'; readonly reason: RefusalReason; readonly message: string };

export const change = (task: Task, events: (task: Task) => readonly Draft[] = () => []) =>
  ({ verdict: 'changed', task, events: events(task) }) as const;

export const refuse = (reason: RefusalReason, message: string) => ({ verdict: 'refused', reason, message }) as const;

/** Over on somebody's wish. The fence grows: nothing of the attempt is heard any more. */
export function cancelled(
  task: Task,
  botId: string,
  reason: string,
  now: Date,
): Extract<Decision, { verdict: 'changed' }> {
  const underWay = task.phase.state === 'CANCELLING' ? task.fence : 0;
  const phase = { state: 'CANCELLED', botId, finishedAt: now, reason } as const;
  return change({ ...task, fence: task.fence + 1, phase }, (over) => [
    taskCancelled(over, botId, reason, underWay, now),
  ]);
}

export function nextAttempt(
  task: Task,
  botId: string,
  reason: string,
  notBefore: Date,
  at: Date,
  lost?: Task['lost'],
): Decision {
  const phase = { state: 'QUEUED', notBefore } as const;
  return change(
    { ...task, attempt: task.attempt + 1, fence: task.fence + 1, lost, pinned: undefined, phase },
    (next) => [taskLost(next, botId, task.fence, reason, at)],
  );
}

/** The task is over without a result and will not be tried again. The fence grows, so that a bot that still works on it is not heard. */
export function poison(
  task: Task,
  botId: string,
  reason: string,
  now: Date,
): Extract<Decision, { verdict: 'changed' }> {
  const phase = { state: 'POISON', botId, finishedAt: now, reason } as const;
  return change({ ...task, fence: task.fence + 1, phase }, (dead) => [taskFailed(dead, botId, reason, now)]);
}

/** Nobody took the offer: not an attempt. */
export const requeue = (task: Task, now: Date): Decision =>
  change({ ...task, pinned: undefined, phase: { state: 'QUEUED', notBefore: now } });
