import type { Channel } from 'rabbitmq-client';
import { MallError, unavailable } from '../contract/errors.ts';
import type { ExchangeSpec, QueueSpec, StreamSpec, Topology } from '../contract/topology.ts';
import { withDeadline } from '../kit/deadline.ts';
import { openConnection } from './rabbitmq-connection.ts';

/**
 * AMQP messages an inbox may hold, each with one message or a batch of them; beyond it publishes are refused (overflow policy
 * reject-publish) and wait in their outboxes, which are as durable and easier to look at.
 */
const maxQueueLength = 1_000_000;
/**
 * Deliveries after which a quorum queue drops a message: practically never. The limit counts lost channels as well, so any low one
 * loses messages when a role restarts often (RabbitMQ 4 has one of 20 where none is set), and poison is parked by the consumer
 * anyway. Not -1, which 3.x refuses.
 */
const deliveryLimit = 1_000_000_000;
/** Kept of what nobody wanted (policy drop-head: the newest say what is wrong now) and of what nobody could read (reject-publish). Messages. */
const maxSideQueueLength = 100_000;
/** Of a stream, beyond which its oldest segment goes: about a hundred million events. Bytes. */
const maxStreamBytes = 20_000_000_000;
/** What retention drops at once: RabbitMQ keeps a segment until all of it is too old. Bytes. */
const streamSegmentBytes = 100_000_000;
/** A scratch mall's queues go when nobody has used or declared them for an hour. */
export const scratchExpiryMs = 60 * 60 * 1000;
/** Bound for no message: nothing is ever published with it. */
const noMessage = 'mallbots.nothing';

/** The names that a mall has on a broker; the empty namespace is the real mall, any other a scratch one. */
export class AmqpNames {
  readonly prefix: string;
  constructor(namespace: string) {
    this.prefix = namespace === '' ? '' : `${namespace}.`;
  }
  get scratch(): boolean {
    return this.prefix !== '';
  }
  of(name: string): string {
    return this.prefix + name;
  }
  /** The name as the topology has it. */
  bare(amqpName: string): string {
    return amqpName.startsWith(this.prefix) ? amqpName.slice(this.prefix.length) : amqpName;
  }
  /** Alternate exchange of every other, and the queue behind it. */
  get unroutable(): string {
    return this.of('unroutable');
  }
  /** Queue of incoming messages that are no messages of ours. */
  get malformed(): string {
    return this.of('malformed');
  }
  get keeper(): string {
    return this.of('keeper');
  }
}

/** Idempotent. @throws MallError FAILED_PRECONDITION when the broker has something of that name with other properties */
export async function declareTopology(channel: Channel, names: AmqpNames, topology: Topology): Promise<void> {
  try {
    await declareSideQueue(channel, names, names.unroutable, 'drop-head');
    await declareSideQueue(channel, names, names.malformed, 'reject-publish');
    await channel.exchangeDeclare({ ...common(names), exchange: names.unroutable, type: 'fanout' });
    await channel.queueBind({ queue: names.unroutable, exchange: names.unroutable });
    if (names.scratch) {
      await channel.exchangeDeclare({ ...common(names), exchange: names.keeper, type: 'direct' });
      await channel.queueBind({ queue: names.unroutable, exchange: names.keeper, routingKey: noMessage });
    }
    for (const exchange of topology.exchanges) await declareExchange(channel, names, exchange);
    for (const queue of topology.queues) await declareQueue(channel, names, queue);
    for (const stream of topology.streams) await declareStream(channel, names, stream);
  } catch (error) {
    if ((error as { code?: string }).code !== 'PRECONDITION_FAILED') throw error;
    throw new MallError(
      'FAILED_PRECONDITION',
      `the broker has other ideas of the topology: ${(error as Error).message}; delete what it names there, once it is empty`,
      { reason: 'TOPOLOGY_DIFFERS' },
      { cause: error },
    );
  }
}

/** In a scratch mall an exchange goes with its last binding, which goes with the last queue. */
const common = (names: AmqpNames) => ({ durable: true, autoDelete: names.scratch });

async function declareExchange(channel: Channel, names: AmqpNames, { name, type }: ExchangeSpec): Promise<void> {
  const exchange = names.of(name);
  const alternate = { 'alternate-exchange': names.unroutable };
  await channel.exchangeDeclare({ ...common(names), exchange, type, arguments: alternate });
  // Keeps the exchange as long as the scratch mall's last queue, whether or not a queue of its own is bound.
  if (names.scratch) await channel.exchangeBind({ source: exchange, destination: names.keeper, routingKey: noMessage });
}

