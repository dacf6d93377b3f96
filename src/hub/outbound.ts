import type { ServerDuplexStream } from '@grpc/grpc-js';
import type { HubFrame } from '../gen/fleet/v1/fleet.ts';
import type { IncomingFrame } from './envelope.ts';
import type { HubMetrics } from './hub-metrics.ts';
import { maxRetainedFrames } from './limits.ts';
import type { Backlog, Outflow } from './outflow.ts';
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

/** Of tasks and of the fleet's language: all else is small. */
function bytesOf(body: HubBody): number {
  if (body.$case === 'offer') return body.value.payload.length;
  if (body.$case !== 'protocolOffer') return 0;
  return body.value.add.reduce((sum, { fileDescriptorSet }) => sum + fileDescriptorSet.length, 0);
}

/** A welcome comes before what is sent again, and must not be taken for the newest of it. */
const isNumbered = (body: HubBody) => body.$case !== 'welcome' && fateOf(body) !== 'lossy';

/**
 * The frames of a session to its bot, over all of its streams on this hub; the one writer of the stream that is attached just now. Holds back
 * while that says that it is full (grpc-js: from the 16th message on), as much as `Outflow` has room for; policy when full: the oldest lossy
 * frame goes, and where there is none, the stream. Every frame carries the newest acknowledgement; what was acknowledged in one turn of
 * the event loop shares one frame. Keeps what is to be sent again, at most `maxRetainedFrames`; policy when full: the oldest goes, and a bot
 * that has not seen it cannot resume.
 */
export class Outbound {
  readonly #outflow: Outflow;
  readonly #metrics: HubMetrics;
  readonly #onOverflow: () => void;
  readonly #onFlowing: () => void;
  #call: Call | undefined;
  /** Queued, and of what has many bytes also what was written and not taken by the connection: grpc-js holds up to 16 messages of any size. */
  #backlog: Backlog | undefined;
  #queue: Queued[] = [];
  #retained: Queued[] = [];
  #writable = true;
  /** The last number given. */
  #lastSeq = 0;
  /** Every frame up to here is gone: acknowledged, or too old. */
  #goneUpTo = 0;
  #durable = 0;
  #ackSent = 0;
  #ackScheduled = false;

  /** `onFlowing`: the bot reads again. */
  constructor(outflow: Outflow, metrics: HubMetrics, onOverflow: () => void, onFlowing: () => void) {
    this.#outflow = outflow;
    this.#metrics = metrics;
    this.#onOverflow = onOverflow;
    this.#onFlowing = onFlowing;
  }

  /** Every frame of the bot up to here is durable, or refused for good. */
  get durable(): number {
    return this.#durable;
  }

  /** There is a stream, and the bot reads what it is sent. */
  get isFlowing(): boolean {
    return this.#backlog?.isFlowing ?? false;
  }

  attach(call: Call): void {
    this.#backlog?.leave();
    this.#backlog = this.#outflow.join(() => this.#shed());
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
    this.#backlog?.leave();
    this.#backlog = undefined;
  }

  /** Whether a bot that has seen everything up to `lastSeen` can be sent the rest. */
  reaches(lastSeen: number): boolean {
    return this.#goneUpTo <= lastSeen && lastSeen <= this.#lastSeq;
  }

  /** Sends again what the bot has not seen, as far as it still `matters`; what is sent from now on comes after it. */
  replay(lastSeen: number, matters: (body: HubBody) => boolean): void {
    this.confirm(lastSeen);
    this.#retained = this.#retained.filter(({ body }) => matters(body));
    for (const frame of this.#retained) this.#enqueue(frame);
    this.#pump();
  }

  /** False when there is no stream to send it on now. */
  send(body: HubBody, traceparent: string): boolean {
    const fate = fateOf(body);
    if (this.#backlog?.isFull && !this.#dropLossy(1)) {
      if (fate === 'lossy') return true;
      this.#onOverflow();
    }
    if (!this.#call && fate !== 'retained') return false;
    const queued = { seq: isNumbered(body) ? ++this.#lastSeq : 0, body, traceparent };
    if (fate === 'retained') this.#retain(queued);
    if (!this.#call) return false;
    this.#enqueue(queued);
    this.#pump();
    // What waits for all bots together may have been too much with this.
    return this.#call !== undefined;
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

  #onTaken(backlog: Backlog | undefined, bytes: number): void {
    if (this.#backlog !== backlog) return;
    const wasFlowing = this.isFlowing;
    backlog?.move(0, -bytes);
    if (!wasFlowing && this.isFlowing) this.#onFlowing();
  }

  #retain(frame: Queued): void {
    this.#retained.push(frame);
    if (this.#retained.length > maxRetainedFrames) this.#goneUpTo = this.#retained.shift()!.seq;
  }

  #enqueue(frame: Queued): void {
    this.#queue.push(frame);
    this.#backlog?.move(1, bytesOf(frame.body));
  }

  #shed(): void {
    if (!this.#dropLossy(Number.POSITIVE_INFINITY)) this.#onOverflow();
  }

  /** The oldest, `most` of them; whether there were any. */
  #dropLossy(most: number): boolean {
    const dropped = new Set(this.#queue.filter(({ body }) => fateOf(body) === 'lossy').slice(0, most));
    this.#queue = this.#queue.filter((frame) => !dropped.has(frame));
    this.#backlog?.move(-dropped.size, 0);
    return dropped.size > 0;
  }

  #pump(): void {
    while (this.#call && this.#writable) {
      const next = this.#queue.shift();
      if (next) {
        this.#backlog?.move(-1, 0);
        this.#write(this.#call, next);
      } else if (this.#durable > this.#ackSent) {
        this.#write(this.#call, { seq: 0, body: { $case: 'acknowledgement', value: {} }, traceparent: '' });
      } else return;
    }
  }

  #write(call: Call, frame: Queued): void {
    this.#ackSent = this.#durable;
    this.#metrics.frame('transmit', frame.body.$case);
    const bytes = bytesOf(frame.body);
    const backlog = this.#backlog;
    const onTaken = bytes > 0 ? () => this.#onTaken(backlog, bytes) : undefined;
    this.#writable = call.write({ ...frame, ack: this.#durable }, onTaken);
  }
}
