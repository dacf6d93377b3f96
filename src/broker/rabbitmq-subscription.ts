import type { Logger } from 'pino';
import type { AsyncMessage, Connection } from 'rabbitmq-client';
import { withDeadline } from '../kit/deadline.ts';
import { Acknowledgements } from './acknowledgements.ts';
import { KeptChannel } from './kept-channel.ts';
import { Parcel } from './parcel.ts';
import type { Subscription } from './port.ts';
import { requireQueue } from './rabbitmq-topology.ts';

/** One message of an AMQP message, as if it had come by itself, with the three ways out. */
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
 * Consumes one queue, across channels. At most `prefetch` messages are out unsettled, and as many AMQP messages are here, with up to
 * `maxBatchMessages` in each: those that are not out yet are kept encoded.
 *
 * Draining does not cancel the consumer: RabbitMQ would make a stand-by consumer active at once, beside handlers that are still
 * at work on the same keys. New deliveries are held back unsettled instead, and when the handlers are done, closing the channel
 * returns all of them in order and hands over in one step.
 */
export class QueueSubscription implements Subscription {
  readonly #queue: string;
  readonly #channel: KeptChannel;
  readonly #logger: Logger;
  readonly #prefetch: number;
  readonly #onDelivery: (delivery: RawDelivery) => void;
  /** Not all handed out. */
  #waiting: Parcel[] = [];
  readonly #unsettled = new Set<RawDelivery>();
  #handingOut = false;
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
    this.#prefetch = prefetch;
    this.#onDelivery = onDelivery;
    this.#logger = logger;
    this.#channel = new KeptChannel(connection, `consuming ${queue}`, logger, async (channel) => {
      await requireQueue(channel, queue, onMissing);
      await channel.basicQos({ prefetchCount: prefetch });
      channel.once('close', () => this.#dropLost());
      channel.once('basic.cancel', () => {
        logger.error({ queue }, 'RabbitMQ cancelled the consumer: the queue was deleted or moved');
        void channel.close();
      });
      const acknowledgements = new Acknowledgements(channel);
      await channel.basicConsume({ queue }, (raw) => this.#receive(raw, acknowledgements));
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
        { err: error, queue: this.#queue, unsettled: this.#unsettled.size },
        'handlers did not end; their messages come again',
      ),
    );
    await this.#channel.close();
  }

  #receive(raw: AsyncMessage, acknowledgements: Acknowledgements): void {
    if (this.#draining || acknowledgements.lost) return;
    this.#waiting.push(new Parcel(raw, acknowledgements));
    this.#handOut();
  }

  #handOut(): void {
    // A delivery may be settled inside of its own hand-out.
    if (this.#handingOut) return;
    this.#handingOut = true;
    while (!this.#draining && this.#unsettled.size < this.#prefetch) {
      const parcel = this.#waiting[0];
      if (!parcel) break;
      if (parcel.isEmpty) this.#waiting.shift();
      else this.#deliver(parcel);
    }
    this.#handingOut = false;
  }

  #deliver(parcel: Parcel): void {
    const settle = (how: () => void) => {
      if (!this.#unsettled.delete(delivery)) return;
      how();
      if (this.#unsettled.size === 0) this.#settled?.();
      this.#handOut();
    };
    const delivery: RawDelivery = {
      raw: parcel.take(),
      get lost() {
        return parcel.lost;
      },
      ack: () => settle(() => parcel.ack()),
      // While draining the channel's close returns it, in its place among the others.
      requeue: () => settle(() => this.#draining || parcel.requeue()),
    };
    this.#unsettled.add(delivery);
    this.#onDelivery(delivery);
  }

  #dropLost(): void {
    this.#waiting = this.#waiting.filter(({ lost }) => !lost);
    for (const delivery of this.#unsettled) {
      if (delivery.lost) this.#unsettled.delete(delivery);
    }
    if (this.#unsettled.size === 0) this.#settled?.();
    this.#handOut();
  }
}
