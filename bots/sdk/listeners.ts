/** Who wants to hear of which event; `Events` names each event's value. */
export class Listeners<Events> {
  readonly #all = new Set<{ event: keyof Events; listener: (value: never) => void }>();

  /** Returns what takes the listener off again. */
  add<E extends keyof Events>(event: E, listener: (value: Events[E]) => void): () => void {
    const entry = { event, listener };
    this.#all.add(entry);
    return () => void this.#all.delete(entry);
  }

  tell<E extends keyof Events>(event: E, value: Events[E]): void {
    for (const entry of this.#all) {
      if (entry.event === event) entry.listener(value as never);
    }
  }
}
