import type { Logger } from 'pino';
import type { Channel, Connection } from 'rabbitmq-client';
import { type Code, MallError, unavailable } from '../contract/errors.ts';
import { fromHeaders, type Message } from '../contract/message.ts';
import type { Address, Topology } from '../contract/topology.ts';
import { withDeadline } from '../kit/deadline.ts';
import { rootMessage } from '../kit/root-message.ts';
import type { JournalEntries, JournalReading } from './journal.ts';
import type { KeptChannel } from './kept-channel.ts';
import { bodyOf, MalformedMessages } from './malformed.ts';
import type { Broker, Delivery, Subscription, Unroutable } from './port.ts';
import { requirePublishable, undeclared } from './publishable.ts';
import { openConnection } from './rabbitmq-connection.ts';
import { RabbitPublisher } from './rabbitmq-publisher.ts';
import { placeOf, serverVersion } from './rabbitmq-server.ts';
import { readStream } from './rabbitmq-stream.ts';
import { QueueSubscription, type RawDelivery } from './rabbitmq-subscription.ts';
import { AmqpNames, declareTopology, scratchExpiryMs } from './rabbitmq-topology.ts';

export { deleteTopology } from './rabbitmq-topology.ts';

export interface RabbitMqOptions {
  /** amqp:// or amqps://; `?heartbeat=` in seconds is taken from here. */
  readonly url: string;
  /** Prefix of every name, for a scratch mall (a demo, a test); '' is the real one. */
  readonly namespace: string;
  readonly logger: Logger;
  /** How long to wait for the first connection, ms. */
  readonly connectDeadlineMs?: number;
  /** Longest wait for a confirm, ms. */
  readonly publishDeadlineMs?: number;
}

/** A broker that is starting takes about 20 s; whoever starts us tries again. */
const defaultConnectDeadlineMs = 10_000;
/** Above what a healthy but loaded broker takes to confirm, below the patience of callers. */
const defaultPublishDeadlineMs = 15_000;
/** Publishes in flight: 16 times what saturates a broker on a small machine (256), and a few MB of ordinary messages. */
const publishWindowSize = 4_096;
/** For one question to the broker, ms. */
const callDeadlineMs = 10_000;
/** For publishes under way when the broker is closed, ms. */
const closeDeadlineMs = 5_000;
/** Unroutable messages only raise an alarm. */
const unroutablePrefetch = 100;

/**
 * @throws MallError UNAVAILABLE when there is no connection within the deadline, UNAUTHENTICATED when the credentials are refused,
 *   FAILED_PRECONDITION when there is no such virtual host or the user may not use it
 */
export async function connectRabbitMq(options: RabbitMqOptions): Promise<Broker> {
  const broker = new RabbitMqBroker(options);
  await broker.connected(options.connectDeadlineMs ?? defaultConnectDeadlineMs);
  return broker;
}

/** What trying again does not cure; undefined for any other error. */
function refusalOf({ code, message }: Error & { code?: string }, place: string): MallError | undefined {
  const refusal = (status: Code, what: string, reason: string) => {
    const remedy = 'correct AMQP_URL, or create what it names';
    // The client puts the method that it waited for before what the broker said.
    const said = new Error(message.replace(/^\w+: /, ''));
    return new MallError(
      status,
      `RabbitMQ at ${place} refuses ${what} (${said.message}); ${remedy}`,
      { reason, field: 'AMQP_URL', value: place, remedy },
      { cause: said },
    );
  };
  if (code === 'ACCESS_REFUSED') return refusal('UNAUTHENTICATED', 'the credentials', 'BROKER_ACCESS_REFUSED');
  if (code === 'NOT_ALLOWED') return refusal('FAILED_PRECONDITION', 'the virtual host', 'BROKER_VHOST_REFUSED');
  return undefined;
}

