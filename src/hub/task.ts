import type { Draft } from '../contract/message.ts';
import type { TaskRef } from '../gen/events/bots/v1/events.ts';
import type { SchemaRef } from '../gen/fleet/v1/fleet.ts';
import type { KindPolicy } from './kinds/policy.ts';
import type { HubTimes } from './limits.ts';
import { cancelled, change, type Decision, nextAttempt, poison, refuse, requeue } from './task-ends.ts';
import { refOf, taskFailed } from './task-events.ts';
import {
  type Held,
  hasBegun,
  isDue,
  isHeld,
  isHeldBy,
  isOverdue,
  languageOf,
  later,
  stageOf,
  type Task,
} from './task-phase.ts';

/** What a bot says about a task under a fence. */
export type Report =
  | { readonly type: 'accepted' }
  | { readonly type: 'declined' }
  /** After a reconnect: the bot says that it has the task. */
  | { readonly type: 'resumed' }
  | {
      readonly type: 'succeeded';
      readonly digest: string;
      readonly event: (task: TaskRef, correlationId: string) => Draft;
      /** By the bot's clock. */
      readonly at: Date;
    }
  | { readonly type: 'failed'; readonly reason: string; readonly retryable: boolean; readonly at: Date }
  /** The answer to a cancel: the bot does nothing more about the task, */
  | { readonly type: 'stopped' }
  /** or cannot stop any more; its result follows. */
  | { readonly type: 'goesOn' };

export type TaskInput =
  | (Report & { readonly botId: string; readonly fence: number })
  /** `schema`: the revision that the bot is offered it in. */
  | { readonly type: 'offered'; readonly botId: string; readonly schema: SchemaRef }
  /** The database's clock has passed `heldUntil`, */
  | { readonly type: 'expired' }
  /** or the deadline. */
  | { readonly type: 'overdue' }
  /** The bot's stream is gone: it cannot answer the offer made under this fence. */
  | { readonly type: 'detached'; readonly fence: number }
  /** The bot gave the task back, or came back without it. */
  | { readonly type: 'dropped'; readonly botId: string; readonly reason: string }
  /** Somebody wants the task to end. */
  | { readonly type: 'cancel'; readonly reason: string };

export type TaskPolicy = Pick<HubTimes, 'leaseMs' | 'offerMs' | 'retryPauseMs'> &
  Pick<KindPolicy, 'onLeaseLoss' | 'wins' | 'bindsBot'>;

