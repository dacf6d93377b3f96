import type { Channel } from 'rabbitmq-client';

/**
 * Settles the AMQP messages of one channel. What is acknowledged in one turn of the event loop is told at its end: up to the first message that is
 * still out by one frame (`multiple`), what is done behind that by a frame for each. So a commit that many messages waited for, and handlers of many
 * keys that end together, cost the broker one acknowledgement. What dies with the process before that comes again, as it would a moment earlier.
 */
export class Acknowledgements {
  readonly #channel: Channel;
  /** Delivery tags that the broker waits for, in their order. */
  readonly #out = new Set<number>();
  #acked = new Set<number>();

  constructor(channel: Channel) {
    this.#channel = channel;
  }

  /** Its channel is gone: nothing reaches the broker any more, and it delivers all of it again. */
  get lost(): boolean {
    return !this.#channel.active;
  }

  delivered(deliveryTag: number): void {
    this.#out.add(deliveryTag);
  }

  ack(deliveryTag: number): void {
    if (this.#acked.size === 0) setImmediate(() => this.#tell());
    this.#acked.add(deliveryTag);
  }

  requeue(deliveryTag: number): void {
    if (this.lost) return;
    this.#out.delete(deliveryTag);
    this.#channel.basicNack({ deliveryTag, requeue: true });
  }

  #tell(): void {
    const acked = this.#acked;
    this.#acked = new Set();
    if (this.lost) return;
    let upTo: number | undefined;
    for (const deliveryTag of this.#out) {
      if (!acked.delete(deliveryTag)) break;
      this.#out.delete(deliveryTag);
      upTo = deliveryTag;
    }
    if (upTo !== undefined) this.#channel.basicAck({ deliveryTag: upTo, multiple: true });
    for (const deliveryTag of acked) {
      this.#out.delete(deliveryTag);
      this.#channel.basicAck({ deliveryTag });
    }
  }
}