async function declareQueue(channel: Channel, names: AmqpNames, spec: QueueSpec): Promise<void> {
  const queue = names.of(spec.name);
  await channel.queueDeclare({
    queue,
    durable: true,
    arguments: {
      'x-queue-type': 'quorum',
      'x-single-active-consumer': spec.singleActiveConsumer,
      'x-delivery-limit': deliveryLimit,
      'x-max-length': maxQueueLength,
      'x-overflow': 'reject-publish',
      ...expiry(names),
    },
  });
  for (const { exchange, routingKey } of spec.bindings) {
    await channel.queueBind({ queue, exchange: names.of(exchange), routingKey });
  }
}

async function declareStream(channel: Channel, names: AmqpNames, spec: StreamSpec): Promise<void> {
  const queue = names.of(spec.name);
  await channel.queueDeclare({
    queue,
    durable: true,
    arguments: {
      'x-queue-type': 'stream',
      // Whole seconds: RabbitMQ takes a number and a unit. A stream cannot expire: a scratch mall that is killed leaves it behind.
      'x-max-age': `${Math.ceil(spec.maxAgeMs / 1_000)}s`,
      'x-max-length-bytes': maxStreamBytes,
      'x-stream-max-segment-size-bytes': streamSegmentBytes,
    },
  });
  for (const { exchange, routingKey } of spec.bindings) {
    await channel.queueBind({ queue, exchange: names.of(exchange), routingKey });
  }
}

export async function declareSideQueue(
  channel: Channel,
  names: AmqpNames,
  queue: string,
  overflow: 'drop-head' | 'reject-publish',
): Promise<void> {
  await channel.queueDeclare({
    queue,
    durable: true,
    arguments: {
      'x-queue-type': 'quorum',
      'x-delivery-limit': deliveryLimit,
      'x-max-length': maxSideQueueLength,
      'x-overflow': overflow,
      ...expiry(names),
    },
  });
}

/** That the broker has `queue`, before it is consumed; `onMissing` declares it again. Rejects when it was not there: the next channel finds it. */
export async function requireQueue(channel: Channel, queue: string, onMissing: () => Promise<void>): Promise<void> {
  // Passive: a declaration with other arguments than the topology's would fail, and one without would make a classic queue.
  await channel.queueDeclare({ queue, passive: true }).catch(async (error: { code?: string }) => {
    if (error.code === 'NOT_FOUND') await onMissing();
    // The refusal has cost the channel.
    throw error;
  });
}

const expiry = (names: AmqpNames) => (names.scratch ? { 'x-expires': scratchExpiryMs } : {});

/** For all of a deletion, ms; deleting one queue takes tens of ms. */
const deleteDeadlineMs = 30_000;

/**
 * Deletes what a scratch mall declared, messages included. One that was killed goes by itself after an hour, but for its streams.
 * @throws MallError FAILED_PRECONDITION without a namespace (the real mall is not deleted by a function call), UNAVAILABLE
 */
export async function deleteTopology(url: string, namespace: string, topology: Topology): Promise<void> {
  if (namespace === '') {
    throw new MallError('FAILED_PRECONDITION', 'only a mall with a namespace can be deleted', {
      reason: 'NAMESPACE_MISSING',
      field: 'namespace',
    });
  }
  const connection = openConnection(url, 'deletion');
  const work = async () => {
    const channel = await connection.acquire();
    await removeAll(channel, new AmqpNames(namespace), topology);
    await channel.close();
    await connection.close();
  };
  try {
    await withDeadline(`deleting the topology of ${namespace}`, deleteDeadlineMs, work());
  } catch (error) {
    connection.unsafeDestroy();
    throw unavailable(`the topology of ${namespace} is not (all) deleted`, 'BROKER_UNREACHABLE', error);
  }
}

/** Deleting what is not there is no error in RabbitMQ. */
async function removeAll(channel: Channel, names: AmqpNames, topology: Topology): Promise<void> {
  for (const { name } of [...topology.queues, ...topology.streams])
    await channel.queueDelete({ queue: names.of(name) });
  for (const queue of [names.malformed, names.unroutable]) await channel.queueDelete({ queue });
  for (const { name } of topology.exchanges) await channel.exchangeDelete({ exchange: names.of(name) });
  for (const exchange of [names.unroutable, names.keeper]) await channel.exchangeDelete({ exchange });
}
