import { describe, expect, it } from 'vitest';
import { draft } from '../../src/contract/message.ts';
import { decideTask, type TaskInput, type TaskPolicy } from '../../src/hub/task.ts';
import type { Decision } from '../../src/hub/task-ends.ts';
import type { Phase, Task } from '../../src/hub/task-phase.ts';

const now = new Date('2026-05-04T10:00:00Z');
const later = new Date('2026-05-04T10:00:10Z');
const times = { leaseMs: 10_000, offerMs: 5_000, retryPauseMs: 1_000 };
const policy: TaskPolicy = { ...times, onLeaseLoss: 'reassign', wins: 'newest' };
const holding: TaskPolicy = { ...policy, onLeaseLoss: { holdLeases: 2 } };
const firstWins: TaskPolicy = { ...policy, wins: 'first' };
const schema = { kind: 'shop', revision: 1, digest: 'sha256:one' };

const queued: Task = {
  taskId: 'task',
  orderId: 'order',
  schema,
  payload: new Uint8Array(),
  priority: 0,
  deadline: undefined,
  onlyBotId: '',
  maxAttempts: 3,
  position: undefined,
  traceparent: '',
  correlationId: 'order',
  causationId: 'message',
  createdAt: now,
  attempt: 1,
  fence: 4,
  lost: undefined,
  pinned: undefined,
  since: now,
  phase: { state: 'QUEUED', notBefore: now },
};
const held = (state: 'OFFERED' | 'LEASED' | 'RUNNING', more: Partial<Task> = {}): Task => ({
  ...queued,
  ...more,
  phase: { state, botId: 'ann', heldUntil: now },
});
const suspect = (running = true, more: Partial<Task> = {}): Task => ({
  ...queued,
  ...more,
  phase: { state: 'SUSPECT', botId: 'ann', heldUntil: now, running },
});
const cancelling = (running = false): Task => ({
  ...queued,
  phase: { state: 'CANCELLING', botId: 'ann', heldUntil: now, running, reason: 'c' },
});
const past = { deadline: now };
const over = (phase: Phase): Task => ({ ...queued, phase });
const ended = {
  SUCCEEDED: over({ state: 'SUCCEEDED', botId: 'ann', finishedAt: now }),
  FAILED: over({ state: 'FAILED', botId: 'ann', finishedAt: now, reason: 'r' }),
  CANCELLED: { ...over({ state: 'CANCELLED', botId: 'ann', finishedAt: now, reason: 'c' }), fence: 5 },
  POISON: over({ state: 'POISON', botId: 'ann', finishedAt: now, reason: 'r' }),
};
const by = { botId: 'ann', fence: 4 } as const;
/** The task that a decision leaves, which has to change it. */
const leaving = (task: Task, input: TaskInput, by = policy): Task =>
  (decide(task, input, by) as Extract<Decision, { verdict: 'changed' }>).task;
const succeeded: TaskInput = {
  type: 'succeeded',
  ...by,
  digest: schema.digest,
  at: now,
  event: (task) => {
    const mark = { id: task.taskId, fence: task.fence };
    return draft('bots.task_succeeded', task.orderId, { task, lines: [], original: undefined }, { task: mark });
  },
};
const failed = (retryable: boolean): TaskInput => ({ type: 'failed', ...by, reason: 'stuck', retryable, at: now });

const decide = (task: Task | undefined, input: TaskInput, under = policy) => decideTask(task, input, now, under);
/** State, attempt, fence and events after a decision, or why there is none. */
function summary(decision: Decision): string {
  if (decision.verdict === 'refused') return decision.reason;
  if (decision.verdict === 'unchanged') return 'unchanged';
  const { phase, attempt, fence } = decision.task;
  return [
    `${phase.state} ${attempt} ${fence}`,
    ...decision.events.map(({ name, task }) => `${name} ${task?.fence}`),
  ].join(', ');
}

