import type { Logger } from 'pino';
import type { AsyncMessage, Channel, Connection } from 'rabbitmq-client';
import { withDeadline } from '../kit/deadline.ts';
import { KeptChannel } from './kept-channel.ts';
import type { Subscription } from './port.ts';

/** A delivery as AMQP has it, with the three ways out. */
export interface RawDelivery {
  readonly raw: AsyncMessage;
  /** Its channel is gone: settling does nothing, and the broker delivers it again. */
  readonly lost: boolean;
  ack(): void;
  requeue(): void;
}

/** How long draining waits for handlers before it lets go regardless, ms: longer than one attempt of the consumer may take. */
export const drainDeadlineMs = 60_000;

/**
 * Consumes one queue, across channels.
 *
 * Draining does not cancel the consumer: RabbitMQ would make a stand-by consumer active at once, beside handlers that are still
 * at work on the same keys. New deliveries are held back unsettled instead, and when the handlers are done, closing the channel
 * returns all of them in order and hands over in one step.
 */
export class QueueSubscription implements Subscription {
  readonly #queue: string;
  readonly #channel: KeptChannel;
  readonly #logger: Logger;
  readonly #unsettled = new Set<RawDelivery>();
  #draining: Promise<void> | undefined;
  #settled: (() => void) | undefined;

  /** `onMissing` declares the queue again when the broker does not have it any more. */
  constructor(
    connection: Connection,
    queue: string,
    prefetch: number,
    logger: Logger,
    onMissing: () => Promise<void>,
    onDelivery: (delivery: RawDelivery) => void,
  ) {
    this.#queue = queue;
    this.#logger = logger;
    this.#channel = new KeptChannel(connection, `consuming ${queue}`, logger, async (channel) => {
      // Passive: a declaration with other arguments than the topology's would fail, and one without would make a classic queue.
      await channel.queueDeclare({ queue, passive: true }).catch(async (error: { code?: string }) => {
        if (error.code === 'NOT_FOUND') await onMissing();
        // The refusal has cost the channel; the next one finds the queue.
        throw error;
      });
      await channel.basicQos({ prefetchCount: prefetch });
      channel.once('close', () => this.#dropLost());
      channel.once('basic.cancel', () => {
        logger.error({ queue }, 'RabbitMQ cancelled the consumer: the queue was deleted or moved');
        void channel.close();
      });
      await channel.basicConsume({ queue }, (raw) => this.#deliver(channel, raw, onDelivery));
    });
  }

  get channel(): KeptChannel {
    return this.#channel;
  }

  drain(): Promise<void> {
    this.#draining ??= this.#drain();
    return this.#draining;
  }

  async #drain(): Promise<void> {
    const settled = new Promise<void>((resolve) => {
      this.#settled = resolve;
    });
    if (this.#unsettled.size === 0) this.#settled?.();
    await withDeadline(`draining ${this.#queue}`, drainDeadlineMs, settled).catch((error: unknown) =>
      this.#logger.error(
        { err: error, unsettled: this.#unsettled.size },
        'handlers did not end; their messages come again',
      ),
    );
    await this.#channel.close();
  }

  #deliver(channel: Channel, raw: AsyncMessage, onDelivery: (delivery: RawDelivery) => void): void {
    if (this.#draining || !channel.active) return;
    const { deliveryTag } = raw;
    const settle = (how: () => void) => {
      if (!this.#unsettled.delete(delivery)) return;
      if (channel.active) how();
      if (this.#unsettled.size === 0) this.#settled?.();
    };
    const delivery: RawDelivery = {
      raw,
      get lost() {
        return !channel.active;
      },
      ack: () => settle(() => channel.basicAck({ deliveryTag })),
      // While draining the channel's close returns it, in its place among the others.
      requeue: () => settle(() => this.#draining || channel.basicNack({ deliveryTag, requeue: true })),
    };
    this.#unsettled.add(delivery);
    onDelivery(delivery);
  }

  #dropLost(): void {
    for (const delivery of this.#unsettled) {
      if (delivery.lost) this.#unsettled.delete(delivery);
    }
    if (this.#unsettled.size === 0) this.#settled?.();
  }
}
