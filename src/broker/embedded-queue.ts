import { fromHeaders, type Headers } from '../contract/message.ts';
import type { QueueSpec } from '../contract/topology.ts';
import type { Delivery } from './port.ts';

/** A message as it lies in a queue: encoded as on the wire, so that no consumer sees what another one does to it. */
export interface Wire {
  readonly id: string;
  readonly headers: Headers;
  readonly body: Uint8Array;
}

/** Whoever published and waits until every queue is done with the message. */
export interface Ticket {
  settled(): void;
}

interface Entry {
  readonly wire: Wire;
  /** Its place in the queue, for coming back to it. */
  readonly place: number;
  readonly tickets: Set<Ticket>;
  redelivered: boolean;
}

interface Consumer {
  readonly prefetch: number;
  readonly onDelivery: (delivery: Delivery) => void;
  readonly held: Set<Entry>;
  draining: boolean;
  readonly idle: () => void;
}

/** One queue of the embedded broker: first in, first out, at least once. Its owner bounds it by `length`. */
export class EmbeddedQueue {
  readonly spec: QueueSpec;
  readonly #entries = new Map<string, Entry>();
  /** Not handed out, by place. */
  readonly #waiting: Entry[] = [];
  /** The first is the active one where only one may be; otherwise they take turns. */
  readonly #consumers: Consumer[] = [];
  #places = 0;
  #scheduled = false;

  constructor(spec: QueueSpec) {
    this.spec = spec;
  }

  /** Messages in it, handed out or not. */
  get length(): number {
    return this.#entries.size;
  }

  has(id: string): boolean {
    return this.#entries.has(id);
  }

  /** A message that is in here already is not added again: its publisher tries again because it waited too long. */
  put(wire: Wire, ticket: Ticket): void {
    const present = this.#entries.get(wire.id);
    if (present) {
      present.tickets.add(ticket);
      return;
    }
    const entry: Entry = { wire, place: this.#places++, tickets: new Set([ticket]), redelivered: false };
    this.#entries.set(wire.id, entry);
    this.#waiting.push(entry);
    this.#schedule();
  }

  /** The publisher waits no longer; the message stays. */
  forget(id: string, ticket: Ticket): void {
    this.#entries.get(id)?.tickets.delete(ticket);
  }

  /** `onIdle` runs whenever the consumer holds nothing while it drains. */
  attach(prefetch: number, onDelivery: (delivery: Delivery) => void, onIdle: () => void): Consumer {
    const consumer: Consumer = { prefetch, onDelivery, held: new Set(), draining: false, idle: onIdle };
    this.#consumers.push(consumer);
    this.#schedule();
    return consumer;
  }

  /** Nothing more for this consumer; as the active one it stays so until it lets go, so that keys stay in order. */
  drain(consumer: Consumer): void {
    consumer.draining = true;
    if (consumer.held.size === 0) consumer.idle();
  }

  /** What the consumer holds goes back to its place; the next one takes over. */
  detach(consumer: Consumer): void {
    const at = this.#consumers.indexOf(consumer);
    if (at < 0) return;
    this.#consumers.splice(at, 1);
    for (const entry of [...consumer.held].sort((a, b) => b.place - a.place)) this.#putBack(entry);
    consumer.held.clear();
    this.#schedule();
  }

  /** Hands out in a later microtask, so that neither publish() nor ack() runs a consumer inside its caller. */
  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    queueMicrotask(() => {
      this.#scheduled = false;
      this.#handOut();
    });
  }

  #handOut(): void {
    while (this.#waiting.length > 0) {
      const consumer = this.#nextConsumer();
      if (!consumer) return;
      this.#deliver(this.#waiting.shift()!, consumer);
    }
  }

  #nextConsumer(): Consumer | undefined {
    const willing = ({ draining, held, prefetch }: Consumer) => !draining && held.size < prefetch;
    if (this.spec.singleActiveConsumer) return this.#consumers.slice(0, 1).find(willing);
    const at = this.#consumers.findIndex(willing);
    if (at < 0) return undefined;
    const [consumer] = this.#consumers.splice(at, 1);
    this.#consumers.push(consumer!);
    return consumer;
  }

  #deliver(entry: Entry, consumer: Consumer): void {
    consumer.held.add(entry);
    // Its own mark for this delivery: after a detach the same entry may be held again, by the same consumer even.
    let settled = false;
    const settle = (how: () => void) => {
      if (settled || !consumer.held.has(entry)) return;
      settled = true;
      consumer.held.delete(entry);
      how();
      if (consumer.draining && consumer.held.size === 0) consumer.idle();
      this.#schedule();
    };
    const { headers, body } = entry.wire;
    const { redelivered } = entry;
    entry.redelivered = true;
    consumer.onDelivery({
      message: fromHeaders(headers, Uint8Array.from(body)),
      redelivered,
      get lost() {
        return !settled && !consumer.held.has(entry);
      },
      ack: () => settle(() => this.#done(entry)),
      requeue: () => settle(() => this.#putBack(entry)),
    });
  }

  #done(entry: Entry): void {
    this.#entries.delete(entry.wire.id);
    for (const ticket of entry.tickets) ticket.settled();
  }

  #putBack(entry: Entry): void {
    const at = this.#waiting.findIndex((other) => other.place > entry.place);
    this.#waiting.splice(at < 0 ? this.#waiting.length : at, 0, entry);
  }
}

export type { Consumer as EmbeddedConsumer };
