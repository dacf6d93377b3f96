import { handlerOf, type Repertoire } from './repertoire.ts';

/** Stands for the kinds that only `anyKind` serves. */
export const otherKinds = '*';

/** How many tasks of each kind the bot takes at once. */
export class Credits {
  readonly #repertoire: Repertoire;
  readonly #said = new Map<string, number>();

  constructor(repertoire: Repertoire) {
    this.#repertoire = repertoire;
  }

  /** What can be set. */
  get kinds(): readonly string[] {
    const { named, any } = this.#repertoire;
    return any ? [...named.keys(), otherKinds] : [...named.keys()];
  }

  of(kind: string): number {
    const isOther = !this.#repertoire.named.has(kind);
    const said = this.#said.get(kind) ?? (isOther ? this.#said.get(otherKinds) : undefined);
    return said ?? handlerOf(this.#repertoire, kind)?.credits ?? 0;
  }

  /**
   * Returns which of the kinds that are spoken it is about.
   * @throws RangeError when the bot serves no such kind
   */
  set(kind: string, amount: number, spoken: readonly string[]): readonly string[] {
    const { named, any } = this.#repertoire;
    if (!named.has(kind) && !any) throw new RangeError(`kind is "${kind}"; this bot serves ${[...named.keys()]}`);
    this.#said.set(kind, amount);
    if (kind !== otherKinds) return [kind];
    for (const other of [...this.#said.keys()]) if (!named.has(other) && other !== otherKinds) this.#said.delete(other);
    return spoken.filter((each) => !named.has(each));
  }
}
