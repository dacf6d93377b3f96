/** How much of what a hub can hold is taken. */
export interface Load {
  /** Waiting now. */
  readonly frames: number;
  readonly bytes: number;
  /** That may send more. */
  readonly streams: number;
}

export interface Capacity {
  readonly maxWaitingFrames: number;
  readonly maxWaitingBytes: number;
  readonly maxUnacknowledged: number;
}

/** From half of what the hub can hold, bots are held back; at three quarters they may send what fits for all of them. The rest is for what was under way. */
const easeAt = 1 / 2;
const tightAt = 3 / 4;
/** The window grows only where it would stay when the load rose by this. */
const hysteresis = 1 / 16;

/** A stream's part of everything: what it may have waiting here when the hub is full. Frames. */
export const fairShare = ({ streams }: Load, { maxWaitingFrames }: Capacity): number =>
  Math.max(1, Math.floor(maxWaitingFrames / Math.max(1, streams)));

/**
 * Reliable frames that each bot may have unacknowledged, given what waits.
 *
 * | load, of what the hub can hold | window |
 * |---|---|
 * | up to 1/2 | all of `maxUnacknowledged` |
 * | 1/2 to 3/4 | falls by powers of two |
 * | from 3/4 | half of a fair share, at least 1: a bot that has one frame acknowledged hears of it, and of its next window |
 */
export function nextWindow(current: number, load: Load, capacity: Capacity): number {
  const part = Math.max(load.frames / capacity.maxWaitingFrames, load.bytes / capacity.maxWaitingBytes);
  const least = Math.min(capacity.maxUnacknowledged, Math.max(1, Math.floor(fairShare(load, capacity) / 2)));
  const wanted = windowAt(part, least, capacity.maxUnacknowledged);
  if (wanted < current) return wanted;
  return Math.max(current, windowAt(part + hysteresis, least, capacity.maxUnacknowledged));
}

function windowAt(part: number, least: number, most: number): number {
  if (part <= easeAt) return most;
  if (part >= tightAt) return least;
  const exact = most * (least / most) ** ((part - easeAt) / (tightAt - easeAt));
  return Math.max(least, 2 ** Math.floor(Math.log2(exact)));
}
