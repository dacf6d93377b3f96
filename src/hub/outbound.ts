import type { ServerDuplexStream } from '@grpc/grpc-js';
import type { HubFrame } from '../gen/fleet/v1/fleet.ts';
import type { IncomingFrame } from './envelope.ts';
import type { HubMetrics } from './hub-metrics.ts';
import { type HubLimits, maxRetainedFrames } from './limits.ts';
import type { HubBody } from './roster.ts';

export type Call = ServerDuplexStream<IncomingFrame, HubFrame>;

/** A frame that is to be written; the ack is added then. */
interface Queued {
  /** 0 for what has no number. */
  readonly seq: number;
  readonly body: HubBody;
  readonly traceparent: string;
}

/**
 * What becomes of a frame that does not arrive.
 *
 * | | |
 * |---|---|
 * | lossy | nothing: the next one makes up for it, or the bot says the same again and hears it again |
 * | once | it belongs to its stream: an offer is withdrawn with that, a welcome and a drain are about it |
 * | retained | it is sent again on the next stream of the session, until the bot acknowledges it |
 */
function fateOf(body: HubBody): 'lossy' | 'once' | 'retained' {
  switch (body.$case) {
    case 'credit':
    case 'acknowledgement':
      return 'lossy';
    case 'nack':
      // The frame that it refuses is acknowledged with it, so the bot does not send that again.
      return body.value.seq > 0 ? 'retained' : 'lossy';
    case 'welcome':
    case 'offer':
    case 'drain':
      return 'once';
    case 'lease':
      return body.value.renewedBy ? 'lossy' : 'retained';
    case 'cancel':
    case 'protocolOffer':
      return 'retained';
    default:
      return body satisfies never;
  }
}

/** What waits for a bot to read it. */
export interface Unsent {
  readonly frames: number;
  /** Of the tasks in offers: all else is small, or shared by all bots. */
  readonly bytes: number;
}

const bytesOf = (body: HubBody): number => (body.$case === 'offer' ? body.value.payload.length : 0);

/** A welcome comes before what is sent again, and must not be taken for the newest of it. */
const isNumbered = (body: HubBody) => body.$case !== 'welcome' && fateOf(body) !== 'lossy';

/**
 * The frames of a session to its bot, over all of its streams on this hub; the one writer of the stream that is attached just now. Holds back
 * while that says that it is full (grpc-js: from the 16th message on), at most `maxQueuedFrames`; policy when full: the oldest lossy
 * frame goes, and where there is none, the stream. From a quarter of that, or `maxQueuedBytes` of tasks, on no offers come. Every frame carries the newest acknowledgement; what was acknowledged in one turn of
 * the event loop shares one frame. Keeps what is to be sent again, at most `maxRetainedFrames`; policy when full: the oldest goes, and a bot
 * that has not seen it cannot resume.
 */
export class Outbound {
  readonly #maxQueuedFrames: number;
  readonly #maxQueuedBytes: number;
  readonly #metrics: HubMetrics;
  readonly #onOverflow: () => void;
  readonly #onFlowing: () => void;
  #call: Call | undefined;
  #queue: Queued[] = [];
  #retained: Queued[] = [];
  #writable = true;
  /** Queued, and written but not taken by the connection: grpc-js holds up to 16 messages of any size. */
  #unsentBytes = 0;
  /** The last number given. */
  #lastSeq = 0;
  /** Every frame up to here is gone: acknowledged, or too old. */
  #goneUpTo = 0;
  #durable = 0;
  #ackSent = 0;
  #ackScheduled = false;

  /** `onFlowing`: the bot reads again. */
  constructor(
    { maxQueuedFrames, maxQueuedBytes }: Pick<HubLimits, 'maxQueuedFrames' | 'maxQueuedBytes'>,
    metrics: HubMetrics,
    onOverflow: () => void,
    onFlowing: () => void,
  ) {
    this.#maxQueuedFrames = maxQueuedFrames;
    this.#maxQueuedBytes = maxQueuedBytes;
    this.#metrics = metrics;
    this.#onOverflow = onOverflow;
    this.#onFlowing = onFlowing;
  }

  /** Every frame of the bot up to here is durable, or refused for good. */
  get durable(): number {
    return this.#durable;
  }

