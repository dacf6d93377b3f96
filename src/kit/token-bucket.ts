/** Lets `burst` through at once and `perSecond` in the long run. */
export class TokenBucket {
  readonly #burst: number;
  readonly #perMs: number;
  // Numbers from the first: a field that began as undefined gets a new object for each of its later numbers.
  #tokens = 0;
  #filledAtMs = 0;

  constructor(burst: number, perSecond: number, nowMs: number) {
    this.#burst = burst;
    this.#perMs = perSecond / 1_000;
    this.#tokens = burst;
    this.#filledAtMs = nowMs;
  }

  /** Takes `cost` and leaves at least `reserve` behind; false, and nothing is taken, when that is too much. */
  take(nowMs: number, { cost = 1, reserve = 0 } = {}): boolean {
    this.#tokens = Math.min(this.#burst, this.#tokens + (nowMs - this.#filledAtMs) * this.#perMs);
    this.#filledAtMs = nowMs;
    if (this.#tokens < cost + reserve) return false;
    this.#tokens -= cost;
    return true;
  }

  /** One that was taken and not used. */
  giveBack(): void {
    this.#tokens = Math.min(this.#burst, this.#tokens + 1);
  }
}
