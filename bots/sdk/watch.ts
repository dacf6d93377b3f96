/** Waiting for conditions over state that says when it may have changed. */
export class Watch {
  readonly #checks = new Set<() => void>();

  /** Something changed: whoever waits looks again. */
  look(): void {
    for (const check of this.#checks) check();
  }

  /** Resolves when `condition` holds, or `signal` aborts. */
  until(condition: () => boolean, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const check = () => {
        if (!condition() && !signal?.aborted) return;
        this.#checks.delete(check);
        signal?.removeEventListener('abort', check);
        resolve();
      };
      this.#checks.add(check);
      signal?.addEventListener('abort', check);
      check();
    });
  }
}
