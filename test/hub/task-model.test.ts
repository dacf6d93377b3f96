import fc from 'fast-check';
import { expect, it } from 'vitest';
import { type Draft, draft } from '../../src/contract/message.ts';
import { decideTask, type Report, type TaskInput, type TaskPolicy } from '../../src/hub/task.ts';
import type { Task } from '../../src/hub/task-phase.ts';

const schema = { kind: 'shop', revision: 1, digest: 'sha256:one' };
const bots = ['ann', 'bob', 'cyd'] as const;
type Bot = (typeof bots)[number];
const at = (ms: number) => new Date(1_800_000_000_000 + ms);

/** What goes on in a fleet around one task. `n` chooses among what there is to choose from. */
type Step =
  | { readonly do: 'offer'; readonly bot: Bot }
  /** The newest offer or lease that the bot knows of is answered, renewed or reported on; `again` repeats what it said before, in any order. */
  | { readonly do: 'say'; readonly bot: Bot; readonly what: Report['type']; readonly retryable: boolean }
  /** A bot answers for a task that it was never given, under a fence that it has guessed. */
  | { readonly do: 'lie'; readonly bot: Bot; readonly what: 'accepted' | 'resumed' | 'succeeded' | 'stopped' }
  | { readonly do: 'again'; readonly n: number }
  | { readonly do: 'crash' | 'heartbeat' | 'reconnect'; readonly bot: Bot }
  | { readonly do: 'cancel' | 'sweep' }
  | { readonly do: 'wait'; readonly ms: number };

const bot = fc.constantFrom(...bots);
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ do: fc.constant('offer' as const), bot }) },
  {
    weight: 9,
    arbitrary: fc.record({
      do: fc.constant('say' as const),
      bot,
      what: fc.constantFrom<Report['type']>(
        'accepted',
        'accepted',
        'accepted',
        'declined',
        'succeeded',
        'failed',
        'stopped',
        'goesOn',
      ),
      retryable: fc.boolean(),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('lie' as const),
      bot,
      what: fc.constantFrom('accepted' as const, 'resumed' as const, 'succeeded' as const, 'stopped' as const),
    }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('again' as const), n: fc.nat(50) }) },
  {
    weight: 6,
    arbitrary: fc.record({ do: fc.constantFrom('crash' as const, 'heartbeat' as const, 'reconnect' as const), bot }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constantFrom('sweep' as const, 'sweep' as const, 'sweep' as const, 'cancel' as const),
    }),
  },
  // Also backwards: the database's clock is set now and then.
  {
    weight: 5,
    arbitrary: fc.record({ do: fc.constant('wait' as const), ms: fc.integer({ min: -3_000, max: 15_000 }) }),
  },
);

const policies: fc.Arbitrary<TaskPolicy> = fc.record({
  leaseMs: fc.constant(10_000),
  offerMs: fc.constant(5_000),
  retryPauseMs: fc.constant(1_000),
  onLeaseLoss: fc.constantFrom<TaskPolicy['onLeaseLoss']>('reassign', { holdLeases: 1 }, { holdLeases: 3 }),
  wins: fc.constantFrom('newest' as const, 'first' as const),
  bindsBot: fc.boolean(),
});

const isOver = ({ phase }: Task) => ['SUCCEEDED', 'FAILED', 'CANCELLED', 'POISON'].includes(phase.state);
const isFinal = ({ name }: Draft) => name !== 'bots.task_lost';

/** A table of one task, the bots that believe to have it, and a clock; each input is checked against what must always hold. */
class Fleet {
  task: Task;
  nowMs = 0;
  readonly events: Draft[] = [];
  /** What each bot believes to hold: the newest fence that it was offered or given. */
  readonly #believed = new Map<Bot, number>();
  readonly #said: TaskInput[] = [];
  /** Fences under which the hub has leased the task, with the bot that has it. */
  readonly #leasedTo = new Map<number, string>();
  readonly #offeredFences = new Map<number, string>();
  /** Under which an attempt was said to be over: nobody ever has one of these. */
  readonly #toldFences = new Set<number>();
  #losses = 0;
  readonly #policy: TaskPolicy;

  constructor(policy: TaskPolicy, maxAttempts: number, deadlineMs: number | undefined, onlyBotId: string) {
    this.#policy = policy;
    this.task = {
      taskId: 'task',
      orderId: 'order',
      schema,
      payload: new Uint8Array(),
      priority: 0,
      deadline: deadlineMs === undefined ? undefined : at(deadlineMs),
      onlyBotId,
      maxAttempts,
      position: undefined,
      traceparent: '',
      correlationId: 'order',
      causationId: 'message',
      createdAt: at(0),
      attempt: 1,
      fence: 0,
      lost: undefined,
      pinned: undefined,
      since: at(0),
      phase: { state: 'QUEUED', notBefore: at(0) },
    };
  }