/**
 * The life of a task. `now` is the database's clock.
 *
 * | state               | offered          | accepted | declined | resumed  | succeeded | failed       | stopped   | goesOn  |
 * |---------------------|------------------|----------|----------|----------|-----------|--------------|-----------|---------|
 * | QUEUED              | OFFERED, fence+1 | refused  | same     | taken up | refused   | refused      | refused   | refused |
 * | OFFERED             | refused          | LEASED   | QUEUED   | LEASED   | refused   | refused      | refused   | refused |
 * | LEASED, RUNNING     | refused          | same     | refused  | renewed  | SUCCEEDED | lost, FAILED | refused   | refused |
 * | SUSPECT             | refused          | LEASED   | refused  | as it was | SUCCEEDED | lost, FAILED | refused   | refused |
 * | CANCELLING          | refused          | same     | refused  | same     | SUCCEEDED | CANCELLED    | CANCELLED | held on |
 * | SUCCEEDED, FAILED   | refused          | refused  | refused  | refused  | same      | same         | same      | same    |
 * | CANCELLED           | refused          | refused  | refused  | refused  | refused   | refused      | same      | same    |
 * | POISON              | refused          | refused  | refused  | refused  | refused   | refused      | refused   | refused |
 *
 * | state               | expired         | dropped   | detached | overdue | cancel     |
 * |---------------------|-----------------|-----------|----------|---------|------------|
 * | QUEUED              | same            | same      | same     | POISON  | CANCELLED  |
 * | OFFERED             | QUEUED          | QUEUED    | QUEUED   | same    | CANCELLED  |
 * | LEASED, RUNNING     | SUSPECT or lost | lost      | same     | same    | CANCELLING |
 * | SUSPECT             | lost            | lost      | same     | same    | CANCELLING |
 * | CANCELLING          | CANCELLED       | CANCELLED | same     | same    | same       |
 * | SUCCEEDED, FAILED, POISON | same      | same      | same     | same    | refused    |
 * | CANCELLED           | same            | same      | same     | same    | same       |
 *
 * lost: QUEUED with attempt+1 and fence+1, and bots.task_lost; at the last attempt, or past the deadline, POISON with fence+1, and
 * bots.task_failed. A failure is lost when it is retryable, attempts are left and the deadline has not passed, else FAILED. CANCELLED comes with
 * fence+1 and bots.task_cancelled. Taken up: by the bot that lost it, where the kind lets the first one win: LEASED with fence+1, under which
 * all is reported again, in the revision that the bot had it in; also while another has it only as an offer. A report under another fence, or of another bot, is refused whatever the state.
 *
 * The first lease binds a task to its bot where the kind says so: whoever loses it is the only one to be offered it again.
 *
 * A task is CANCELLED when its bot says that it has stopped, and does not wait for the result that may follow: there is nothing more to come
 * than that. A bot that does not answer has the task until the lease ends that it had when it was told; one that goes on keeps its lease alive.
 */
export function decideTask(task: Task | undefined, input: TaskInput, now: Date, policy: TaskPolicy): Decision {
  if (!task) return refuse('UNKNOWN_TASK', 'task_id names no task of this fleet; forget it');
  const decision = decide(task, input, now, policy);
  if (decision.verdict !== 'changed' || stageOf(decision.task.phase) === stageOf(task.phase)) return decision;
  return { ...decision, task: { ...decision.task, since: now } };
}

function decide(task: Task, input: TaskInput, now: Date, policy: TaskPolicy): Decision {
  const same: Decision = { verdict: 'unchanged', task };
  switch (input.type) {
    case 'offered':
      return offered(task, input.botId, input.schema, now, policy);
    case 'expired':
      return isDue(task, now) ? expired(task, now, policy) : same;
    case 'overdue':
      return task.phase.state === 'QUEUED' && isOverdue(task, now)
        ? poison(task, '', `its deadline has passed: ${task.deadline?.toISOString()}`, now)
        : same;
    case 'dropped':
      return isHeldBy(task, input.botId) ? lose(task, input.reason, now) : same;
    case 'detached':
      return task.phase.state === 'OFFERED' && task.fence === input.fence ? requeue(task, now) : same;
    case 'cancel':
      return cancel(task, input.reason, now, policy);
    case 'accepted':
    case 'declined':
    case 'resumed':
    case 'succeeded':
    case 'failed':
    case 'stopped':
    case 'goesOn':
      return (
        takenUp(task, input, now, policy) ??
        misfit(task, input.botId, input.fence) ??
        reported(task, input, now, policy)
      );
    default:
      return input satisfies never;
  }
}

/** Why nothing that `botId` says about the task under `fence` counts; undefined when it does. */
export function misfit(
  task: Task,
  botId: string,
  fence: number,
): Extract<Decision, { verdict: 'refused' }> | undefined {
  if (fence < task.fence) {
    const is =
      task.phase.state === 'CANCELLED'
        ? `was cancelled: ${task.phase.reason}`
        : `is at ${task.fence}: it is no longer yours`;
    return refuse('STALE_FENCE', `fence is ${fence}, the task ${is}; stop`);
  }
  if (fence > task.fence) {
    return refuse('FIELD_INVALID', `fence is ${fence}, the task is at ${task.fence}; repeat the fence of the offer`);
  }
  const holder = task.phase.state === 'QUEUED' ? undefined : task.phase.botId;
  if (holder !== undefined && holder !== botId) {
    return refuse('WRONG_STATE', `task_id is held by bot "${holder}", not by "${botId}"; stop`);
  }
  return undefined;
}

