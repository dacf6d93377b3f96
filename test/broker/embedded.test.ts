import { describe, expect, test } from 'vitest';
import { createEmbeddedBroker, maxEmbeddedQueueLength } from '../../src/broker/embedded.ts';
import type { Broker, Delivery } from '../../src/broker/port.ts';
import { Collector } from '../support/collector.ts';
import { silentLogger } from '../support/silent-logger.ts';
import { brokerContract } from './contract.ts';
import { ids, message, numbered, testTopology, toBoth, toOne } from './messages.ts';

async function declared(options: { publishDeadlineMs?: number; drainDeadlineMs?: number } = {}): Promise<Broker> {
  const broker = createEmbeddedBroker({ logger: silentLogger, ...options });
  await broker.declare(testTopology);
  return broker;
}

brokerContract('embedded', async () => {
  // In one process a consumer can only go away by overrunning its drain.
  const broker = await declared({ drainDeadlineMs: 50 });
  return {
    connect: async () => broker,
    crash: (_client, subscription) => subscription.drain(),
    close: () => broker.close(),
  };
});

describe('embedded broker', () => {
  test('publish resolves when the consumer of every bound queue has acknowledged, and not before', async () => {
    const broker = await declared();
    const deliveries = new Collector<Delivery>();
    let published = false;
    const publishing = broker.publish(toBoth, message('m')).then(() => {
      published = true;
    });
    await broker.consume('one.inbox', 1, deliveries.add);
    await broker.consume('two.inbox', 1, deliveries.add);
    const [first, second] = await deliveries.atLeast(2);
    first!.ack();
    await broker.ping();
    expect(published).toBe(false);
    second!.ack();
    await publishing;
    expect(published).toBe(true);
  });

  test('a publish that overran its deadline and is tried again is delivered once', async () => {
    const broker = await declared({ publishDeadlineMs: 20 });
    await expect(broker.publish(toOne, message('m1'))).rejects.toMatchObject({ code: 'DEADLINE_EXCEEDED' });
    const again = broker.publish(toOne, message('m1'));
    const after = broker.publish(toOne, message('m2'));
    const deliveries = new Collector<Delivery>();
    await broker.consume('one.inbox', 10, (delivery) => {
      delivery.ack();
      deliveries.add(delivery);
    });
    await Promise.all([again, after]);
    expect(ids(deliveries.items.map((delivery) => delivery.message))).toEqual(['m1', 'm2']);
  });

  test('refuses publishes to a full queue, and leaves the other queues alone then', async () => {
    const broker = await declared();
    const two = new Collector<Delivery>();
    await broker.consume('two.inbox', 10, two.add);
    const full = numbered(maxEmbeddedQueueLength).map((each) => broker.publish(toOne, each).catch(() => {}));
    await expect(broker.publish(toBoth, message('too many'))).rejects.toMatchObject({
      code: 'RESOURCE_EXHAUSTED',
      detail: { reason: 'QUEUE_FULL', value: 'one.inbox' },
    });
    await broker.ping();
    expect(two.items).toEqual([]);
    await broker.close();
    await Promise.all(full);
  });

  test('puts a requeued delivery back in its place', async () => {
    const broker = await declared();
    const deliveries = new Collector<Delivery>();
    await broker.consume('one.inbox', 3, deliveries.add);
    const published = numbered(5).map((each) => broker.publish(toOne, each));
    const [, second] = await deliveries.atLeast(3);
    second!.requeue();
    await deliveries.atLeast(4);
    expect(deliveries.items[3]!.message.id).toBe('m2');
    for (let i = 0; i < 6; i++) (await deliveries.atLeast(i + 1))[i]!.ack();
    await Promise.all(published);
  });

  test('fails what waits when it closes, so that outboxes keep it', async () => {
    const broker = await declared();
    const publishing = broker.publish(toOne, message('m'));
    await broker.close();
    await expect(publishing).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    await expect(broker.publish(toOne, message('m'))).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  });

  test('refuses a second declaration of a queue that says something else', async () => {
    const broker = await declared();
    await broker.declare(testTopology);
    const [queue] = testTopology.queues;
    const other = { exchanges: [], queues: [{ ...queue!, singleActiveConsumer: false }], streams: [] };
    await expect(broker.declare(other)).rejects.toMatchObject({ code: 'FAILED_PRECONDITION' });
  });
});