describe('a task', () => {
  const cancel: TaskInput = { type: 'cancel', reason: 'c' };
  const dropped: TaskInput = { type: 'dropped', botId: 'ann', reason: 'gone' };
  const lost = 'QUEUED 2 5, bots.task_lost 5';
  it.each<[string, Task, TaskInput, string]>([
    ['queued, offered', queued, { type: 'offered', botId: 'bob', schema }, 'OFFERED 1 5'],
    ['queued, declined twice', queued, { type: 'declined', ...by }, 'unchanged'],
    ['queued, accepted too late', queued, { type: 'accepted', ...by }, 'WRONG_STATE'],
    ['queued, expired', queued, { type: 'expired' }, 'unchanged'],
    ['offered, offered', held('OFFERED'), { type: 'offered', botId: 'bob', schema }, 'WRONG_STATE'],
    ['offered, accepted', held('OFFERED'), { type: 'accepted', ...by }, 'LEASED 1 4'],
    ['offered, accepted by another', held('OFFERED'), { type: 'accepted', botId: 'bob', fence: 4 }, 'WRONG_STATE'],
    [
      'offered, accepted under an old fence',
      held('OFFERED'),
      { type: 'accepted', botId: 'ann', fence: 3 },
      'STALE_FENCE',
    ],
    [
      'offered, accepted under a fence to come',
      held('OFFERED'),
      { type: 'accepted', botId: 'ann', fence: 5 },
      'FIELD_INVALID',
    ],
    ['offered, declined', held('OFFERED'), { type: 'declined', ...by }, 'QUEUED 1 4'],
    ['offered, not answered', held('OFFERED'), { type: 'expired' }, 'QUEUED 1 4'],
    ['offered, the stream gone', held('OFFERED'), { type: 'detached', fence: 4 }, 'QUEUED 1 4'],
    ['offered again, an older stream gone', held('OFFERED'), { type: 'detached', fence: 3 }, 'unchanged'],
    ['offered, said to be held after a reconnect', held('OFFERED'), { type: 'resumed', ...by }, 'LEASED 1 4'],
    ['offered, finished before the lease', held('OFFERED'), succeeded, 'WRONG_STATE'],
    ['leased, accepted again', held('LEASED'), { type: 'accepted', ...by }, 'unchanged'],
    ['leased, declined', held('LEASED'), { type: 'declined', ...by }, 'WRONG_STATE'],
    ['leased, the stream gone', held('LEASED'), { type: 'detached', fence: 4 }, 'unchanged'],
    ['leased, resumed', held('LEASED'), { type: 'resumed', ...by }, 'LEASED 1 4'],
    ['running, resumed', held('RUNNING'), { type: 'resumed', ...by }, 'RUNNING 1 4'],
    ['leased, expired', held('LEASED'), { type: 'expired' }, lost],
    ['running, dropped', held('RUNNING'), dropped, lost],
    ['running, dropped by another', held('RUNNING'), { ...dropped, botId: 'bob' }, 'unchanged'],
    [
      'running, expired in the last attempt',
      held('RUNNING', { attempt: 3 }),
      { type: 'expired' },
      'POISON 3 5, bots.task_failed 5',
    ],
    ['running, succeeded', held('RUNNING'), succeeded, 'SUCCEEDED 1 4, bots.task_succeeded 4'],
    ['leased, succeeded without progress', held('LEASED'), succeeded, 'SUCCEEDED 1 4, bots.task_succeeded 4'],
    [
      'running, succeeded in another language',
      held('RUNNING'),
      { ...succeeded, digest: 'sha256:two' } as TaskInput,
      'UNKNOWN_SCHEMA',
    ],
    ['running, failed, worth another try', held('RUNNING'), failed(true), lost],
    ['running, failed, not worth another try', held('RUNNING'), failed(false), 'FAILED 1 4, bots.task_failed 4'],
    [
      'running, failed in the last attempt',
      held('RUNNING', { attempt: 3 }),
      failed(true),
      'FAILED 3 4, bots.task_failed 4',
    ],
    ['succeeded, reported again', ended.SUCCEEDED, succeeded, 'unchanged'],
    ['succeeded, then said to have failed', ended.SUCCEEDED, failed(true), 'unchanged'],
    ['succeeded, expired', ended.SUCCEEDED, { type: 'expired' }, 'unchanged'],
    ['failed, reported again', ended.FAILED, failed(false), 'unchanged'],
    ['failed, offered', ended.FAILED, { type: 'offered', botId: 'bob', schema }, 'WRONG_STATE'],
    [
      'queued, pinned, offered to another',
      { ...queued, onlyBotId: 'ann' },
      { type: 'offered', botId: 'bob', schema },
      'WRONG_STATE',
    ],
    [
      'queued, pinned, offered to that bot',
      { ...queued, onlyBotId: 'ann' },
      { type: 'offered', botId: 'ann', schema },
      'OFFERED 1 5',
    ],
    [
      'queued past its deadline, offered',
      { ...queued, ...past },
      { type: 'offered', botId: 'bob', schema },
      'WRONG_STATE',
    ],
    ['queued past its deadline', { ...queued, ...past }, { type: 'overdue' }, 'POISON 1 5, bots.task_failed 5'],
    ['queued before its deadline', { ...queued, deadline: later }, { type: 'overdue' }, 'unchanged'],
    ['running past its deadline', held('RUNNING', past), { type: 'overdue' }, 'unchanged'],
    ['running past its deadline, succeeded', held('RUNNING', past), succeeded, 'SUCCEEDED 1 4, bots.task_succeeded 4'],
    ['running past its deadline, lost', held('RUNNING', past), { type: 'expired' }, 'POISON 1 5, bots.task_failed 5'],
    ['running past its deadline, failed', held('RUNNING', past), failed(true), 'FAILED 1 4, bots.task_failed 4'],
    [
      'leased, not due',
      { ...queued, phase: { state: 'LEASED', botId: 'ann', heldUntil: later } },
      { type: 'expired' },
      'unchanged',
    ],
    ['suspect, back with a resume', suspect(), { type: 'resumed', ...by }, 'RUNNING 1 4'],
    ['suspect, back before it began', suspect(false), { type: 'resumed', ...by }, 'LEASED 1 4'],
    ['suspect, back with a result', suspect(), succeeded, 'SUCCEEDED 1 4, bots.task_succeeded 4'],
    ['suspect, grace over', suspect(), { type: 'expired' }, lost],
    ['suspect, dropped', suspect(), dropped, lost],
    ['suspect, offered', suspect(), { type: 'offered', botId: 'bob', schema }, 'WRONG_STATE'],
    [
      'suspect, grace over in the last attempt',
      suspect(true, { attempt: 3 }),
      { type: 'expired' },
      'POISON 3 5, bots.task_failed 5',
    ],
    ['queued, cancelled', queued, cancel, 'CANCELLED 1 5, bots.task_cancelled 5'],
    ['offered, cancelled', held('OFFERED'), cancel, 'CANCELLED 1 5, bots.task_cancelled 5'],
    ['leased, cancelled', held('LEASED'), cancel, 'CANCELLING 1 4'],
    ['running, cancelled', held('RUNNING'), cancel, 'CANCELLING 1 4'],
    ['suspect, cancelled', suspect(), cancel, 'CANCELLING 1 4'],
    ['cancelled twice', cancelling(), cancel, 'unchanged'],
    ['cancelled, cancelled again', ended.CANCELLED, cancel, 'unchanged'],
    ['succeeded, cancelled', ended.SUCCEEDED, cancel, 'WRONG_STATE'],
    ['cancelling, stopped', cancelling(), { type: 'stopped', ...by }, 'CANCELLED 1 5, bots.task_cancelled 5'],
    [
      'cancelling, stopped under an old fence',
      cancelling(),
      { type: 'stopped', botId: 'ann', fence: 3 },
      'STALE_FENCE',
    ],
    ['cancelling, cannot stop', cancelling(), { type: 'goesOn', ...by }, 'CANCELLING 1 4'],
    ['cancelling, succeeded', cancelling(), succeeded, 'SUCCEEDED 1 4, bots.task_succeeded 4'],
    ['cancelling, failed', cancelling(), failed(true), 'CANCELLED 1 5, bots.task_cancelled 5'],
    ['cancelling, never answered', cancelling(), { type: 'expired' }, 'CANCELLED 1 5, bots.task_cancelled 5'],
    ['cancelling, dropped', cancelling(), dropped, 'CANCELLED 1 5, bots.task_cancelled 5'],
    ['cancelling, back with a resume', cancelling(), { type: 'resumed', ...by }, 'CANCELLING 1 4'],
    ['cancelled, and its result after that', ended.CANCELLED, { type: 'stopped', ...by }, 'unchanged'],
    ['cancelled, finished after all', ended.CANCELLED, succeeded, 'STALE_FENCE'],
    ['running, stopped for no cancel', held('RUNNING'), { type: 'stopped', ...by }, 'WRONG_STATE'],
    ['succeeded, the cancel too late', ended.SUCCEEDED, { type: 'goesOn', ...by }, 'unchanged'],
    ['poisoned, finished after all', ended.POISON, succeeded, 'WRONG_STATE'],
  ])('%s', (_, task, input, expected) => {
    expect(summary(decide(task, input))).toBe(expected);
  });

  it('is held for its bot where the kind says so, as many leases as it says', () => {
    const held4 = held('RUNNING');
    expect(decide(held4, { type: 'expired' }, holding)).toMatchObject({
      task: {
        fence: 4,
        attempt: 1,
        phase: { state: 'SUSPECT', running: true, heldUntil: new Date(now.getTime() + 20_000) },
      },
      events: [],
    });
    expect(summary(decide(suspect(), { type: 'expired' }, holding))).toBe(lost);
  });

  it('is given back to the bot that lost it where the first one wins, while nobody else has begun', () => {
    const waits = (decide(held('RUNNING'), { type: 'expired' }, firstWins) as Extract<Decision, { verdict: 'changed' }>)
      .task;
    expect(waits).toMatchObject({ attempt: 2, fence: 5, lost: { botId: 'ann', fence: 4 } });
    expect(summary(decide(waits, { type: 'resumed', ...by }, firstWins))).toBe('LEASED 2 6');
    expect(summary(decide(waits, { type: 'resumed', botId: 'bob', fence: 4 }, firstWins))).toBe('STALE_FENCE');
    expect(summary(decide(waits, succeeded, firstWins))).toBe('STALE_FENCE');
    const offered: Task = { ...waits, fence: 6, phase: { state: 'OFFERED', botId: 'bob', heldUntil: later } };
    expect(summary(decide(offered, { type: 'resumed', ...by }, firstWins))).toBe('LEASED 2 7');
    const taken: Task = { ...waits, fence: 6, phase: { state: 'LEASED', botId: 'bob', heldUntil: later } };
    expect(summary(decide(taken, { type: 'resumed', ...by }, firstWins))).toBe('STALE_FENCE');
    expect(summary(decide(held('RUNNING'), { type: 'expired' }))).toBe(lost);
    const newest = (decide(held('RUNNING'), { type: 'expired' }) as Extract<Decision, { verdict: 'changed' }>).task;
    expect(newest.lost).toBeUndefined();
  });

  it('is its first bot’s alone from the first lease on where the kind binds it', () => {
    const binding: TaskPolicy = { ...policy, bindsBot: true };
    const taken = (task: Task, input: TaskInput) =>
      (decide(task, input, binding) as Extract<Decision, { verdict: 'changed' }>).task;
    expect(taken(held('OFFERED'), { type: 'declined', ...by }).onlyBotId).toBe('');
    expect(taken(held('OFFERED'), { type: 'expired' }).onlyBotId).toBe('');
    for (const answer of ['accepted', 'resumed'] as const) {
      expect(taken(held('OFFERED'), { type: answer, ...by }).onlyBotId).toBe('ann');
    }
    const leased = taken(held('OFFERED'), { type: 'accepted', ...by });
    for (const end of [{ type: 'expired' } as const, dropped, failed(true)]) {
      const again = taken({ ...leased, phase: held('RUNNING').phase }, end);
      expect(again).toMatchObject({ onlyBotId: 'ann', attempt: 2, phase: { state: 'QUEUED' } });
      expect(summary(decide(again, { type: 'offered', botId: 'bob', schema }, binding))).toBe('WRONG_STATE');
      expect(summary(decide(again, { type: 'offered', botId: 'ann', schema }, binding))).toBe('OFFERED 2 6');
    }
    expect(decide(held('OFFERED'), { type: 'accepted', ...by })).toMatchObject({ task: { onlyBotId: '' } });
  });

  it('tells which attempt was cancelled, and of none where none was under way', () => {
    const of = (task: Task, input: TaskInput) =>
      (decide(task, input) as Extract<Decision, { verdict: 'changed' }>).events.map(({ body }) => body);
    expect(of(cancelling(), { type: 'stopped', ...by })).toMatchObject([{ cancelledFence: 4, reason: 'c' }]);
    expect(of(queued, cancel)).toMatchObject([{ cancelledFence: 0 }]);
    expect(of(held('OFFERED'), cancel)).toMatchObject([{ cancelledFence: 0 }]);
  });

  it('that does not exist is refused as such', () => {
    expect(summary(decide(undefined, succeeded))).toBe('UNKNOWN_TASK');
  });

  it('is held until its offer or its lease runs out', () => {
    expect(decide(queued, { type: 'offered', botId: 'bob', schema })).toMatchObject({
      task: { phase: { botId: 'bob', heldUntil: new Date(now.getTime() + policy.offerMs) } },
    });
    expect(decide(held('OFFERED'), { type: 'accepted', ...by })).toMatchObject({
      task: { phase: { heldUntil: later } },
    });
  });

  it('waits longer before each further try of what a bot failed, and not at all when it was lost', () => {
    const failedTwice = decide(held('RUNNING', { attempt: 2 }), failed(true));
    expect(failedTwice).toMatchObject({ task: { phase: { notBefore: new Date(now.getTime() + 2_000) } } });
    expect(decide(held('RUNNING'), { type: 'expired' })).toMatchObject({ task: { phase: { notBefore: now } } });
  });

  it.each<[string, Task, TaskInput, boolean]>([
    ['offered', queued, { type: 'offered', botId: 'bob', schema }, false],
    ['declined', held('OFFERED'), { type: 'declined', ...by }, false],
    ['leased', held('OFFERED'), { type: 'accepted', ...by }, true],
    ['suspect', held('RUNNING'), { type: 'expired' }, false],
    ['back in time', suspect(), { type: 'resumed', ...by }, false],
    ['lost', suspect(), { type: 'expired' }, true],
    ['to be cancelled', held('RUNNING'), cancel, true],
    ['done', held('RUNNING'), succeeded, true],
  ])(
    'when %s has been what it is since then, or since before: offers that nobody takes and silence do not make it young',
    (_, before, input, isNew) => {
      const early = new Date(0);
      const decision = decide({ ...before, since: early }, input, holding);
      expect(decision).toMatchObject({ verdict: 'changed', task: { since: isNew ? now : early } });
    },
  );

  it('is pinned to the revision that it was offered in, until it waits again', () => {
    const second = { kind: 'shop', revision: 2, digest: 'sha256:two' };
    const offered = leaving(queued, { type: 'offered', botId: 'ann', schema: second });
    expect(offered.pinned).toBe(second);
    const leased = leaving(offered, { type: 'accepted', botId: 'ann', fence: 5 });
    const done = { ...succeeded, fence: 5 };
    expect(summary(decide(leased, done))).toBe('UNKNOWN_SCHEMA');
    expect(leaving(leased, { ...done, digest: second.digest })).toMatchObject({ pinned: second, schema });
    for (const back of [
      leaving(offered, { type: 'dropped', botId: 'ann', reason: 'gone' }),
      leaving(offered, { type: 'declined', botId: 'ann', fence: 5 }),
      leaving(leased, { type: 'dropped', botId: 'ann', reason: 'gone' }),
    ]) {
      expect(back).toMatchObject({ phase: { state: 'QUEUED' }, pinned: undefined });
    }
  });

  it('is in the revision again that its bot had it in, when that takes it up', () => {
    const second = { kind: 'shop', revision: 2, digest: 'sha256:two' };
    const lost = leaving(held('RUNNING', { pinned: second }), { type: 'expired' }, firstWins);
    const other = leaving(lost, { type: 'offered', botId: 'bob', schema }, firstWins);
    expect(leaving(other, { type: 'resumed', ...by }, firstWins)).toMatchObject({ pinned: second, fence: 7 });
  });
});
