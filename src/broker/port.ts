import type { Message } from '../contract/message.ts';
import type { Address, Topology } from '../contract/topology.ts';
import type { JournalEntries, JournalReading } from './journal.ts';

/**
 * The broker as the rest of the program sees it; `rabbitmq.ts` and `embedded.ts` implement it and one contract suite holds both.
 * Delivery is at least once. A queue gets what one publisher publishes to one address, and what it publishes of one key to any address, in
 * the order of the `publish` calls, awaited or not. Between messages that share neither there is no order: those that are published at the
 * same moment may travel together with others of their address. Who needs one awaits the first before publishing the second, as the outbox's
 * relay and the bots' lanes do for their keys, and consumers work on keys side by side anyway.
 */
export interface Broker {
  /** Declares all of it, idempotently. */
  declare(topology: Topology): Promise<void>;

  /**
   * Resolves when the message is safe: on RabbitMQ when every bound quorum queue and stream has confirmed it, embedded when every bound
   * queue's consumer has acknowledged it and every bound stream has it in its table.
   * @throws MallError UNAVAILABLE when the broker cannot be reached, DEADLINE_EXCEEDED when it did not confirm in time,
   *   RESOURCE_EXHAUSTED when too many publishes are in flight. The message may have arrived nevertheless.
   */
  publish(to: Address, message: Message): Promise<void>;

  /**
   * Delivers messages of a declared queue, at most `prefetch` unsettled at once. Survives reconnects by itself.
   * `onDelivery` must not throw; it settles each delivery exactly once, whenever it is done.
   */
  consume(queue: string, prefetch: number, onDelivery: (delivery: Delivery) => void): Promise<Subscription>;

  /**
   * Reads a declared stream, which is none the poorer for it. Survives reconnects by itself; ends as `JournalReading` says.
   * @throws MallError UNAVAILABLE when the broker does not answer to begin with, FAILED_PRECONDITION when it has no such stream
   */
  read(stream: string, reading: JournalReading): JournalEntries;

  /**
   * Told of every message that no queue was bound for; it is done with then. On RabbitMQ one of the processes that listen is told, and also of
   * what came while none did.
   */
  onUnroutable(listener: (message: Unroutable) => void): void;

  /** Throws MallError UNAVAILABLE when the broker does not answer. */
  ping(): Promise<{ version: string }>;

  close(): Promise<void>;
}

export interface Unroutable {
  readonly exchange: string;
  readonly routingKey: string;
  /** The message's. */
  readonly id: string;
}

export interface Delivery {
  readonly message: Message;
  /** It, or what travelled with it, may have been delivered before: what was acknowledged too, if its neighbours were not. */
  readonly redelivered: boolean;
  /** The way back to the broker is gone: settling does nothing, and the message is delivered again. */
  readonly lost: boolean;
  /** Done with: not delivered again, unless something that travelled with it is. */
  ack(): void;
  /**
   * Not done with: delivered again, in its place in the queue as far as the broker can. So is what travelled with it, once all of that is
   * settled that is out; what is not out waits for that.
   */
  requeue(): void;
}

export interface Subscription {
  /** Stops new deliveries, waits until those under way are settled, then lets go. */
  drain(): Promise<void>;
}
