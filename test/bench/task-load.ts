import { pause } from '../../src/kit/backoff.ts';
import { quantile } from './figure.ts';
import { drawTask, type RequestTask } from './tasks.ts';

/** How often tasks that are due are published, ms. */
const tickMs = 4;

export interface Latency {
  readonly p50Ms: number;
  readonly p99Ms: number;
}

/** Asks for tasks and sees what becomes of them, in the process that has the bots: one clock measures both ends. */
export class TaskLoad {
  #request: RequestTask | undefined;
  readonly #askedAt = new Map<string, number>();
  #latencies: number[] = [];
  #left = 0;
  #onFinished = () => {};

  /** Where tasks are asked for from now on. */
  open(request: RequestTask): void {
    this.#request = request;
  }

  /** A bot has been offered the task. */
  offered(taskId: string): void {
    const at = this.#askedAt.get(taskId);
    if (at !== undefined) this.#latencies.push(performance.now() - at);
    this.#askedAt.delete(taskId);
  }

  /** A bot has done a task, and been told that this is known. */
  finished(): void {
    this.#left -= 1;
    if (this.#left === 0) this.#onFinished();
  }

  /** Resolves when `count` tasks are confirmed. */
  async ask(count: number): Promise<void> {
    await Promise.all(Array.from({ length: count }, () => this.#request!(drawTask())));
  }

  /** Resolves when `count` tasks more than now are done. */
  done(count: number): Promise<void> {
    this.#left = count;
    return new Promise((resolve) => {
      if (count === 0) resolve();
      this.#onFinished = resolve;
    });
  }

  /** Asks at this rate; how long tasks take from there to a bot. What is asked in the first `warmMs` does not count. */
  async latency({ perSecond, ms, warmMs }: { perSecond: number; ms: number; warmMs: number }): Promise<Latency> {
    await this.#askAt(perSecond, warmMs);
    this.#askedAt.clear();
    this.#latencies = [];
    await this.#askAt(perSecond, ms);
    while (this.#askedAt.size > 0) await pause(tickMs);
    return { p50Ms: quantile(this.#latencies, 0.5), p99Ms: quantile(this.#latencies, 0.99) };
  }

  async #askAt(perSecond: number, ms: number): Promise<void> {
    const startedAt = performance.now();
    const total = Math.round((perSecond * ms) / 1_000);
    for (let asked = 0; asked < total; ) {
      const due = Math.min(total, ((performance.now() - startedAt) * perSecond) / 1_000);
      for (; asked < due; asked += 1) {
        const task = drawTask();
        this.#askedAt.set(task.taskId, performance.now());
        void this.#request!(task);
      }
      await pause(tickMs);
    }
  }
}
