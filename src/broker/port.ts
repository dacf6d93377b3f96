import type { Message } from '../contract/message.ts';
import type { Address, Topology } from '../contract/topology.ts';

/**
 * The broker as the rest of the program sees it; `rabbitmq.ts` and `embedded.ts` implement it and one contract suite holds both.
 * Delivery is at least once; messages of one publisher to one queue arrive in the order of publishing.
 */
export interface Broker {
  /** Declares all of it, idempotently. */
  declare(topology: Topology): Promise<void>;

  /**
   * Resolves when the message is safe: on RabbitMQ when every bound quorum queue has confirmed it, embedded when every bound
   * queue's consumer has acknowledged it.
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
  readonly redelivered: boolean;
  /** The way back to the broker is gone: settling does nothing, and the message is delivered again. */
  readonly lost: boolean;
  /** Done with: never delivered again. */
  ack(): void;
  /** Not done with: delivered again, in its place in the queue as far as the broker can. */
  requeue(): void;
}

export interface Subscription {
  /** Stops new deliveries, waits until those under way are settled, then lets go. */
  drain(): Promise<void>;
}
