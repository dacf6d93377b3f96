/** Metres from the depot. */
export interface Place {
  readonly x: number;
  readonly y: number;
}

export const depot: Place = { x: 0, y: 0 };

/** A brisk person's speed, at which shoppers do not stumble over a robot. */
const metresPerSecond = 1.4;
/** Reading the shelf label, once per line. */
const lookSeconds = 2;
/** Gripping and stowing one unit. */
const secondsPerUnit = 3;

export const metresBetween = (from: Place, to: Place): number => Math.hypot(to.x - from.x, to.y - from.y);

/** `pace` 1 is normal, 0.5 takes twice as long; `timeScale` 10 is ten times faster than life. */
export const walkMs = (metres: number, pace: number, timeScale: number): number =>
  (metres / (metresPerSecond * pace * timeScale)) * 1_000;

export const pickMs = (units: number, timeScale: number): number =>
  ((lookSeconds + units * secondsPerUnit) / timeScale) * 1_000;

/** A walk under way; a robot that stands has one of 0 ms. */
export interface Leg {
  readonly from: Place;
  readonly to: Place;
  readonly startedAtMs: number;
  readonly durationMs: number;
}

export const standing = (at: Place): Leg => ({ from: at, to: at, startedAtMs: 0, durationMs: 0 });

/** Where a robot on `leg` is. */
export function positionOn({ from, to, startedAtMs, durationMs }: Leg, nowMs: number): Place {
  const part = durationMs === 0 ? 1 : Math.min(1, Math.max(0, (nowMs - startedAtMs) / durationMs));
  return { x: from.x + (to.x - from.x) * part, y: from.y + (to.y - from.y) * part };
}
