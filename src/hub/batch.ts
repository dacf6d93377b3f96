/**
 * Group commit: what is added while all flushes that may run are under way waits and goes into the next one together, so that under load many
 * share one transaction and alone each goes at once. Each item settles as its flush does.
 */
export class Batch<T, R> {
  readonly #flush: (items: readonly T[]) => Promise<readonly R[]>;
  readonly #maxItems: number;
  #waiting: Array<{
    readonly item: T;
    readonly resolve: (result: R) => void;
    readonly reject: (error: unknown) => void;
  }> = [];
  readonly #maxFlushes: number;
  #flushes = 0;

  /**
   * `flush` answers with one result for each item, in their order. The callers bound what waits: one each. With more than one flush at a
   * time, an item may overtake those before it.
   */
  constructor(maxItems: number, flush: (items: readonly T[]) => Promise<readonly R[]>, maxFlushes = 1) {
    this.#maxItems = maxItems;
    this.#flush = flush;
    this.#maxFlushes = maxFlushes;
  }

  add(item: T): Promise<R> {
    return new Promise<R>((resolve, reject) => {
      this.#waiting.push({ item, resolve, reject });
      if (this.#flushes < this.#maxFlushes) void this.#run();
    });
  }

  async #run(): Promise<void> {
    this.#flushes += 1;
    // What arrives in the same turn of the event loop, as frames of one socket read do, shares the first flush.
    await new Promise<void>((resolve) => setImmediate(resolve));
    while (this.#waiting.length > 0) {
      const taken = this.#waiting.splice(0, this.#maxItems);
      try {
        const results = await this.#flush(taken.map(({ item }) => item));
        taken.forEach(({ resolve }, index) => {
          resolve(results[index]!);
        });
      } catch (error) {
        for (const { reject } of taken) reject(error);
      }
    }
    this.#flushes -= 1;
  }
}
