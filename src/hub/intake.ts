import type { Counts } from './counts.ts';
import { type HubLimits, maxPendingBytes, pendingSlack } from './limits.ts';
import { fairShare, nextWindow } from './window.ts';

/** Why a stream is not read: its bot has more waiting than it may, or the hub all it can hold. */
export type PauseReason = 'BOT' | 'HUB';

export interface Reader {
  pause(reason: PauseReason): void;
  resume(): void;
}

/** All streams go on below this part of what the hub can hold. */
const relaxedAt = 3 / 4;

/**
 * Everything of the bots that waits in this hub for its effect, in all lanes: bounded in frames and bytes. Overflow policy: bots are told a
 * smaller window (`nextWindow`); a stream that breaks its own bound is not read; when all is full, none is that has more than a fair share.
 * So a bot that keeps to its window goes on beating while the broker stalls, and one that does not waits in TCP.
 */
export class Intake {
  readonly #limits: HubLimits;
  readonly #counts: Counts;
  readonly #shares = new Set<Share>();
  readonly #paused = new Set<Share>();
  #frames = 0;
  #bytes = 0;
  #window: number;

  constructor(limits: HubLimits, counts: Counts) {
    this.#limits = limits;
    this.#counts = counts;
    this.#window = limits.maxUnacknowledged;
  }

  /** Reliable frames that each bot may have unacknowledged now. */
  get window(): number {
    return this.#window;
  }

  get status(): { waitingFrames: number; waitingBytes: number; window: number; pausedStreams: number } {
    const { size: pausedStreams } = this.#paused;
    return { waitingFrames: this.#frames, waitingBytes: this.#bytes, window: this.#window, pausedStreams };
  }

  join(reader: Reader): Share {
    const share = new Share(reader, (frames, bytes) => this.#moved(share, frames, bytes));
    this.#shares.add(share);
    return share;
  }

  #moved(share: Share, frames: number, bytes: number): void {
    this.#frames += frames;
    this.#bytes += bytes;
    const load = { frames: this.#frames, bytes: this.#bytes, streams: this.#shares.size };
    this.#window = nextWindow(this.#window, load, this.#limits);
    if (frames > 0) this.#hold(share);
    else if (this.#paused.size > 0) this.#release(share);
    if (share.isOver) {
      this.#shares.delete(share);
      this.#paused.delete(share);
    }
  }

  #hold(share: Share): void {
    if (this.#paused.has(share)) return;
    const { maxUnacknowledged, maxWaitingFrames, maxWaitingBytes } = this.#limits;
    const isFull = this.#frames >= maxWaitingFrames || this.#bytes >= maxWaitingBytes;
    const isGreedy = share.frames >= maxUnacknowledged + pendingSlack || share.bytes >= maxPendingBytes;
    if (!isGreedy && !(isFull && this.#exceedsShare(share, 1))) return;
    const reason = isGreedy ? 'BOT' : 'HUB';
    this.#paused.add(share);
    this.#counts.add('mallbots.hub.reading.paused', reason);
    share.reader.pause(reason);
  }

  #release(share: Share): void {
    const { maxUnacknowledged, maxWaitingFrames, maxWaitingBytes } = this.#limits;
    const isRelaxed = this.#frames < relaxedAt * maxWaitingFrames && this.#bytes < relaxedAt * maxWaitingBytes;
    const mayGoOn = (each: Share) =>
      each.frames <= maxUnacknowledged / 2 &&
      each.bytes <= maxPendingBytes / 2 &&
      (isRelaxed || !this.#exceedsShare(each, 1 / 2));
    for (const each of isRelaxed ? [...this.#paused] : [share]) {
      if (each.isOver || !mayGoOn(each) || !this.#paused.delete(each)) continue;
      each.reader.resume();
    }
  }

  #exceedsShare({ frames, bytes }: Share, part: number): boolean {
    const { maxWaitingBytes } = this.#limits;
    const load = { frames: this.#frames, bytes: this.#bytes, streams: this.#shares.size };
    return (
      frames > part * fairShare(load, this.#limits) || bytes > (part * maxWaitingBytes) / Math.max(1, this.#shares.size)
    );
  }
}

/** What waits of one stream. */
export class Share {
  readonly reader: Reader;
  readonly #onMoved: (frames: number, bytes: number) => void;
  frames = 0;
  bytes = 0;
  isOver = false;

  constructor(reader: Reader, onMoved: (frames: number, bytes: number) => void) {
    this.reader = reader;
    this.#onMoved = onMoved;
  }

  /** A frame of so many bytes waits. */
  add(bytes: number): void {
    if (!this.isOver) this.#move(1, bytes);
  }

  /** It has had its effect. */
  remove(bytes: number): void {
    if (!this.isOver) this.#move(-1, -bytes);
  }

  /** The stream is over: nothing of it waits any more. */
  leave(): void {
    if (this.isOver) return;
    this.isOver = true;
    this.#move(-this.frames, -this.bytes);
  }

  #move(frames: number, bytes: number): void {
    this.frames += frames;
    this.bytes += bytes;
    this.#onMoved(frames, bytes);
  }
}