type Said = Report & { readonly botId: string; readonly fence: number };

/** What an older fence may still say: the bot takes up again what it lost, or confirms a cancel that is over. */
function takenUp(task: Task, input: Said, now: Date, policy: TaskPolicy): Decision | undefined {
  const { phase, lost } = task;
  const { botId, fence } = input;
  if (phase.state === 'CANCELLED' && (input.type === 'stopped' || input.type === 'goesOn')) {
    return phase.botId === botId && fence === task.fence - 1 ? { verdict: 'unchanged', task } : undefined;
  }
  const isLosers = input.type === 'resumed' && lost?.botId === botId && lost.fence === fence;
  const isFree = (phase.state === 'QUEUED' || phase.state === 'OFFERED') && !isOverdue(task, now);
  if (!isLosers || !isFree) return undefined;
  const leased = { state: 'LEASED', botId, heldUntil: later(now, policy.leaseMs) } as const;
  return change({ ...task, fence: task.fence + 1, lost: undefined, pinned: lost.pinned, phase: leased });
}

function reported(task: Task, input: Said, now: Date, policy: TaskPolicy): Decision {
  const { phase } = task;
  const { botId } = input;
  const same: Decision = { verdict: 'unchanged', task };
  const leased = { state: 'LEASED', botId, heldUntil: later(now, policy.leaseMs) } as const;
  const onlyBotId = policy.bindsBot ? botId : task.onlyBotId;
  switch (input.type) {
    case 'accepted':
      if (phase.state === 'OFFERED' || phase.state === 'SUSPECT')
        return change({ ...task, onlyBotId, lost: undefined, phase: leased });
      return isHeld(phase) ? same : wrongState(task, 'accepted');
    case 'declined':
      if (phase.state === 'OFFERED') return requeue(task, now);
      return phase.state === 'QUEUED' ? same : wrongState(task, 'declined');
    case 'resumed':
      if (phase.state === 'OFFERED') return change({ ...task, onlyBotId, lost: undefined, phase: leased });
      if (phase.state === 'CANCELLING') return change(task);
      if (!isHeld(phase)) return wrongState(task, 'resumed');
      return change({ ...task, phase: hasBegun(phase) ? { ...leased, state: 'RUNNING' } : leased });
    case 'succeeded':
      if (phase.state === 'SUCCEEDED' || phase.state === 'FAILED') return same;
      if (!isHeld(phase)) return wrongState(task, 'finished');
      if (input.digest !== languageOf(task).digest) {
        const pinned = `${task.schema.kind} ${languageOf(task).digest}`;
        return refuse('UNKNOWN_SCHEMA', `schema.digest is "${input.digest}"; the task is pinned to ${pinned}`);
      }
      return change({ ...task, phase: { state: 'SUCCEEDED', botId, finishedAt: now } }, (done) => [
        input.event(refOf(done, botId, input.at), done.correlationId),
      ]);
    case 'failed':
      if (phase.state === 'SUCCEEDED' || phase.state === 'FAILED') return same;
      return isHeld(phase) ? failed(task, phase, input, now, policy) : wrongState(task, 'finished');
    case 'stopped':
      if (phase.state === 'CANCELLING') return cancelled(task, botId, phase.reason, now);
      return phase.state === 'SUCCEEDED' || phase.state === 'FAILED' ? same : noCancel(task);
    case 'goesOn':
      if (phase.state === 'SUCCEEDED' || phase.state === 'FAILED') return same;
      if (phase.state !== 'CANCELLING') return noCancel(task);
      return change({ ...task, phase: { ...phase, running: true, heldUntil: leased.heldUntil } });
    default:
      return input satisfies never;
  }
}

