/**
 * Runs work of one key one after the other, in the order of `run` calls, and work of different keys side by side, at most
 * `concurrency` at once.
 */
export class KeyedSerial {
  readonly #concurrency: number;
  readonly #lanes = new Map<string, Array<() => Promise<void>>>();
  readonly #ready: string[] = [];
  #running = 0;
  #idle: Array<() => void> = [];

  constructor(concurrency: number) {
    this.#concurrency = concurrency;
  }

  /** Keys with work waiting or running. */
  get keys(): IterableIterator<string> {
    return this.#lanes.keys();
  }

  has(key: string): boolean {
    return this.#lanes.has(key);
  }

  /** Settles as `work` does. The caller bounds how much it puts in: a prefetch, a window. */
  run<T>(key: string, work: () => Promise<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const step = () => work().then(resolve, reject);
      const lane = this.#lanes.get(key);
      if (lane) {
        lane.push(step);
        return;
      }
      this.#lanes.set(key, [step]);
      this.#ready.push(key);
      this.#pump();
    });
  }

  /** Resolves when nothing is waiting or running. */
  async idle(): Promise<void> {
    if (this.#lanes.size === 0) return;
    await new Promise<void>((resolve) => this.#idle.push(resolve));
  }

  #pump(): void {
    while (this.#running < this.#concurrency) {
      const key = this.#ready.shift();
      if (key === undefined) return;
      this.#running += 1;
      void this.#step(key);
    }
  }

  async #step(key: string): Promise<void> {
    const lane = this.#lanes.get(key)!;
    await lane[0]!();
    lane.shift();
    this.#running -= 1;
    if (lane.length > 0) this.#ready.push(key);
    else this.#lanes.delete(key);
    this.#pump();
    if (this.#lanes.size === 0) {
      const waiting = this.#idle;
      this.#idle = [];
      for (const resolve of waiting) resolve();
    }
  }
}
