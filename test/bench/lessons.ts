/** What the bots of a process have applied of what they were taught. */
export class Lessons {
  readonly #counts = new Map<string, number>();
  readonly #waiting = new Map<string, { readonly count: number; resolve(atMs: number): void }>();

  /** The hub knows it of one bot more. */
  applied(digest: string): void {
    const count = (this.#counts.get(digest) ?? 0) + 1;
    this.#counts.set(digest, count);
    const waiting = this.#waiting.get(digest);
    if (waiting && count >= waiting.count) waiting.resolve(performance.timeOrigin + performance.now());
  }

  /** Resolves when `count` bots have applied it, with the time of the last one; ms since 1970. Asked for before the first has. */
  learnt(digest: string, count: number): Promise<number> {
    return new Promise((resolve) => this.#waiting.set(digest, { count, resolve }));
  }
}
