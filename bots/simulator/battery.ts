/** Metres that a full battery lasts: about ten tours of a mall. */
const rangeMetres = 3_000;
/** Below this level a robot charges before it takes another tour: what is left is enough for the longest. */
const chargeBelow = 0.3;
/** From empty to full, in life. */
const fullChargeSeconds = 600;

/** Levels are 0 (empty) to 1 (full). */
export const drained = (level: number, metres: number): number => Math.max(0, level - metres / rangeMetres);

export const needsCharge = (level: number): boolean => level < chargeBelow;

/** Until full. */
export const chargeMs = (level: number, timeScale: number): number =>
  ((1 - level) * fullChargeSeconds * 1_000) / timeScale;

/** The level after `elapsedMs` at the depot's socket. */
export const charged = (level: number, elapsedMs: number, timeScale: number): number =>
  Math.min(1, level + (elapsedMs * timeScale) / (fullChargeSeconds * 1_000));
