import { pause } from '../../src/kit/backoff.ts';
import type { BotCommands, Muster } from './bots.ts';
import { Worker } from './worker.ts';

/** How soon what is waited for is seen, ms. */
const lookEveryMs = 50;
/** A hub that has not given its tasks away by then never will, ms. */
const patienceMs = 60_000;

/** Bots in processes of their own. */
export class Load implements AsyncDisposable {
  readonly #signal: AbortSignal;
  readonly workers: ReadonlyArray<Worker<BotCommands>>;

  constructor(processes: number, signal: AbortSignal, { yields = false } = {}) {
    this.#signal = signal;
    this.workers = Array.from({ length: processes }, () => new Worker<BotCommands>('bots.ts', { signal, yields }));
  }

  /** Resolves when all of them are connected; `count` is shared by the processes. */
  async muster(to: Muster['to'], address: string, count: number, prefix = 'bot'): Promise<void> {
    const each = Math.floor(count / this.workers.length);
    await this.#all((worker, index) =>
      worker.call('muster', { address, to, count: each, prefix: `${prefix}-${index}` }),
    );
  }

  async connected(): Promise<number> {
    const counts = await this.#all((worker) => worker.call('connected', undefined));
    return counts.reduce((sum, count) => sum + count, 0);
  }

  /** Resolves when `count` bots have a task to report about. */
  async occupy(at: { amqpUrl: string; namespace: string }, count: number): Promise<void> {
    await this.#all((worker) => worker.call('openTasks', at));
    await this.workers[0]!.call('requestTasks', { count });
    const giveUpAt = performance.now() + patienceMs;
    for (;;) {
      const working = await this.#all((worker) => worker.call('atWork', undefined));
      if (working.reduce((sum, some) => sum + some, 0) >= count) return;
      if (performance.now() > giveUpAt) throw new Error(`not all of ${count} tasks were given to bots`);
      await pause(lookEveryMs, this.#signal);
      this.#signal.throwIfAborted();
    }
  }

  /** From now until the last bot is back, s; `cut` takes the server away and brings it again. */
  async secondsToReturn(cut: () => Promise<void>): Promise<number> {
    const sinceMs = performance.timeOrigin + performance.now();
    await cut();
    const back = await this.#all((worker) => worker.call('back', { sinceMs }));
    return (Math.max(...back) - sinceMs) / 1_000;
  }

  /** Processor time that all of them have used, ms. */
  async cpuMs(): Promise<number> {
    const used = await this.#all((worker) => worker.call('usage', { collect: false }));
    return used.reduce((sum, { cpuMs }) => sum + cpuMs, 0);
  }

  async startReporting(everyMs: number): Promise<void> {
    await this.#all((worker) => worker.call('startReporting', { everyMs }));
  }

  /** What was said by all. */
  async stopReporting() {
    const told = await this.#all((worker) => worker.call('stopReporting', undefined));
    return {
      sent: told.flatMap(({ sent }) => sent),
      acknowledged: told.flatMap(({ acknowledged }) => acknowledged),
      taskIds: told.flatMap(({ taskIds }) => taskIds),
      abandoned: told.reduce((sum, { abandoned }) => sum + abandoned, 0),
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#all((worker) => worker.end());
  }

  #all<T>(what: (worker: Worker<BotCommands>, index: number) => Promise<T>): Promise<T[]> {
    return Promise.all(this.workers.map(what));
  }
}
