/** Heartbeats that a hub may still name: a lease is a handful of them. */
const remembered = 64;

/** Node's timers end at once when they are to be longer; no lease is. */
const longestTimerMs = 2 ** 31 - 1;

/** When this bot said what its leases count from. By its monotonic clock, ms; what the wall clock says goes to the hub and back and is only compared. */
export class LeaseClock {
  readonly #beats = new Map<number, number>();
  #helloAtMs = performance.now();

  /** Of the Hello that was said last. */
  get helloAtMs(): number {
    return this.#helloAtMs;
  }

  sayHello(): void {
    this.#helloAtMs = performance.now();
  }

  /** The instant for a heartbeat that is sent from now on. */
  beat(): Date {
    const atMs = performance.now();
    const sentAt = new Date();
    // Of two in one millisecond the earlier one is on the safe side.
    if (!this.#beats.has(sentAt.getTime())) this.#beats.set(sentAt.getTime(), atMs);
    if (this.#beats.size > remembered) this.#beats.delete(this.#beats.keys().next().value!);
    return sentAt;
  }

  /** Undefined for none of the last heartbeats of this process. */
  beatAtMs(sentAt: Date): number | undefined {
    return this.#beats.get(sentAt.getTime());
  }
}

/** Tells when a lease has run out, unless it is extended. */
export class LeaseWatch {
  readonly #onEnd: () => void;
  #endsAtMs = Number.NEGATIVE_INFINITY;
  #timer: NodeJS.Timeout | undefined;

  constructor(onEnd: () => void) {
    this.#onEnd = onEnd;
  }

  /** Never makes it shorter. ms of `performance.now()`. */
  extend(endsAtMs: number): void {
    if (endsAtMs <= this.#endsAtMs) return;
    this.#endsAtMs = endsAtMs;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(this.#onEnd, Math.min(longestTimerMs, endsAtMs - performance.now()));
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#endsAtMs = Number.POSITIVE_INFINITY;
  }
}
