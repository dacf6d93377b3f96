/** In one tick so many bots come, or this part of those that are here: a herd. Fewer are the usual coming and going of a fleet. */
const herdAtLeast = 8;
const herdPart = 1 / 64;
/** Leases for which a herd is waited for at most: bots that come and go without end must not keep the tasks of those that are gone. */
export const mostHerdLeases = 6;

/**
 * From when on a hub may judge bots by their silence: a full lease after the last moment at which it could not hear them, or they could not
 * reach it.
 *
 * | what happens                                              | why nobody is judged for a lease                         |
 * |-----------------------------------------------------------|----------------------------------------------------------|
 * | the hub starts                                            | nobody has heard the bots in the time before             |
 * | it was stopped or stuck, or the database was away         | it has not heard them, or could not write it down        |
 * | bots come as a herd, here or to another hub of the fleet  | some are still on their way, behind those that came first |
 *
 * Times are of one monotonic clock, ms.
 */
export class Patience {
  readonly #leaseMs: number;
  #judgeFromMs: number;
  /** Since when, without a whole lease in between in which bots were judged, herds are waited for. */
  #herdSinceMs: number | undefined;

  constructor(leaseMs: number, nowMs: number) {
    this.#leaseMs = leaseMs;
    this.#judgeFromMs = nowMs + leaseMs;
  }

  mayJudge(nowMs: number): boolean {
    return nowMs >= this.#judgeFromMs;
  }

  /** Until now this hub was not awake, or could not do its work. */
  wasAway(nowMs: number): void {
    this.#judgeFromMs = nowMs + this.#leaseMs;
  }

  /** So many bots came since the last tick, to `present` that are here; true when that is a herd, which the other hubs have to wait for too. */
  came(arrivals: number, present: number, nowMs: number): boolean {
    if (arrivals < Math.max(herdAtLeast, present * herdPart)) return false;
    this.waitForHerd(nowMs);
    return true;
  }

  waitForHerd(nowMs: number): void {
    if (this.#herdSinceMs === undefined || nowMs >= this.#judgeFromMs + this.#leaseMs) this.#herdSinceMs = nowMs;
    if (nowMs - this.#herdSinceMs > mostHerdLeases * this.#leaseMs) return;
    this.#judgeFromMs = Math.max(this.#judgeFromMs, nowMs + this.#leaseMs);
  }
}
