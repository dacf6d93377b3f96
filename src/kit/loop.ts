import { type BackoffPolicy, backoffMs, pause } from './backoff.ts';

export interface LoopOptions {
  /** Longest wait between two turns, ms: the poll behind the wake-up. */
  readonly pollMs: number;
  readonly backoff: BackoffPolicy;
  /** Told of every failed turn; the loop goes on. */
  readonly onError: (error: unknown, retryInMs: number) => void;
}

/**
 * Calls `turn` again and again: at once while it returns true (there is more), else after a wake-up or the poll interval; after an
 * error with back-off. Never ends by itself, only by `stop`.
 */
export class Loop {
  readonly #turn: () => Promise<boolean>;
  readonly #options: LoopOptions;
  readonly #stopping = new AbortController();
  #woken = false;
  /** Ends the wait for the next turn. No AbortSignal: each that aborts makes an error with a stack, hundreds of times a second. */
  #endWait: (() => void) | undefined;
  #done: Promise<void> | undefined;

  constructor(turn: () => Promise<boolean>, options: LoopOptions) {
    this.#turn = turn;
    this.#options = options;
  }

  start(): this {
    this.#done ??= this.#run();
    return this;
  }

  wake(): void {
    this.#woken = true;
    this.#endWait?.();
  }

  /** Ends after the turn under way. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#endWait?.();
    await this.#done;
  }

  async #run(): Promise<void> {
    let failures = 0;
    while (!this.#stopping.signal.aborted) {
      this.#woken = false;
      let waitMs = this.#options.pollMs;
      let mayWake = true;
      try {
        if (await this.#turn()) waitMs = 0;
        failures = 0;
      } catch (error) {
        failures += 1;
        waitMs = backoffMs(this.#options.backoff, failures, Math.random());
        mayWake = false;
        this.#options.onError(error, waitMs);
      }
      if (waitMs > 0 && !(mayWake && this.#woken)) await this.#wait(waitMs, mayWake);
    }
  }

  async #wait(ms: number, mayWake: boolean): Promise<void> {
    if (!mayWake) return pause(ms, this.#stopping.signal);
    if (this.#stopping.signal.aborted) return;
    let timer: NodeJS.Timeout | undefined;
    await new Promise<void>((resolve) => {
      this.#endWait = resolve;
      timer = setTimeout(resolve, ms);
    });
    clearTimeout(timer);
    this.#endWait = undefined;
  }
}
