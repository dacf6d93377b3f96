import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { draft } from '../../src/contract/message.ts';
import { type Decision, decideTask, type Phase, type Task, type TaskInput } from '../../src/hub/task.ts';

const now = new Date('2026-05-04T10:00:00Z');
const later = new Date('2026-05-04T10:00:10Z');
const policy = { leaseMs: 10_000, offerMs: 5_000, retryPauseMs: 1_000 };
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
  phase: { state: 'QUEUED', notBefore: now },
};
const held = (state: 'OFFERED' | 'LEASED' | 'RUNNING', more: Partial<Task> = {}): Task => ({
  ...queued,
  ...more,
  phase: { state, botId: 'ann', heldUntil: now },
});
const over = (phase: Phase): Task => ({ ...queued, phase });
const ended = {
  SUCCEEDED: over({ state: 'SUCCEEDED', botId: 'ann', finishedAt: now }),
  FAILED: over({ state: 'FAILED', botId: 'ann', finishedAt: now, reason: 'r' }),
  POISON: over({ state: 'POISON', botId: 'ann', finishedAt: now, reason: 'r' }),
};
const by = { botId: 'ann', fence: 4 } as const;
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

const decide = (task: Task | undefined, input: TaskInput) => decideTask(task, input, now, policy);
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
  const dropped: TaskInput = { type: 'dropped', botId: 'ann', reason: 'gone' };
  const lost = 'QUEUED 2 5, bots.task_lost 5';
  it.each<[string, Task, TaskInput, string]>([
    ['queued, offered', queued, { type: 'offered', botId: 'bob' }, 'OFFERED 1 5'],
    ['queued, declined twice', queued, { type: 'declined', ...by }, 'unchanged'],
    ['queued, accepted too late', queued, { type: 'accepted', ...by }, 'WRONG_STATE'],
    ['queued, expired', queued, { type: 'expired' }, 'unchanged'],
    ['offered, offered', held('OFFERED'), { type: 'offered', botId: 'bob' }, 'WRONG_STATE'],
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
    ['offered, resumed', held('OFFERED'), { type: 'resumed', ...by }, 'WRONG_STATE'],
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
    ['failed, offered', ended.FAILED, { type: 'offered', botId: 'bob' }, 'WRONG_STATE'],
    ['poisoned, finished after all', ended.POISON, succeeded, 'WRONG_STATE'],
  ])('%s', (_, task, input, expected) => {
    expect(summary(decide(task, input))).toBe(expected);
  });

  it('that does not exist is refused as such', () => {
    expect(summary(decide(undefined, succeeded))).toBe('UNKNOWN_TASK');
  });

  it('is held until its offer or its lease runs out', () => {
    expect(decide(queued, { type: 'offered', botId: 'bob' })).toMatchObject({
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
});

describe('whatever happens, in whatever order', () => {
  const bots = fc.constantFrom('ann', 'bob', 'cyd');
  const fences = fc.integer({ min: 0, max: 12 });
  const anything: fc.Arbitrary<TaskInput> = fc.oneof(
    fc.record({ type: fc.constant('offered' as const), botId: bots }),
    fc.constant<TaskInput>({ type: 'expired' }),
    fc.record({ type: fc.constant('detached' as const), fence: fences }),
    fc.record({ type: fc.constant('dropped' as const), botId: bots, reason: fc.constant('gone') }),
    fc.record({
      type: fc.constantFrom('accepted' as const, 'declined' as const, 'resumed' as const),
      botId: bots,
      fence: fences,
    }),
    fc.record({ botId: bots, fence: fences }).map((who) => ({ ...succeeded, ...who }) as TaskInput),
    fc
      .record({ botId: bots, fence: fences, retryable: fc.boolean() })
      .map((who) => ({ ...failed(who.retryable), ...who }) as TaskInput),
  );
  /** Mostly a report comes from the bot that has the task, under its fence: else hardly any would be accepted. */
  const story = fc.array(
    fc.tuple(
      anything,
      fc.nat(4).map((n) => n > 0),
    ),
    { minLength: 10, maxLength: 60, size: 'max' },
  );

  const asHolder = (input: TaskInput, { fence, phase }: Task): TaskInput =>
    'fence' in input ? ({ ...input, fence, ...('botId' in phase && { botId: phase.botId }) } as TaskInput) : input;

  it('the fence never falls, each assignment has its own, one result is accepted, and the last event tells the end', () => {
    const endings = new Set<string>();
    fc.assert(
      fc.property(story, fc.integer({ min: 1, max: 4 }), (steps, maxAttempts) => {
        let task: Task = { ...queued, fence: 0, maxAttempts };
        const events: string[] = [];
        const assigned: number[] = [];
        for (const [raw, isCurrent] of steps) {
          const input = isCurrent ? asHolder(raw, task) : raw;
          const before = structuredClone({ ...task });
          const decision = decideTask(task, input, now, policy);
          expect(task).toEqual(before);
          if (decision.verdict !== 'changed') continue;
          expect(decision.task.fence).toBeGreaterThanOrEqual(task.fence);
          if ('fence' in input) expect(input.fence).toBe(task.fence);
          if (decision.task.phase.state === 'OFFERED') assigned.push(decision.task.fence);
          // What is said under a fence is never said below one that was said before.
          for (const event of decision.events) expect(event.task!.fence).toBe(decision.task.fence);
          events.push(...decision.events.map(({ name }) => name));
          task = decision.task;
        }
        expect(new Set(assigned).size).toBe(assigned.length);
        expect(task.attempt).toBeLessThanOrEqual(maxAttempts);
        const finals = events.filter((name) => name !== 'bots.task_lost');
        const isOver = ['SUCCEEDED', 'FAILED', 'POISON'].includes(task.phase.state);
        expect(finals).toHaveLength(isOver ? 1 : 0);
        if (isOver) expect(events.at(-1)).toBe(finals[0]);
        expect(events.length - finals.length).toBe(task.attempt - 1);
        endings.add(task.phase.state);
      }),
      { numRuns: 1_000 },
    );
    expect([...endings]).toEqual(expect.arrayContaining(['QUEUED', 'SUCCEEDED', 'FAILED', 'POISON']));
  });

  it('a task ends: bots that take it and are lost use up its attempts', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 20 }), (maxAttempts) => {
        let task: Task = { ...queued, maxAttempts };
        for (let round = 0; round < maxAttempts; round++) {
          for (const input of [
            () => ({ type: 'offered', botId: 'ann' }) as const,
            () => ({ type: 'accepted', botId: 'ann', fence: task.fence }) as const,
            () => ({ type: 'expired' }) as const,
          ]) {
            const decision = decideTask(task, input(), now, policy);
            if (decision.verdict === 'changed') task = decision.task;
          }
        }
        expect(task).toMatchObject({ attempt: maxAttempts, phase: { state: 'POISON' } });
      }),
    );
  });
});