class RabbitMqBroker implements Broker {
  readonly #url: string;
  readonly #names: AmqpNames;
  readonly #logger: Logger;
  /** Two connections: under an alarm RabbitMQ stops reading from one that publishes, and acks must not wait for that. */
  readonly #publishing: Connection;
  readonly #consuming: Connection;
  readonly #publisher: RabbitPublisher;
  readonly #malformed: MalformedMessages;
  readonly #closing = new AbortController();
  readonly #topologies = new Set<Topology>();
  readonly #exchanges = new Set<string>();
  readonly #queues = new Set<string>();
  readonly #streams = new Set<string>();
  readonly #channels = new Set<KeptChannel>();
  readonly #refresh: NodeJS.Timeout | undefined;
  #unroutable: Array<(message: Unroutable) => void> = [];

  constructor({ url, namespace, logger, publishDeadlineMs = defaultPublishDeadlineMs }: RabbitMqOptions) {
    this.#url = url;
    this.#names = new AmqpNames(namespace);
    this.#logger = logger;
    this.#publishing = openConnection(url, 'publish');
    this.#consuming = openConnection(url, 'consume');
    for (const connection of [this.#publishing, this.#consuming]) {
      connection.on('error', (error) =>
        logger.warn({ reason: rootMessage(error), broker: placeOf(url) }, 'no connection to RabbitMQ'),
      );
      connection.on('connection', () => logger.info({ broker: placeOf(url) }, 'connected to RabbitMQ'));
    }
    this.#publisher = new RabbitPublisher(
      this.#publishing,
      { windowSize: publishWindowSize, deadlineMs: publishDeadlineMs },
      logger,
      (channel) => this.#declareAll(channel),
    );
    this.#channels.add(this.#publisher.channel);
    this.#malformed = new MalformedMessages(this.#publisher, this.#names, logger, this.#closing.signal);
    // A queue whose consumer is down must not expire while the rest of its scratch mall is in use.
    if (this.#names.scratch) this.#refresh = setInterval(() => void this.#redeclare(), scratchExpiryMs / 3).unref();
  }

  async connected(deadlineMs: number): Promise<void> {
    let lastError: unknown;
    const refused = new Promise<never>((_, reject) => {
      this.#publishing.on('error', (error) => {
        lastError = error;
        const refusal = refusalOf(error, placeOf(this.#url));
        if (refusal) reject(refusal);
      });
    });
    try {
      await Promise.race([this.#publisher.channel.opened(deadlineMs), refused]);
    } catch (error) {
      await this.close();
      if (error instanceof MallError) throw error;
      const cause = lastError ?? error;
      const message = `RabbitMQ at ${placeOf(this.#url)} cannot be reached (${rootMessage(cause)})`;
      throw unavailable(message, 'BROKER_UNREACHABLE', cause);
    }
  }

  async declare(topology: Topology): Promise<void> {
    await this.#ask('declare', (channel) => declareTopology(channel, this.#names, topology));
    this.#topologies.add(topology);
    for (const { name } of topology.exchanges) this.#exchanges.add(name);
    for (const { name } of topology.queues) this.#queues.add(name);
    for (const { name } of topology.streams) this.#streams.add(name);
  }

  /** Not async, as each report of a bot comes by here. */
  publish(to: Address, message: Message): Promise<void> {
    try {
      if (!this.#exchanges.has(to.exchange)) throw undeclared('exchange', to.exchange);
      requirePublishable(message);
    } catch (error) {
      return Promise.reject(error);
    }
    return this.#publisher.publish({ exchange: this.#names.of(to.exchange), routingKey: to.routingKey }, message);
  }

  async consume(queue: string, prefetch: number, onDelivery: (delivery: Delivery) => void): Promise<Subscription> {
    if (!this.#queues.has(queue)) throw undeclared('queue', queue);
    return this.#consume(
      this.#subscription(this.#names.of(queue), prefetch, (delivery) => {
        const { raw } = delivery;
        let message: Message;
        try {
          message = fromHeaders(raw.headers ?? {}, bodyOf(raw));
        } catch (error) {
          void this.#malformed.moveAside(queue, delivery, error as Error);
          return;
        }
        onDelivery({
          message,
          redelivered: raw.redelivered,
          get lost() {
            return delivery.lost;
          },
          ack: delivery.ack,
          requeue: delivery.requeue,
        });
      }),
    );
  }

  read(stream: string, reading: JournalReading): JournalEntries {
    if (!this.#streams.has(stream)) throw undeclared('stream', stream);
    return readStream({
      ...reading,
      signal: AbortSignal.any([reading.signal, this.#closing.signal]),
      queue: this.#names.of(stream),
      connection: this.#consuming,
      publisher: this.#publisher,
      logger: this.#logger,
      redeclare: () => this.#redeclare(),
    });
  }

  onUnroutable(listener: (message: Unroutable) => void): void {
    this.#unroutable.push(listener);
    if (this.#unroutable.length > 1) return;
    // A durable queue: an alarm that was raised while nobody listened is heard later.
    const subscription = this.#subscription(this.#names.unroutable, unroutablePrefetch, (delivery) => {
      const { exchange, routingKey, messageId = '' } = delivery.raw;
      const message = { exchange: this.#names.bare(exchange), routingKey, id: messageId };
      for (const told of this.#unroutable) told(message);
      delivery.ack();
    });
    this.#channels.add(subscription.channel);
  }

  async ping(): Promise<{ version: string }> {
    const version = await serverVersion(this.#url, callDeadlineMs);
    await this.#ask('ping', (channel) => channel.exchangeDeclare({ exchange: 'amq.direct', passive: true }));
    return { version };
  }

  async close(): Promise<void> {
    if (this.#closing.signal.aborted) return;
    this.#closing.abort();
    clearInterval(this.#refresh);
    // A publish that is cut off has failed for its caller, who has it in a log; waiting only saves the second try.
    await withDeadline('publishes under way', closeDeadlineMs, this.#publisher.idle()).catch(() => {});
    await Promise.all([...this.#channels].map((channel) => channel.close()));
    for (const connection of [this.#publishing, this.#consuming]) {
      await withDeadline('closing the connection', closeDeadlineMs, connection.close()).catch(() => {});
      connection.unsafeDestroy();
    }
    await Promise.all([...this.#channels].map((channel) => channel.ended()));
  }

  #subscription(queue: string, prefetch: number, onDelivery: (delivery: RawDelivery) => void): QueueSubscription {
    return new QueueSubscription(this.#consuming, queue, prefetch, this.#logger, () => this.#redeclare(), onDelivery);
  }

  async #consume(subscription: QueueSubscription): Promise<Subscription> {
    const { channel } = subscription;
    this.#channels.add(channel);
    try {
      await channel.opened(callDeadlineMs);
    } catch (error) {
      await channel.close();
      this.#channels.delete(channel);
      throw unavailable('no channel to RabbitMQ', 'BROKER_UNREACHABLE', channel.lastError ?? error);
    }
    return {
      drain: async () => {
        await subscription.drain();
        this.#channels.delete(channel);
      },
    };
  }

  /** One piece of work on a channel of its own. */
  async #ask(what: string, work: (channel: Channel) => Promise<void>): Promise<void> {
    const run = async () => {
      const channel = await this.#publishing.acquire();
      try {
        await work(channel);
      } finally {
        void channel.close();
      }
    };
    try {
      await withDeadline(what, callDeadlineMs, run());
    } catch (error) {
      if (error instanceof MallError) throw error;
      throw unavailable(`RabbitMQ at ${placeOf(this.#url)} did not answer to ${what}`, 'BROKER_UNREACHABLE', error);
    }
  }

  async #declareAll(channel: Channel): Promise<void> {
    await declareTopology(channel, this.#names, { exchanges: [], queues: [], streams: [] });
    for (const topology of this.#topologies) await declareTopology(channel, this.#names, topology);
  }

  async #redeclare(): Promise<void> {
    await this.#ask('declare', (channel) => this.#declareAll(channel)).catch((error: unknown) =>
      this.#logger.warn({ err: error }, 'topology not declared again yet'),
    );
  }
}
