import { type Draft, draft } from '../contract/message.ts';
import type { TaskRef } from '../gen/events/bots/v1/events.ts';
import type { Position, SchemaRef } from '../gen/fleet/v1/fleet.ts';
import type { HubTimes } from './limits.ts';

/** What was asked for; never changes. */
export interface TaskSpec {
  readonly taskId: string;
  readonly orderId: string;
  readonly schema: SchemaRef;
  readonly payload: Uint8Array;
  readonly priority: number;
  /** Nobody is offered the task from then on. */
  readonly deadline: Date | undefined;
  /** The only bot that may have it; empty for any. */
  readonly onlyBotId: string;
  readonly maxAttempts: number;
  readonly position: Position | undefined;
  readonly traceparent: string;
  readonly correlationId: string;
  readonly causationId: string;
  readonly createdAt: Date;
}

export type Phase =
  | { readonly state: 'QUEUED'; readonly notBefore: Date }
  | { readonly state: 'OFFERED' | 'LEASED' | 'RUNNING'; readonly botId: string; readonly heldUntil: Date }
  /** The lease ran out, and its bot may still come back: `running` when it had begun. */
  | { readonly state: 'SUSPECT'; readonly botId: string; readonly heldUntil: Date; readonly running: boolean }
  /** The bot is told to stop; `running` when it said that it cannot, and its result follows. */
  | {
      readonly state: 'CANCELLING';
      readonly botId: string;
      readonly heldUntil: Date;
      readonly running: boolean;
      readonly reason: string;
    }
  | { readonly state: 'SUCCEEDED'; readonly botId: string; readonly finishedAt: Date }
  | {
      readonly state: 'FAILED' | 'CANCELLED' | 'POISON';
      readonly botId: string;
      readonly finishedAt: Date;
      readonly reason: string;
    };

export interface Task extends TaskSpec {
  /** From 1; how often it may still be lost or fail is `maxAttempts` less this. */
  readonly attempt: number;
  /** Grows at each assignment and at each loss. */
  readonly fence: number;
  readonly phase: Phase;
}

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
  | { readonly type: 'failed'; readonly reason: string; readonly retryable: boolean; readonly at: Date };

export type TaskInput =
  | (Report & { readonly botId: string; readonly fence: number })
  | { readonly type: 'offered'; readonly botId: string }
  /** The database's clock has passed `heldUntil`. */
  | { readonly type: 'expired' }
  /** The bot's stream is gone: it cannot answer the offer made under this fence. */
  | { readonly type: 'detached'; readonly fence: number }
  /** The bot gave the task back, or came back without it. */
  | { readonly type: 'dropped'; readonly botId: string; readonly reason: string };

export type RefusalReason = 'UNKNOWN_TASK' | 'STALE_FENCE' | 'WRONG_STATE' | 'UNKNOWN_SCHEMA' | 'FIELD_INVALID';

export type Decision =
  | { readonly verdict: 'changed'; readonly task: Task; readonly events: readonly Draft[] }
  /** Known already, or of no concern any more. */
  | { readonly verdict: 'unchanged'; readonly task: Task }
  | { readonly verdict: 'refused'; readonly reason: RefusalReason; readonly message: string };

export type TaskPolicy = Pick<HubTimes, 'leaseMs' | 'offerMs' | 'retryPauseMs'>;

const later = (now: Date, ms: number) => new Date(now.getTime() + ms);

/**
 * The life of a task. `now` is the database's clock.
 *
 * | state             | offered          | accepted | declined | detached | expired, dropped | resumed | succeeded | failed       |
 * |-------------------|------------------|----------|----------|----------|------------------|---------|-----------|--------------|
 * | QUEUED            | OFFERED, fence+1 | refused  | same     | same     | same             | refused | refused   | refused      |
 * | OFFERED           | refused          | LEASED   | QUEUED   | QUEUED   | QUEUED           | refused | refused   | refused      |
 * | LEASED, RUNNING   | refused          | same     | refused  | same     | lost             | renewed | SUCCEEDED | lost, FAILED |
 * | SUCCEEDED, FAILED | refused          | refused  | refused  | same     | same             | refused | same      | same         |
 * | POISON            | refused          | refused  | refused  | same     | same             | refused | refused   | refused      |
 *
 * lost: QUEUED with attempt+1 and fence+1, and bots.task_lost; at the last attempt POISON with fence+1, and bots.task_failed. A failure is
 * lost when it is retryable and attempts are left, else FAILED. A report under another fence, or of another bot, is refused whatever the state.
 */
