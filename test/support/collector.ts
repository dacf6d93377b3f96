/** Takes things as they come and lets a test wait until there are enough of them; the test's own deadline bounds the wait. */
export class Collector<T> {
  readonly items: T[] = [];
  #waiting: Array<{ count: number; resolve: () => void }> = [];

  readonly add = (item: T): void => {
    this.items.push(item);
    for (const { resolve } of this.#waiting.filter(({ count }) => count <= this.items.length)) resolve();
    this.#waiting = this.#waiting.filter(({ count }) => count > this.items.length);
  };

  async atLeast(count: number): Promise<T[]> {
    if (this.items.length < count) await new Promise<void>((resolve) => this.#waiting.push({ count, resolve }));
    return this.items;
  }
}
