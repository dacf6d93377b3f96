import { setTimeout as sleep } from 'node:timers/promises';
import { charged, chargeMs, drained, needsCharge } from './battery.ts';
import { depot, type Leg, metresBetween, type Place, pickMs, positionOn, standing, walkMs } from './floor.ts';

/** Time that passes on the floor; rejects with the signal's reason when that aborts. */
async function spend(ms: number, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  await sleep(ms, undefined, { signal }).catch(() => {});
  signal.throwIfAborted();
}

/** The part of a robot that a crash of its program leaves alone: wheels, gripper, battery. */
export class Chassis {
  readonly #timeScale: number;
  #leg: Leg = standing(depot);
  #level = 1;
  #chargingSinceMs: number | undefined;

  constructor(timeScale: number) {
    this.#timeScale = timeScale;
  }

  position(): Place {
    return positionOn(this.#leg, performance.now());
  }

  /** 0 to 1. */
  battery(): number {
    if (this.#chargingSinceMs === undefined) return this.#level;
    return charged(this.#level, performance.now() - this.#chargingSinceMs, this.#timeScale);
  }

  get needsCharge(): boolean {
    return needsCharge(this.#level);
  }

  /** Resolves with the metres walked; stops where it is when `signal` aborts. */
  async walkTo(to: Place, pace: number, signal: AbortSignal): Promise<number> {
    const from = this.position();
    const metres = metresBetween(from, to);
    const durationMs = walkMs(metres, pace, this.#timeScale);
    this.#leg = { from, to, startedAtMs: performance.now(), durationMs };
    try {
      await spend(durationMs, signal);
      this.#leg = standing(to);
      return metres;
    } finally {
      this.#leg = standing(this.position());
      this.#level = drained(this.#level, metresBetween(from, this.#leg.to));
    }
  }

  /** Off a shelf, or back onto it. */
  moveUnits(units: number, signal: AbortSignal): Promise<void> {
    return spend(pickMs(units, this.#timeScale), signal);
  }

  async charge(signal: AbortSignal): Promise<void> {
    this.#chargingSinceMs = performance.now();
    try {
      await spend(chargeMs(this.#level, this.#timeScale), signal);
      this.#level = 1;
    } finally {
      this.#chargingSinceMs = undefined;
    }
  }
}
