import { status } from '@grpc/grpc-js';
import fc from 'fast-check';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { type Bot, type BotStore, connectBot, shopKind, type Task as Work } from '../../bots/sdk/index.ts';
import { ShopTask } from '../../src/gen/kinds/shop/v1/shop.ts';
import type { Task } from '../../src/hub/task-phase.ts';
import { nothingPicked, reached } from '../bots/robot.ts';
import { Hub } from './both-ends-hub.ts';
import { steps, Table, times } from './both-ends-table.ts';
import { Line } from './both-ends-wire.ts';
import { shopSchema } from './raw-bot.ts';

const wiring = vi.hoisted(() => ({ dial: (_address: string): unknown => undefined }));
vi.mock('../../bots/sdk/hub-client.ts', () => ({
  Unreadable: class {},
  dialHub: (address: string) => wiring.dial(address),
}));

const hubs = ['hub-0', 'hub-1'] as const;
const botIds = ['ann', 'bob', 'cyd'] as const;

/** What happens next; what it happens to is chosen by `n` among what there is. */
type Step =
  | { readonly do: 'ask' | 'flow' | 'offer' | 'tick' | 'sweep' | 'broker' }
  | {
      readonly do: 'up' | 'down' | 'cut' | 'hang up' | 'reset' | 'work' | 'cancel';
      readonly n: number;
      readonly count: number;
    }
  | { readonly do: 'crash bot' | 'crash hub' | 'drain hub'; readonly n: number }
  | { readonly do: 'wait' | 'set clock'; readonly ms: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 2, arbitrary: fc.record({ do: fc.constant('ask' as const) }) },
  { weight: 8, arbitrary: fc.record({ do: fc.constant('flow' as const) }) },
  { weight: 9, arbitrary: fc.record({ do: fc.constantFrom('offer' as const, 'tick' as const, 'sweep' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('broker' as const) }) },
  {
    weight: 24,
    arbitrary: fc.record({
      do: fc.constantFrom('up' as const, 'up' as const, 'down' as const, 'down' as const, 'work' as const),
      n: fc.nat(20),
      count: fc.integer({ min: 1, max: 8 }),
    }),
  },
  {
    weight: 8,
    arbitrary: fc.record({
      do: fc.constantFrom(
        'cut' as const,
        'cut' as const,
        'hang up' as const,
        'hang up' as const,
        'reset' as const,
        'reset' as const,
        'cancel' as const,
      ),
      n: fc.nat(20),
      count: fc.constant(1),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constantFrom('crash bot' as const, 'crash bot' as const, 'crash hub' as const, 'drain hub' as const),
      n: fc.nat(20),
    }),
  },
  { weight: 8, arbitrary: fc.record({ do: fc.constant('wait' as const), ms: fc.integer({ min: 1, max: 6_000 }) }) },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant('set clock' as const), ms: fc.integer({ min: -4_000, max: 12_000 }) }),
  },
);

const isOver = ({ phase }: Task) => ['SUCCEEDED', 'FAILED', 'CANCELLED', 'POISON'].includes(phase.state);

/** Keeps what survives a bot's process. */
class Memory implements BotStore {
  #lines: string[] = [];
  open = () => [...this.#lines];
  append = (line: string) => void this.#lines.push(line);
  rewrite = (lines: readonly string[]) => {
    this.#lines = [...lines];
  };
  close = () => {};
}

/** Bots of the SDK and hubs, with the wires between them in the test's hands. */
class World {
  readonly table = new Table();
  readonly #addresses: readonly string[];
  readonly #hubs: Map<string, Hub>;
  readonly #bots = new Map<string, { readonly bot: Bot; readonly store: BotStore | undefined }>();
  /** Handlers that wait to be let on, by bot. */
  readonly #waiting = new Map<string, Array<() => void>>();
  #asked = 0;

  /** Bots move on to the next hub when one is lost: with one alone they come back to where their session is. */
  constructor(hubCount: number, stored: readonly boolean[]) {
    this.#addresses = hubs.slice(0, hubCount);
    this.#hubs = new Map(this.#addresses.map((address) => [address, new Hub(address, this.table)]));
    wiring.dial = (address) => {
      const line = new Line();
      const hub = this.#hubs.get(address)!;
      if (hub.isDraining) queueMicrotask(() => line.breaks({ code: status.UNAVAILABLE, details: 'draining' }));
      else hub.take(line);
      return { call: line.botEnd, close() {} };
    };
    botIds.forEach((botId, index) => {
      this.#boot(botId, stored[index] ? new Memory() : undefined);
    });
  }

