interface Entry<Events> {
  readonly event: keyof Events;
  readonly listener: (value: never) => unknown;
}

/** Who wants to hear of which event; `Events` names each event's value. */
export class Listeners<Events> {
  readonly #all = new Set<Entry<Events>>();
  readonly #failed: (event: keyof Events, thrown: unknown) => void;

  constructor(failed: (event: keyof Events, thrown: unknown) => void) {
    this.#failed = failed;
  }

  /** Returns what takes the listener off again. */
  add<E extends keyof Events>(event: E, listener: (value: Events[E]) => void): () => void {
    const entry = { event, listener };
    this.#all.add(entry);
    return () => void this.#all.delete(entry);
  }

  /** Never throws: who tells goes on whatever its listeners do. */
  tell<E extends keyof Events>(event: E, value: Events[E]): void {
    for (const entry of this.#all) {
      if (entry.event === event) void this.#call(entry, value as never);
    }
  }

  /** An async listener ends later, and its rejection would end the process. */
  async #call({ event, listener }: Entry<Events>, value: never): Promise<void> {
    try {
      await listener(value);
    } catch (thrown) {
      this.#failed(event, thrown);
    }
  }
}
