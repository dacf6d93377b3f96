import type { Logger } from 'pino';
import type { Channel, Connection, Envelope } from 'rabbitmq-client';
import { MallError, unavailable } from '../contract/errors.ts';
import { KeptChannel } from './kept-channel.ts';
import { PublishWindow } from './publish-window.ts';

export interface PublisherOptions {
  /** Publishes in flight at once; more are refused. */
  readonly windowSize: number;
  /** Longest wait for the confirm of one message, ms. */
  readonly deadlineMs: number;
}

/**
 * Confirmed publishing over one channel: what is handed over first is written first. Nothing is tried again here, since only the
 * caller knows what has to stay in order with what.
 */
export class RabbitPublisher {
  readonly #channel: KeptChannel;
  readonly #window: PublishWindow;
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

  /** @throws MallError UNAVAILABLE, DEADLINE_EXCEEDED, RESOURCE_EXHAUSTED */
  send(what: string, envelope: Envelope, body: Buffer): Promise<void> {
    const channel = this.#channel.current;
    if (!channel) {
      return Promise.reject(unavailable('no connection to RabbitMQ', 'BROKER_UNREACHABLE', this.#channel.lastError));
    }
    if (this.#blocked) return Promise.reject(unavailable(`RabbitMQ is blocked: ${this.#blocked}`, 'BROKER_BLOCKED'));
    return this.#window.run(what, () => channel.basicPublish(envelope, body), explain);
  }

  /** Resolves when all that was sent has settled, at the latest by the loss of the channel. */
  idle(): Promise<void> {
    return this.#window.idle();
  }
}

function explain(what: string, error: unknown): MallError {
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
