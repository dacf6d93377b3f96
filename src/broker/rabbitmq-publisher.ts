import type { Logger } from 'pino';
import type { Channel, Connection, Envelope } from 'rabbitmq-client';
import { encodeBatch } from '../contract/batch.ts';
import { MallError, unavailable } from '../contract/errors.ts';
import type { Message } from '../contract/message.ts';
import type { Address } from '../contract/topology.ts';
import { batchEnvelopeOf, bufferOf, envelopeOf } from './envelope.ts';
import { KeptChannel } from './kept-channel.ts';
import { PublishTurn } from './publish-turn.ts';
import { PublishWindow } from './publish-window.ts';

export interface PublisherOptions {
  /** Publishes in flight at once; more are refused. */
  readonly windowSize: number;
  /** Longest wait for the confirm of one message, ms. */
  readonly deadlineMs: number;
}

/**
 * Confirmed publishing over one channel. Messages that are handed over in one turn of the event loop for one address share an AMQP message
 * and its confirm, in the order that `PublishTurn` keeps. Nothing is tried again here, since only the caller knows what has to stay in
 * order with what.
 */
export class RabbitPublisher {
  readonly #channel: KeptChannel;
  readonly #window: PublishWindow;
  readonly #turn = new PublishTurn((to, messages) => this.#sendTogether(to, messages));
  #blocked = '';

  /** `setup` runs before publishes are taken on a new channel: the topology has to be there. */
  constructor(
    connection: Connection,
    options: PublisherOptions,
    logger: Logger,
    setup: (channel: Channel) => Promise<void>,
  ) {
    this.#window = new PublishWindow(options.windowSize, options.deadlineMs);
    this.#channel = new KeptChannel(connection, 'publishing', logger, async (channel) => {
      await setup(channel);
      await channel.confirmSelect();
    });
    connection.on('connection.blocked', (reason) => {
      this.#blocked = reason;
      logger.error({ reason }, 'the broker takes no publishes: it is short of memory or disk');
    });
    connection.on('connection.unblocked', () => {
      this.#blocked = '';
      logger.info('the broker takes publishes again');
    });
    // A new connection starts unblocked, and says so by silence.
    connection.on('connection', () => {
      this.#blocked = '';
    });
  }

  get channel(): KeptChannel {
    return this.#channel;
  }

  /**
   * `to` has the broker's names.
   * @throws MallError UNAVAILABLE, DEADLINE_EXCEEDED, RESOURCE_EXHAUSTED
   */
  publish(to: Address, message: Message): Promise<void> {
    try {
      this.#enter();
    } catch (error) {
      return Promise.reject(error);
    }
    return this.#turn.add(to, message);
  }

  /** One AMQP message at once, whatever waits for the end of the turn. Throws what `publish` throws. */
  async send(what: string, envelope: Envelope, body: Buffer): Promise<void> {
    const channel = this.#enter();
    await this.#window.run({ what, places: 1 }, () => channel.basicPublish(envelope, body), explain);
  }

  /** Resolves when all that was sent has settled, at the latest by the loss of the channel. */
  idle(): Promise<void> {
    return this.#window.idle();
  }

  /** Begins nothing that has no chance now. */
  #enter(): Channel {
    const channel = this.#channel.current;
    if (!channel) throw this.#unreachable();
    if (this.#blocked) throw unavailable(`RabbitMQ is blocked: ${this.#blocked}`, 'BROKER_BLOCKED');
    this.#window.enter();
    return channel;
  }

  #sendTogether(to: Address, messages: readonly Message[]): Promise<void> {
    const { length: places } = messages;
    const what = places === 1 ? messages[0]!.id : `${messages[0]!.id} and ${places - 1} more`;
    return this.#window.run({ what, places }, () => this.#write(to, messages), explain);
  }

  /** The channel may have gone since the messages were handed over. */
  async #write(to: Address, messages: readonly Message[]): Promise<void> {
    const channel = this.#channel.current;
    if (!channel) throw this.#unreachable();
    const [first] = messages;
    if (messages.length === 1) await channel.basicPublish(envelopeOf(to, first!), bufferOf(first!.body));
    else await channel.basicPublish(batchEnvelopeOf(to, messages), bufferOf(encodeBatch(messages)));
  }

  #unreachable(): MallError {
    return unavailable('no connection to RabbitMQ', 'BROKER_UNREACHABLE', this.#channel.lastError);
  }
}

function explain(what: string, error: unknown): MallError {
  if (error instanceof MallError) return error;
  if ((error as { code?: string }).code === 'NACK') {
    return new MallError(
      'RESOURCE_EXHAUSTED',
      `RabbitMQ refused ${what}: a queue behind it is full or has no leader`,
      { reason: 'PUBLISH_REFUSED', value: what, remedy: 'publish it again later' },
      { cause: error },
    );
  }
  return unavailable(`the channel was lost before ${what} was confirmed; it may have arrived`, 'CHANNEL_LOST', error);
}
