import type { ClientDuplexStream } from '@grpc/grpc-js';
import type { BotFrame, HubFrame, Nack } from '../../src/gen/fleet/v1/fleet.ts';
import type { Unreadable } from './hub-client.ts';
import type { Outbox } from './outbox.ts';

type Body = NonNullable<BotFrame['body']>;
export type LossyBody = Extract<Body, { $case: 'heartbeat' | 'credit' | 'telemetry' }>;
export type HubCall = ClientDuplexStream<BotFrame, HubFrame | Unreadable>;

/** Complaints that may wait for a slow stream; further ones are dropped, since a hub that earns them hears enough. Frames. */
const nackLimit = 16;

/**
 * The one writer of a stream. It pulls: what may be lost has a slot where the newest replaces the older, what may not waits in the
 * outbox, and nothing is taken from either while the stream says that it is full (grpc-js counts 16 messages).
 */
export class Uplink {
  readonly #call: HubCall;
  readonly #outbox: Outbox;
  readonly #ack: () => number;
  readonly #slots = new Map<string, LossyBody>();
  readonly #nacks: Nack[] = [];
  /** Reliable frames that may be unacknowledged; 0 until the hub has said Welcome. */
  #window = 0;
  #writable = true;
  #goodbye: string | undefined;
  #state: 'open' | 'finishing' | 'ended' = 'open';

  /** `ack` tells the highest hub seq that has arrived. */
  constructor(call: HubCall, outbox: Outbox, ack: () => number) {
    this.#call = call;
    this.#outbox = outbox;
    this.#ack = ack;
    call.on('drain', () => {
      this.#writable = true;
      this.pump();
    });
  }

  /** 0 holds reliable frames back. */
  allow(window: number): void {
    this.#window = window;
    this.pump();
  }

  hello(body: Extract<Body, { $case: 'hello' }>): void {
    this.#write(0, '', body);
  }

  /** The newest of each slot counts. */
  post(slot: string, body: LossyBody): void {
    this.#slots.set(slot, body);
    this.pump();
  }

  complain(nack: Nack): void {
    if (this.#nacks.length < nackLimit) this.#nacks.push(nack);
    this.pump();
  }

  /** Writes what may still be written, then the goodbye if there is one, then ends the bot's half of the stream. */
  finish(goodbye?: string): void {
    if (this.#state !== 'open') return;
    this.#goodbye = goodbye;
    this.#state = 'finishing';
    this.pump();
  }

  pump(): void {
    while (this.#writable && this.#state !== 'ended') {
      if (!this.#writeNext()) return;
    }
  }

  #writeNext(): boolean {
    const nack = this.#nacks.shift();
    if (nack) return this.#write(0, '', { $case: 'nack', value: nack });
    for (const [slot, body] of this.#slots) {
      this.#slots.delete(slot);
      return this.#write(0, '', body);
    }
    const entry = this.#outbox.next(this.#window);
    if (entry) return this.#write(entry.seq, entry.traceparent, entry.body);
    if (this.#state === 'finishing') this.#end();
    return false;
  }

  #end(): void {
    this.#state = 'ended';
    if (this.#goodbye !== undefined) this.#write(0, '', { $case: 'goodbye', value: { reason: this.#goodbye } });
    this.#call.end();
  }

  #write(seq: number, traceparent: string, body: Body): true {
    this.#writable = this.#call.write({ seq, ack: this.#ack(), traceparent, body });
    return true;
  }
}