function offered(task: Task, botId: string, pinned: SchemaRef, now: Date, policy: TaskPolicy): Decision {
  if (task.phase.state !== 'QUEUED' || isOverdue(task, now)) return wrongState(task, 'offered');
  if (task.onlyBotId !== '' && task.onlyBotId !== botId)
    return wrongState(task, `offered to anybody but "${task.onlyBotId}"`);
  const phase = { state: 'OFFERED', botId, heldUntil: later(now, policy.offerMs) } as const;
  return change({ ...task, fence: task.fence + 1, pinned, phase });
}

function failed(
  task: Task,
  phase: Held,
  input: Extract<Said, { type: 'failed' }>,
  now: Date,
  policy: TaskPolicy,
): Decision {
  const { botId, reason, at } = input;
  if (phase.state === 'CANCELLING') return cancelled(task, botId, phase.reason, now);
  if (input.retryable && task.attempt < task.maxAttempts && !isOverdue(task, now)) {
    return nextAttempt(task, botId, reason, later(now, policy.retryPauseMs * task.attempt), at);
  }
  return change({ ...task, phase: { state: 'FAILED', botId, finishedAt: now, reason } }, (done) => [
    taskFailed(done, botId, reason, at),
  ]);
}

/** Who lost the task without a word of its own may come back to it. */
function expired(task: Task, now: Date, { onLeaseLoss, wins, leaseMs }: TaskPolicy): Decision {
  const { phase, fence } = task;
  const isLeased = phase.state === 'LEASED' || phase.state === 'RUNNING';
  if (isLeased && onLeaseLoss !== 'reassign') {
    const heldUntil = later(now, leaseMs * onLeaseLoss.holdLeases);
    return change({ ...task, phase: { state: 'SUSPECT', botId: phase.botId, heldUntil, running: hasBegun(phase) } });
  }
  const lost = wins === 'first' && isHeld(phase) ? { botId: phase.botId, fence, pinned: task.pinned } : undefined;
  return lose(task, 'the lease ran out', now, lost);
}

/** Ends an assignment without a result. */
function lose(task: Task, reason: string, now: Date, lost?: Task['lost']): Decision {
  const { phase, attempt, maxAttempts } = task;
  if (phase.state === 'OFFERED') return requeue(task, now);
  if (!isHeld(phase)) return { verdict: 'unchanged', task };
  const { botId } = phase;
  if (phase.state === 'CANCELLING') return cancelled(task, botId, phase.reason, now);
  if (isOverdue(task, now)) return poison(task, botId, `${reason}, and its deadline has passed`, now);
  if (attempt < maxAttempts) return nextAttempt(task, botId, reason, now, now, lost);
  return poison(task, botId, `${reason} in attempt ${attempt} of ${maxAttempts}`, now);
}

function cancel(task: Task, reason: string, now: Date, policy: TaskPolicy): Decision {
  const { phase } = task;
  switch (phase.state) {
    case 'QUEUED':
      return cancelled(task, '', reason, now);
    case 'OFFERED':
      return cancelled(task, phase.botId, reason, now);
    case 'LEASED':
    case 'RUNNING':
    case 'SUSPECT': {
      const { botId } = phase;
      return change({
        ...task,
        phase: { state: 'CANCELLING', botId, heldUntil: later(now, policy.leaseMs), running: false, reason },
      });
    }
    case 'CANCELLING':
    case 'CANCELLED':
      return { verdict: 'unchanged', task };
    case 'SUCCEEDED':
    case 'FAILED':
    case 'POISON':
      return wrongState(task, 'cancelled any more');
    default:
      return phase satisfies never;
  }
}

const wrongState = (task: Task, what: string): Decision =>
  refuse('WRONG_STATE', `task_id names a task that is ${task.phase.state} and cannot be ${what}`);

const noCancel = (task: Task): Decision =>
  refuse('WRONG_STATE', `task_id names a task that is ${task.phase.state} and was not cancelled; report its result`);
