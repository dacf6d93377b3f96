import { MallError } from '../contract/errors.ts';

interface Waiting {
  readonly what: string;
  readonly places: number;
  readonly expiresAt: number;
  readonly reject: (error: MallError) => void;
}

/**
 * Bounds confirmed publishes in number and time: each message takes a place, those that share a confirm give theirs back together. Overflow
 * policy: refuse at entry (RESOURCE_EXHAUSTED), since every publisher has its own durable log to wait in. A publish that overran its deadline
 * has failed for its caller but keeps its place until the broker settles it or its channel dies, so that retries over a dead connection cannot
 * pile up in memory.
 */
export class PublishWindow {
  readonly #limit: number;
  readonly #deadlineMs: number;
  /** In order of expiry, since all have the same deadline: one timer looks at the oldest instead of one timer for each. */
  readonly #waiting = new Set<Waiting>();
  #timer: NodeJS.Timeout | undefined;
  #held = 0;
  #idle: Array<() => void> = [];

  constructor(limit: number, deadlineMs: number) {
    this.#limit = limit;
    this.#deadlineMs = deadlineMs;
  }

  /**
   * Takes a place for one message, which has to be `run` then.
   * @throws MallError RESOURCE_EXHAUSTED
   */
  enter(): void {
    if (this.#held >= this.#limit) {
      throw new MallError(
        'RESOURCE_EXHAUSTED',
        `${this.#limit} publishes are in flight already; wait for some of them`,
        {
          reason: 'PUBLISH_WINDOW_FULL',
          field: 'publish',
          remedy: 'try again when earlier publishes have settled',
        },
      );
    }
    this.#held += 1;
  }

  /**
   * Settles as `send` does, which is about messages that have `places`, or earlier by the deadline; `explain` says what a failure of `send` means.
   * @throws MallError DEADLINE_EXCEEDED, and what `explain` returns
   */
  run(
    { what, places }: { readonly what: string; readonly places: number },
    send: () => Promise<void>,
    explain: (what: string, error: unknown) => MallError,
  ): Promise<void> {
    return new Promise<void>((resolve, reject) => {
      const entry: Waiting = { what, places, expiresAt: performance.now() + this.#deadlineMs, reject };
      this.#waiting.add(entry);
      this.#timer ??= setTimeout(() => this.#expire(), this.#deadlineMs);
      send().then(
        () => {
          this.#release(entry);
          resolve();
        },
        (error) => {
          this.#release(entry);
          reject(explain(what, error));
        },
      );
    });
  }

  /** Resolves when everything that has entered has settled. */
  async idle(): Promise<void> {
    if (this.#held > 0) await new Promise<void>((resolve) => this.#idle.push(resolve));
  }

  #release(entry: Waiting): void {
    this.#held -= entry.places;
    this.#waiting.delete(entry);
    if (this.#held > 0) return;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    for (const resolve of this.#idle.splice(0)) resolve();
  }

  #expire(): void {
    const now = performance.now();
    this.#timer = undefined;
    for (const entry of this.#waiting) {
      if (entry.expiresAt > now) {
        // At least one ms: timers fire up to one early, and this must not spin.
        this.#timer = setTimeout(() => this.#expire(), Math.max(1, entry.expiresAt - now));
        return;
      }
      this.#waiting.delete(entry);
      entry.reject(publishOverdue(entry.what, this.#deadlineMs));
    }
  }
}

export const publishOverdue = (what: string, deadlineMs: number): MallError =>
  new MallError(
    'DEADLINE_EXCEEDED',
    `publish of ${what} was not confirmed within ${deadlineMs} ms; it may have arrived`,
    {
      reason: 'PUBLISH_UNCONFIRMED',
      value: what,
      remedy: 'publish it again; consumers know it by its id',
    },
  );