  async run(step: Step): Promise<void> {
    switch (step.do) {
      case 'ask':
        this.#ask();
        break;
      case 'flow':
        await this.#flow();
        break;
      case 'offer':
        for (const hub of this.#hubs.values()) await hub.offer();
        break;
      case 'tick':
        for (const hub of this.#hubs.values()) hub.tick();
        break;
      case 'sweep':
        for (const { taskId } of this.table.tasks.values()) this.table.decide(taskId, { type: 'expired' });
        break;
      case 'broker':
        this.table.isBrokerAway = !this.table.isBrokerAway;
        break;
      case 'up':
        this.#line(step.n)?.carryUp(step.count);
        break;
      case 'down':
        this.#line(step.n)?.carryDown(step.count);
        break;
      case 'cut':
        this.#line(step.n, this.#all)?.breaks();
        break;
      case 'reset':
        this.#line(step.n)?.reset();
        break;
      case 'hang up':
        this.#line(step.n)?.hangUp();
        break;
      case 'work':
        this.#waiting.get(botIds[step.n % botIds.length]!)?.shift()?.();
        break;
      case 'cancel': {
        const open = [...this.table.tasks.values()].filter((task) => !isOver(task));
        const task = open[step.n % Math.max(1, open.length)];
        if (task) this.table.decide(task.taskId, { type: 'cancel', reason: 'c' });
        break;
      }
      case 'crash bot':
        await this.#crash(botIds[step.n % botIds.length]!);
        break;
      case 'crash hub':
        this.#replace(this.#addresses[step.n % this.#addresses.length]!).die();
        break;
      case 'drain hub':
        this.#hubs.get(this.#addresses[step.n % this.#addresses.length]!)!.drain();
        break;
      case 'wait':
        await vi.advanceTimersByTimeAsync(step.ms);
        break;
      case 'set clock':
        this.table.skewMs += step.ms;
        break;
      default:
        step satisfies never;
    }
    // What was just brought is handled as far as it goes.
    await vi.advanceTimersByTimeAsync(0);
    if (this.table.broken) throw this.table.broken;
  }

  /** For a moment nothing is in the way. */
  async #flow(): Promise<void> {
    for (const line of this.#all) {
      line.carryUp(100);
      line.carryDown(100);
    }
    for (const n of botIds.keys()) await this.run({ do: 'work', n, count: 1 });
    for (const what of ['tick', 'sweep', 'offer'] as const) await this.run({ do: what });
    await this.run({ do: 'wait', ms: times.heartbeatMs / 4 });
  }

  /** Nothing fails any more, and who is not answered notices. */
  async settle(): Promise<void> {
    this.table.isBrokerAway = false;
    for (const [address, hub] of this.#hubs) if (hub.isDraining) this.#replace(address).die();
    for (let round = 0; round < 300 && ![...this.table.tasks.values()].every(isOver); round++) {
      for (const line of this.#all) if (line.isOver) line.breaks();
      await this.run({ do: 'flow' });
    }
  }

  async close(): Promise<void> {
    for (const { bot } of this.#bots.values()) await bot.kill();
  }

  get #all(): Line[] {
    return [...this.#hubs.values()].flatMap(({ lines }) => lines);
  }

  get #lines(): Line[] {
    return this.#all.filter(({ isOver }) => !isOver);
  }

  #line(n: number, lines = this.#lines): Line | undefined {
    return lines[n % Math.max(1, lines.length)];
  }

  #ask(): void {
    const taskId = `00000000-0000-7000-8000-${String(++this.#asked).padStart(12, '0')}`;
    const now = this.table.now;
    this.table.add({
      ...{ taskId, orderId: taskId, schema: shopSchema, priority: 0, deadline: undefined, onlyBotId: '' },
      ...{
        maxAttempts: 3,
        position: undefined,
        traceparent: '',
        correlationId: taskId,
        causationId: 'm',
        createdAt: now,
      },
      ...{
        attempt: 1,
        fence: 0,
        lost: undefined,
        pinned: undefined,
        since: now,
        phase: { state: 'QUEUED', notBefore: now },
      },
      payload: ShopTask.encode(ShopTask.fromPartial({ orderId: taskId })).finish(),
    });
  }

  #boot(botId: string, store: BotStore | undefined): void {
    const handler = async (task: Work<ShopTask, ReturnType<typeof reached>>) => {
      for (let index = task.resumedFrom.length; index < steps; index++) {
        await this.#turn(botId, task.signal);
        await task.progress(reached(index));
      }
      await this.#turn(botId, task.signal);
      return nothingPicked;
    };
    const bot = connectBot({
      hub: this.#addresses.join(),
      botId,
      store,
      kinds: [shopKind.serve(handler, { credits: 1 })],
      random: () => 0.5,
    });
    this.#bots.set(botId, { bot, store });
  }

  #turn(botId: string, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      signal.throwIfAborted();
      signal.addEventListener('abort', () => reject(signal.reason), { once: true });
      this.#waiting.set(botId, [...(this.#waiting.get(botId) ?? []), resolve]);
    });
  }

  async #crash(botId: string): Promise<void> {
    const { bot, store } = this.#bots.get(botId)!;
    const dead = bot.kill();
    this.#waiting.delete(botId);
    await vi.advanceTimersByTimeAsync(0);
    await dead;
    this.#boot(botId, store);
  }

  #replace(address: string): Hub {
    const before = this.#hubs.get(address)!;
    this.#hubs.set(address, new Hub(address, this.table));
    return before;
  }
}

beforeEach(() => {
  vi.useFakeTimers({
    toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'setImmediate', 'clearImmediate'].concat([
      'performance',
      'Date',
    ]) as never,
  });
});
afterEach(() => vi.useRealTimers());

it('bots and hubs keep their promises however frames, losses, crashes and clocks fall', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: hubs.length }),
      fc.array(fc.boolean(), { minLength: botIds.length, maxLength: botIds.length }),
      fc.array(step, { minLength: 20, maxLength: 150, size: 'max' }),
      async (hubCount, stored, events) => {
        const world = new World(hubCount, stored);
        try {
          await world.run({ do: 'ask' });
          for (const event of events) await world.run(event);
          await world.settle();
          expect([...world.table.tasks.values()].filter((task) => !isOver(task))).toEqual([]);
        } finally {
          await world.close();
        }
      },
    ),
    { numRuns: 300 },
  );
}, 120_000);
