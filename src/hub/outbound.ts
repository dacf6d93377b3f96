import type { ServerDuplexStream } from '@grpc/grpc-js';
import type { HubFrame } from '../gen/fleet/v1/fleet.ts';
import type { IncomingFrame } from './envelope.ts';
import type { HubLimits } from './limits.ts';
import type { HubBody } from './roster.ts';

export type Call = ServerDuplexStream<IncomingFrame, HubFrame>;

interface Queued {
  readonly body: HubBody;
  readonly traceparent: string;
}

/** What the bot can do without: the next one makes up for it, or the bot says the same again and hears it again. */
const isLossy = ({ $case }: HubBody) => $case === 'nack' || $case === 'credit';

/**
 * The one writer of a stream. Holds back while the stream says that it is full (grpc-js: from the 16th message on), at most `maxQueuedFrames`;
 * policy when full: the oldest lossy frame goes, and where there is none, the stream. Every frame carries the newest acknowledgement;
 * what was acknowledged in one turn of the event loop shares one frame.
 */
export class Outbound {
  readonly #call: Call;
  readonly #maxQueuedFrames: number;
  readonly #onOverflow: () => void;
  #queue: Queued[] = [];
  #writable = true;
  #closed = false;
  #seq = 0;
  #ack = 0;
  #ackSent = 0;
  #ackScheduled = false;

  constructor(call: Call, { maxQueuedFrames }: Pick<HubLimits, 'maxQueuedFrames'>, onOverflow: () => void) {
    this.#call = call;
    this.#maxQueuedFrames = maxQueuedFrames;
    this.#onOverflow = onOverflow;
    call.on('drain', () => {
      this.#writable = true;
      this.#pump();
    });
  }

  /** False when the frame was not taken: the stream is over. */
  send(body: HubBody, traceparent: string): boolean {
    if (this.#closed) return false;
    if (this.#queue.length >= this.#maxQueuedFrames && !this.#dropLossy()) {
      if (isLossy(body)) return true;
      this.#onOverflow();
      return false;
    }
    this.#queue.push({ body, traceparent });
    this.#pump();
    return true;
  }

  /** Every frame of the bot up to `seq` is durable, or refused for good. */
  acknowledge(seq: number): void {
    this.#ack = Math.max(this.#ack, seq);
    if (this.#ackScheduled) return;
    this.#ackScheduled = true;
    setImmediate(() => {
      this.#ackScheduled = false;
      this.#pump();
    });
  }

  close(): void {
    // What was acknowledged goes along with the goodbye.
    this.#pump();
    this.#closed = true;
    this.#queue = [];
  }

  #dropLossy(): boolean {
    const oldest = this.#queue.findIndex(({ body }) => isLossy(body));
    return oldest >= 0 && this.#queue.splice(oldest, 1).length > 0;
  }

  #pump(): void {
    while (this.#writable && !this.#closed) {
      const next = this.#queue.shift();
      if (next) this.#write(isLossy(next.body) ? 0 : ++this.#seq, next);
      else if (this.#ack > this.#ackSent) {
        this.#write(0, { body: { $case: 'acknowledgement', value: {} }, traceparent: '' });
      } else return;
    }
  }

  #write(seq: number, { body, traceparent }: Queued): void {
    this.#ackSent = this.#ack;
    this.#writable = this.#call.write({ seq, ack: this.#ack, traceparent, body });
  }
}
