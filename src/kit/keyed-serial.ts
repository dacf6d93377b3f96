/**
 * Runs work of one key one after the other, in the order of `run` calls, and work of different keys side by side, at most
 * `concurrency` at once.
 */
export class KeyedSerial {
  readonly #concurrency: number;
  readonly #lanes = new Map<string, Array<() => Promise<void>>>();
  readonly #ready: string[] = [];
  #running = 0;

  constructor(concurrency: number) {
    this.#concurrency = concurrency;
  }

  /** How many keys have work waiting or running. */
  get size(): number {
    return this.#lanes.size;
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
  }
}