  run(step: Step): void {
    switch (step.do) {
      case 'offer':
        if (this.#input({ type: 'offered', botId: step.bot, schema }) === 'changed')
          this.#believed.set(step.bot, this.task.fence);
        return;
      case 'say':
        this.#say(step.bot, step.what, step.retryable);
        return;
      case 'lie':
        this.#input({ ...this.#report(step.what, false), botId: step.bot, fence: this.task.fence });
        return;
      case 'again': {
        const input = this.#said[step.n % Math.max(1, this.#said.length)];
        if (input) this.#input(input);
        return;
      }
      case 'crash':
        this.#believed.delete(step.bot);
        return;
      case 'heartbeat':
        // As `renewLeases` does, which is a statement and not a decision: the row must still be the bot's, under its fence.
        this.#renew(step.bot);
        return;
      case 'reconnect':
        this.#reconnect(step.bot);
        return;
      case 'cancel':
        this.#input({ type: 'cancel', reason: 'c' });
        return;
      case 'sweep':
        this.#input({ type: 'expired' });
        this.#input({ type: 'overdue' });
        return;
      case 'wait':
        this.nowMs += step.ms;
        return;
      default:
        step satisfies never;
    }
  }

  /** Inputs stop failing: whoever has the task finishes it, else the first that may takes it. */
  settle(): void {
    for (let round = 0; round < 200 && !isOver(this.task); round++) {
      const { phase, onlyBotId } = this.task;
      if (phase.state === 'QUEUED') this.run({ do: 'offer', bot: (onlyBotId || 'ann') as Bot });
      if (phase.state === 'OFFERED' && this.#believed.has(phase.botId as Bot))
        this.run({ do: 'say', bot: phase.botId as Bot, what: 'accepted', retryable: false });
      if (phase.state === 'LEASED' || phase.state === 'RUNNING')
        this.run({ do: 'say', bot: phase.botId as Bot, what: 'succeeded', retryable: false });
      this.run({ do: 'wait', ms: 4_000 });
      this.run({ do: 'sweep' });
    }
  }

  #say(bot: Bot, what: Report['type'], retryable: boolean): void {
    const fence = this.#believed.get(bot);
    if (fence === undefined) return;
    const input = { ...this.#report(what, retryable), botId: bot, fence };
    this.#said.push(input);
    this.#input(input);
    if (what === 'declined' || what === 'failed' || what === 'stopped' || what === 'succeeded')
      this.#believed.delete(bot);
  }

  #report(what: Report['type'], retryable: boolean): Report {
    if (what === 'succeeded') return { type: what, digest: schema.digest, at: at(this.nowMs), event: succeededEvent };
    if (what === 'failed') return { type: what, reason: 'r', retryable, at: at(this.nowMs) };
    return { type: what };
  }

  #renew(bot: Bot): void {
    const { phase, fence } = this.task;
    const isHeld = phase.state === 'LEASED' || phase.state === 'RUNNING' || phase.state === 'SUSPECT';
    if (!isHeld || phase.botId !== bot || this.#believed.get(bot) !== fence) return;
    const heldUntil = at(this.nowMs + this.#policy.leaseMs);
    this.task = { ...this.task, phase: { state: 'RUNNING', botId: bot, heldUntil } };
  }

  /** As an admission does: what the bot still believes to hold is resumed, what it has forgotten is dropped. */
  #reconnect(bot: Bot): void {
    const fence = this.#believed.get(bot);
    if (fence !== undefined) {
      const input = { type: 'resumed', botId: bot, fence } as const;
      this.#said.push(input);
      if (this.#input(input) === 'changed') {
        this.#believed.set(bot, this.task.fence);
        return;
      }
      this.#believed.delete(bot);
    }
    this.#input({ type: 'dropped', botId: bot, reason: 'the bot came back without it' });
  }

  #input(input: TaskInput): 'changed' | 'unchanged' | 'refused' {
    const before = this.task;
    const copy = structuredClone(before);
    const decision = decideTask(before, input, at(this.nowMs), this.#policy);
    expect(before).toEqual(copy);
    if (decision.verdict !== 'changed') return decision.verdict;
    const { task, events } = decision;
    this.task = task;
    this.events.push(...events);
    this.#losses += events.filter((event) => !isFinal(event)).length;

    // Over is over, and a bot is heard under the newest fence alone, but for the one that takes up what it lost.
    expect(isOver(before)).toBe(false);
    expect(task.fence).toBeGreaterThanOrEqual(before.fence);
    if ('fence' in input && 'botId' in input) {
      const takesUp =
        input.type === 'resumed' && before.lost?.botId === input.botId && before.lost.fence === input.fence;
      if (takesUp) expect(['QUEUED', 'OFFERED']).toContain(before.phase.state);
      else {
        expect(input.fence).toBe(before.fence);
        expect('botId' in before.phase && before.phase.botId).toBe(input.botId);
      }
    }
    if (task.phase.state === 'OFFERED' && before.phase.state !== 'OFFERED') {
      expect(this.#offeredFences.has(task.fence)).toBe(false);
      this.#offeredFences.set(task.fence, task.phase.botId);
      expect(task.onlyBotId === '' || task.onlyBotId === task.phase.botId).toBe(true);
      expect(task.deadline === undefined || task.deadline > at(this.nowMs)).toBe(true);
    }
    // Whoever had a bound task is the only one to have it again.
    if (before.onlyBotId !== '') expect(task.onlyBotId).toBe(before.onlyBotId);
    if (this.#policy.bindsBot && task.phase.state === 'LEASED') expect(task.onlyBotId).toBe(task.phase.botId);
    // One holder for each fence, for ever.
    if (task.phase.state === 'LEASED') {
      const holder = this.#leasedTo.get(task.fence) ?? this.#offeredFences.get(task.fence) ?? task.phase.botId;
      expect(holder).toBe(task.phase.botId);
      expect(this.#toldFences.has(task.fence)).toBe(false);
      this.#leasedTo.set(task.fence, task.phase.botId);
    }
    // Told with every attempt that is given up, once each, and under a fence that nobody has.
    expect(task.attempt - before.attempt).toBe(events.filter((event) => !isFinal(event)).length);
    for (const event of events) {
      expect(event.task?.fence).toBe(task.fence);
      if (isFinal(event) && event.name !== 'bots.task_cancelled') continue;
      expect(this.#leasedTo.has(task.fence)).toBe(false);
      this.#toldFences.add(task.fence);
    }
    expect(task.attempt).toBeLessThanOrEqual(task.maxAttempts);
    return 'changed';
  }

  check(): void {
    const finals = this.events.filter(isFinal);
    expect(finals).toHaveLength(isOver(this.task) ? 1 : 0);
    if (isOver(this.task)) expect(this.events.at(-1)).toBe(finals[0]);
    expect(this.#losses).toBe(this.task.attempt - 1);
    const lost = this.events.flatMap(({ name, body }) =>
      name === 'bots.task_lost' ? [(body as unknown as { lostFence: number }).lostFence] : [],
    );
    expect(new Set(lost).size).toBe(lost.length);
    for (const fence of lost) expect(this.#leasedTo.has(fence)).toBe(true);
  }
}

const succeededEvent = (task: { taskId: string; orderId: string; fence: number }): Draft =>
  draft(
    'bots.task_succeeded',
    task.orderId,
    { task: task as never, lines: [], original: undefined },
    { task: { id: task.taskId, fence: task.fence } },
  );

it('one holder for each fence, one end, every loss told once, whatever bots, hubs and clocks do; and once they behave, the task ends', () => {
  const endings = new Set<string>();
  const seen = new Set<string>();
  fc.assert(
    fc.property(
      policies,
      fc.integer({ min: 1, max: 4 }),
      fc.option(fc.integer({ min: 0, max: 60_000 }), { nil: undefined }),
      fc.constantFrom('', '', 'ann'),
      fc.array(step, { minLength: 10, maxLength: 80, size: 'max' }),
      (policy, maxAttempts, deadlineMs, onlyBotId, steps) => {
        const fleet = new Fleet(policy, maxAttempts, deadlineMs, onlyBotId);
        for (const each of steps) {
          fleet.run(each);
          seen.add(fleet.task.phase.state);
        }
        fleet.check();
        fleet.settle();
        fleet.check();
        expect(isOver(fleet.task)).toBe(true);
        endings.add(fleet.task.phase.state);
      },
    ),
    { numRuns: 2_000 },
  );
  expect([...endings].sort()).toEqual(['CANCELLED', 'FAILED', 'POISON', 'SUCCEEDED']);
  expect([...seen]).toEqual(expect.arrayContaining(['SUSPECT', 'CANCELLING', 'RUNNING']));
});
