import type { HubLimits } from './limits.ts';

/** What waits in this hub for bots to read it. */
export interface OutboundStatus {
  readonly unsentFrames: number;
  readonly unsentBytes: number;
  /** Their bots read so little that they are offered nothing. */
  readonly slowStreams: number;
}

type OutflowLimits = Pick<HubLimits, 'maxQueuedFrames' | 'maxQueuedBytes' | 'maxUnsentFrames' | 'maxUnsentBytes'>;

/** Of its own bound in frames: a bot that has so much waiting does not read, and is offered nothing. */
const slowAt = 1 / 4;
/** Of what the hub holds for all bots: from here on a bot is offered nothing that has more than so much of a fair share waiting. */
const tightAt = 1 / 2;
const tightShare = 1 / 2;

/**
 * Everything that waits in this hub for bots to read it, over all streams: bounded in frames and bytes. Overflow policy: from half of that on,
 * who reads least is offered nothing; when all is full, the stream that has most waiting loses its lossy frames, and where there are none, ends.
 */
export class Outflow {
  readonly #limits: OutflowLimits;
  readonly #backlogs = new Set<Backlog>();
  #frames = 0;
  #bytes = 0;

  constructor(limits: OutflowLimits) {
    this.#limits = limits;
  }

  /** Added up when somebody asks: a look at each stream. */
  get status(): OutboundStatus {
    let slowStreams = 0;
    for (const { isFlowing } of this.#backlogs) if (!isFlowing) slowStreams += 1;
    return { unsentFrames: this.#frames, unsentBytes: this.#bytes, slowStreams };
  }

  /** For a stream, until that leaves. `shed`: less of it is to wait, or nothing. */
  join(shed: () => void): Backlog {
    const backlog: Backlog = new Backlog({
      shed,
      moved: (frames, bytes) => this.#moved(frames, bytes),
      left: () => this.#backlogs.delete(backlog),
      isFlowing: () => this.#isFlowing(backlog),
      isFull: () => backlog.frames >= this.#limits.maxQueuedFrames,
    });
    this.#backlogs.add(backlog);
    return backlog;
  }

  #moved(frames: number, bytes: number): void {
    this.#frames += frames;
    this.#bytes += bytes;
    const { maxUnsentFrames, maxUnsentBytes } = this.#limits;
    if (frames > 0) while (this.#frames > maxUnsentFrames && this.#shedMost('frames'));
    if (bytes > 0) while (this.#bytes > maxUnsentBytes && this.#shedMost('bytes'));
  }

  /** A look at each stream, which is paid for by what one of them gives up. False when that is nothing. */
  #shedMost(what: 'frames' | 'bytes'): boolean {
    const most = [...this.#backlogs].reduce((worst, each) => (each[what] > worst[what] ? each : worst));
    const before = most[what];
    most.shed();
    return most[what] < before;
  }

  #isFlowing({ frames, bytes }: Backlog): boolean {
    const { maxQueuedFrames, maxQueuedBytes, maxUnsentFrames, maxUnsentBytes } = this.#limits;
    if (frames >= maxQueuedFrames * slowAt || bytes >= maxQueuedBytes) return false;
    const isTight = this.#frames >= tightAt * maxUnsentFrames || this.#bytes >= tightAt * maxUnsentBytes;
    const streams = this.#backlogs.size;
    return (
      !isTight ||
      (frames <= (tightShare * maxUnsentFrames) / streams && bytes <= (tightShare * maxUnsentBytes) / streams)
    );
  }
}

interface Whole {
  readonly shed: () => void;
  readonly moved: (frames: number, bytes: number) => void;
  readonly left: () => void;
  readonly isFlowing: () => boolean;
  readonly isFull: () => boolean;
}

/** What waits on one stream. */
export class Backlog {
  readonly #whole: Whole;
  frames = 0;
  bytes = 0;

  constructor(whole: Whole) {
    this.#whole = whole;
  }

  /** The bot reads what it is sent: little waits. */
  get isFlowing(): boolean {
    return this.#whole.isFlowing();
  }

  /** The stream has all that one may have waiting. */
  get isFull(): boolean {
    return this.#whole.isFull();
  }

  shed(): void {
    this.#whole.shed();
  }

  move(frames: number, bytes: number): void {
    this.frames += frames;
    this.bytes += bytes;
    this.#whole.moved(frames, bytes);
  }

  /** The stream is over: nothing waits on it any more. */
  leave(): void {
    this.move(-this.frames, -this.bytes);
    this.#whole.left();
  }
}