export function decideTask(task: Task | undefined, input: TaskInput, now: Date, policy: TaskPolicy): Decision {
  if (!task) return refuse('UNKNOWN_TASK', 'task_id names no task of this fleet; forget it');
  switch (input.type) {
    case 'offered':
      return offered(task, input.botId, now, policy);
    case 'expired':
      return lose(task, 'the lease ran out', now);
    case 'dropped':
      return isHeldBy(task, input.botId) ? lose(task, input.reason, now) : { verdict: 'unchanged', task };
    case 'detached':
      return task.phase.state === 'OFFERED' && task.fence === input.fence
        ? requeue(task, now)
        : { verdict: 'unchanged', task };
    case 'accepted':
    case 'declined':
    case 'resumed':
    case 'succeeded':
    case 'failed':
      return misfit(task, input.botId, input.fence) ?? reported(task, input, now, policy);
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
    return refuse('STALE_FENCE', `fence is ${fence}, the task is at ${task.fence}: it is no longer yours; stop`);
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

function reported(task: Task, input: Report & { readonly botId: string }, now: Date, policy: TaskPolicy): Decision {
  const { phase } = task;
  const held = { botId: input.botId, heldUntil: later(now, policy.leaseMs) };
  const isLeased = phase.state === 'LEASED' || phase.state === 'RUNNING';
  switch (input.type) {
    case 'accepted':
      if (phase.state === 'OFFERED') return change({ ...task, phase: { state: 'LEASED', ...held } });
      return isLeased ? { verdict: 'unchanged', task } : wrongState(task, 'accepted');
    case 'declined':
      if (phase.state === 'OFFERED') return requeue(task, now);
      return phase.state === 'QUEUED' ? { verdict: 'unchanged', task } : wrongState(task, 'declined');
    case 'resumed':
      return isLeased ? change({ ...task, phase: { state: phase.state, ...held } }) : wrongState(task, 'resumed');
    case 'succeeded':
      if (phase.state === 'SUCCEEDED' || phase.state === 'FAILED') return { verdict: 'unchanged', task };
      if (!isLeased) return wrongState(task, 'finished');
      if (input.digest !== task.schema.digest) {
        const pinned = `${task.schema.kind} ${task.schema.digest}`;
        return refuse('UNKNOWN_SCHEMA', `schema.digest is "${input.digest}"; the task is pinned to ${pinned}`);
      }
      return change({ ...task, phase: { state: 'SUCCEEDED', botId: input.botId, finishedAt: now } }, (done) => [
        input.event(refOf(done, input.botId, input.at), done.correlationId),
      ]);
    case 'failed':
      if (phase.state === 'SUCCEEDED' || phase.state === 'FAILED') return { verdict: 'unchanged', task };
      return isLeased ? failed(task, input, now, policy) : wrongState(task, 'finished');
    default:
      return input satisfies never;
  }
}

function offered(task: Task, botId: string, now: Date, policy: TaskPolicy): Decision {
  if (task.phase.state !== 'QUEUED') return wrongState(task, 'offered');
  const phase = { state: 'OFFERED', botId, heldUntil: later(now, policy.offerMs) } as const;
  return change({ ...task, fence: task.fence + 1, phase });
}

function failed(
  task: Task,
  input: Extract<Report, { type: 'failed' }> & { readonly botId: string },
  now: Date,
  policy: TaskPolicy,
): Decision {
  const { botId, reason } = input;
  if (input.retryable && task.attempt < task.maxAttempts) {
    return nextAttempt(task, botId, reason, later(now, policy.retryPauseMs * task.attempt), input.at);
  }
  return change({ ...task, phase: { state: 'FAILED', botId, finishedAt: now, reason } }, (done) => [
    taskFailed(done, botId, reason, input.at),
  ]);
}

/** Ends an assignment without a result. */
function lose(task: Task, reason: string, now: Date): Decision {
  switch (task.phase.state) {
    case 'OFFERED':
      return requeue(task, now);
    case 'LEASED':
    case 'RUNNING':
      return task.attempt < task.maxAttempts
        ? nextAttempt(task, task.phase.botId, reason, now, now)
        : poison(task, task.phase.botId, `${reason} in attempt ${task.attempt} of ${task.maxAttempts}`, now);
    default:
      return { verdict: 'unchanged', task };
  }
}

function nextAttempt(task: Task, botId: string, reason: string, notBefore: Date, at: Date): Decision {
  const phase = { state: 'QUEUED', notBefore } as const;
  return change({ ...task, attempt: task.attempt + 1, fence: task.fence + 1, phase }, (next) => [
    draft('bots.task_lost', task.orderId, { task: refOf(next, botId, at), lostFence: task.fence, reason }, about(next)),
  ]);
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
const requeue = (task: Task, now: Date): Decision => change({ ...task, phase: { state: 'QUEUED', notBefore: now } });

const taskFailed = (task: Task, botId: string, reason: string, at: Date): Draft =>
  draft('bots.task_failed', task.orderId, { task: refOf(task, botId, at), reason }, about(task));

/** Correlation and mark of every event about a task. */
export const about = (task: Pick<Task, 'taskId' | 'fence' | 'correlationId'>) => ({
  correlationId: task.correlationId,
  task: { id: task.taskId, fence: task.fence },
});

export const refOf = (task: Task, botId: string, occurredAt: Date): TaskRef => ({
  taskId: task.taskId,
  orderId: task.orderId,
  kind: task.schema.kind,
  attempt: task.attempt,
  fence: task.fence,
  botId,
  occurredAt,
});

const isHeldBy = ({ phase }: Task, botId: string) => phase.state !== 'QUEUED' && phase.botId === botId;

const change = (task: Task, events: (task: Task) => readonly Draft[] = () => []) =>
  ({ verdict: 'changed', task, events: events(task) }) as const;

const refuse = (reason: RefusalReason, message: string) => ({ verdict: 'refused', reason, message }) as const;

const wrongState = (task: Task, what: string): Decision =>
  refuse('WRONG_STATE', `task_id names a task that is ${task.phase.state} and cannot be ${what}`);