  /** The bot reads what it is sent: little waits. */
  get isFlowing(): boolean {
    return this.#queue.length < this.#maxQueuedFrames / 4 && this.#unsentBytes < this.#maxQueuedBytes;
  }

  get unsent(): Unsent {
    return { frames: this.#queue.length, bytes: this.#unsentBytes };
  }

  attach(call: Call): void {
    this.#call = call;
    this.#writable = !call.writableNeedDrain;
    call.on('drain', this.#onDrain);
    this.#pump();
  }

  /** Before the stream ends: what was acknowledged goes along. What waits is dropped, except for what is retained. */
  detach(): void {
    this.#pump();
    this.#call?.off('drain', this.#onDrain);
    this.#call = undefined;
    this.#queue = [];
    this.#unsentBytes = 0;
  }

  /** Whether a bot that has seen everything up to `lastSeen` can be sent the rest. */
  reaches(lastSeen: number): boolean {
    return this.#goneUpTo <= lastSeen && lastSeen <= this.#lastSeq;
  }

  /** Sends again what the bot has not seen, as far as it still `matters`; what is sent from now on comes after it. */
  replay(lastSeen: number, matters: (body: HubBody) => boolean): void {
    this.confirm(lastSeen);
    this.#retained = this.#retained.filter(({ body }) => matters(body));
    this.#queue.push(...this.#retained);
    this.#pump();
  }

  /** False when there is no stream to send it on now. */
  send(body: HubBody, traceparent: string): boolean {
    const fate = fateOf(body);
    if (this.#call && this.#queue.length >= this.#maxQueuedFrames && !this.#dropLossy()) {
      if (fate === 'lossy') return true;
      this.#onOverflow();
    }
    if (!this.#call && fate !== 'retained') return false;
    const queued = { seq: isNumbered(body) ? ++this.#lastSeq : 0, body, traceparent };
    if (fate === 'retained') this.#retain(queued);
    if (!this.#call) return false;
    this.#unsentBytes += bytesOf(body);
    this.#queue.push(queued);
    this.#pump();
    return true;
  }

  /** The bot has seen everything up to `seq`. */
  confirm(seq: number): void {
    const seen = Math.min(seq, this.#lastSeq);
    if (seen <= this.#goneUpTo) return;
    this.#goneUpTo = seen;
    const rest = this.#retained.findIndex((frame) => frame.seq > seen);
    this.#retained.splice(0, rest === -1 ? this.#retained.length : rest);
  }

  /** Every frame of the bot up to `seq` is durable, or refused for good. */
  acknowledge(seq: number): void {
    this.#durable = Math.max(this.#durable, seq);
    if (this.#ackScheduled) return;
    this.#ackScheduled = true;
    setImmediate(() => {
      this.#ackScheduled = false;
      this.#pump();
    });
  }

  readonly #onDrain = (): void => {
    const wasFlowing = this.isFlowing;
    this.#writable = true;
    this.#pump();
    if (!wasFlowing && this.isFlowing) this.#onFlowing();
  };

  #onTaken(call: Call, bytes: number): void {
    if (this.#call !== call) return;
    const wasFlowing = this.isFlowing;
    this.#unsentBytes -= bytes;
    if (!wasFlowing && this.isFlowing) this.#onFlowing();
  }

  #retain(frame: Queued): void {
    this.#retained.push(frame);
    if (this.#retained.length > maxRetainedFrames) this.#goneUpTo = this.#retained.shift()!.seq;
  }

  #dropLossy(): boolean {
    const oldest = this.#queue.findIndex(({ body }) => fateOf(body) === 'lossy');
    return oldest >= 0 && this.#queue.splice(oldest, 1).length > 0;
  }

  #pump(): void {
    while (this.#call && this.#writable) {
      const next = this.#queue.shift();
      if (next) this.#write(this.#call, next);
      else if (this.#durable > this.#ackSent) {
        this.#write(this.#call, { seq: 0, body: { $case: 'acknowledgement', value: {} }, traceparent: '' });
      } else return;
    }
  }

  #write(call: Call, frame: Queued): void {
    this.#ackSent = this.#durable;
    this.#metrics.frame('transmit', frame.body.$case);
    const bytes = bytesOf(frame.body);
    const onTaken = bytes > 0 ? () => this.#onTaken(call, bytes) : undefined;
    this.#writable = call.write({ ...frame, ack: this.#durable }, onTaken);
  }
}
