import { trace } from '@opentelemetry/api';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Consumer, type ConsumerOptions, startConsumer } from '../../src/broker/consume.ts';
import type { Broker, Delivery, Subscription } from '../../src/broker/port.ts';
import { maxBodyBytes } from '../../src/broker/publishable.ts';
import { MallError } from '../../src/contract/errors.ts';
import type { Message } from '../../src/contract/message.ts';
import { Collector } from '../support/collector.ts';
import { silentLogger } from '../support/silent-logger.ts';
import { MemoryInbox } from './memory-inbox.ts';
import { ids, message, numbered, toBoth, toNobody, toOne, toWork } from './messages.ts';

/** One broker with nothing in it, and its clients. */
export interface BrokerHarness {
  /** A client that has declared `testTopology`. */
  connect(): Promise<Broker>;
  /** The client's consumer is gone, without having settled or said anything. */
  crash(client: Broker, subscription: Subscription): Promise<void>;
  close(): Promise<void>;
}

/** Without one that was acknowledged: it may come again with what it travelled with. */
const unsettled = (messages: readonly Message[], acked: string) => messages.filter(({ id }) => id !== acked);

const quickRetry = { firstMs: 1, maxMs: 4, factor: 2 };

/** What every Broker promises, whatever it is made of. */
export function brokerContract(name: string, start: () => Promise<BrokerHarness>): void {
  describe(`broker contract: ${name}`, { timeout: 20_000 }, () => {
    let harness: BrokerHarness;
    let broker: Broker;

    beforeEach(async () => {
      harness = await start();
      broker = await harness.connect();
    });
    afterEach(() => harness.close());

    const publishAll = (to: typeof toOne, messages: readonly Message[]) =>
      Promise.all(messages.map((each) => broker.publish(to, each)));

    const collect = async (queue: string, prefetch = 10, client = broker) => {
      const deliveries = new Collector<Delivery>();
      const subscription = await client.consume(queue, prefetch, deliveries.add);
      return { deliveries, subscription };
    };

    const acking = async (queue: string, client = broker) => {
      const received = new Collector<Message>();
      const subscription = await client.consume(queue, 10, (delivery) => {
        delivery.ack();
        received.add(delivery.message);
      });
      return { received, subscription };
    };

    const consumeInto = (inbox: MemoryInbox, more: Partial<ConsumerOptions> = {}): Promise<Consumer> =>
      startConsumer({
        broker,
        queue: 'one.inbox',
        inbox,
        tracer: trace.getTracer('test'),
        logger: silentLogger,
        retry: quickRetry,
        ...more,
      });

    test('delivers every attribute and byte as published', async () => {
      const { received } = await acking('one.inbox');
      const sent = message('task:7:1', {
        name: 'bots.item_picked',
        key: 'ключ',
        traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
        task: { id: 'task', fence: 7 },
        // Larger than any frame.
        body: Uint8Array.from({ length: 300_000 }, (_, i) => i % 251),
      });
      await broker.publish(toOne, sent);
      const [got] = await received.atLeast(1);
      expect({ ...got, body: undefined }).toEqual({ ...sent, body: undefined });
      expect(Buffer.compare(got!.body, sent.body)).toBe(0);
    });

    test('routes by topic: to every queue whose pattern matches, and to no other', async () => {
      const one = await acking('one.inbox');
      const two = await acking('two.inbox');
      await broker.publish(toOne, message('star'));
      await broker.publish(toBoth, message('both'));
      await broker.publish({ exchange: 'orders.events', routingKey: 'ready' }, message('hash is none'));
      await broker.publish({ exchange: 'orders.events', routingKey: 'orders.bulk.ready' }, message('hash is many'));
      expect(ids(await one.received.atLeast(2))).toEqual(['star', 'both']);
      expect(ids(await two.received.atLeast(3))).toEqual(['both', 'hash is none', 'hash is many']);
      expect(ids(one.received.items)).toEqual(['star', 'both']);
    });

    test('gives each queue its own copy', async () => {
      const mutated = new Collector<Message>();
      await broker.consume('one.inbox', 1, (delivery) => {
        delivery.message.body.fill(0);
        mutated.add(delivery.message);
        delivery.ack();
      });
      const published = broker.publish(toBoth, message('m', { body: Uint8Array.of(1, 2, 3) }));
      await mutated.atLeast(1);
      const { received } = await acking('two.inbox');
      await published;
      const [untouched] = await received.atLeast(1);
      expect([...untouched!.body]).toEqual([1, 2, 3]);
    });

    test('keeps the order of one publisher, awaited or not', async () => {
      const sent = numbered(300);
      const published = publishAll(toOne, sent);
      const { received } = await acking('one.inbox');
      await published;
      await broker.publish(toOne, message('last'));
      expect(ids(await received.atLeast(301))).toEqual([...ids(sent), 'last']);
    });

    test('holds no more than the prefetch out unsettled', async () => {
      const published = publishAll(toOne, numbered(5));
      const { deliveries } = await collect('one.inbox', 2);
      const [first, second] = await deliveries.atLeast(2);
      await broker.ping();
      expect(deliveries.items).toHaveLength(2);
      first!.ack();
      await deliveries.atLeast(3);
      expect(ids(deliveries.items.map((each) => each.message))).toEqual(['m1', 'm2', 'm3']);
      second!.ack();
      deliveries.items[2]!.ack();
      for (const each of (await deliveries.atLeast(5)).slice(3)) each.ack();
      await published;
    });

    test('delivers again what is requeued, and settles only once', async () => {
      const published = broker.publish(toOne, message('again'));
      const { deliveries } = await collect('one.inbox', 1);
      const [first] = await deliveries.atLeast(1);
      expect(first!.redelivered).toBe(false);
      first!.requeue();
      first!.ack();
      const second = (await deliveries.atLeast(2))[1]!;
      expect([second.message.id, second.redelivered]).toEqual(['again', true]);
      second.ack();
      second.requeue();
      await published;
      // The queue goes on with what comes next: nothing of the first message is left.
      const next = broker.publish(toOne, message('next'));
      expect((await deliveries.atLeast(3))[2]!.message.id).toBe('next');
      deliveries.items[2]!.ack();
      await next;
    });

    test('delivers again, in order, what a crashed consumer had not settled', async () => {
      const crashing = await harness.connect();
      const { deliveries, subscription } = await collect('one.inbox', 3, crashing);
      const published = publishAll(toOne, numbered(5));
      const [first, second] = await deliveries.atLeast(3);
      first!.ack();
      await deliveries.atLeast(4);
      await harness.crash(crashing, subscription);
      await expect.poll(() => second!.lost, { timeout: 10_000 }).toBe(true);
      second!.ack();
      const after = new Collector<Delivery>();
      await broker.consume('one.inbox', 10, (delivery) => {
        delivery.ack();
        after.add(delivery);
      });
      await published;
      await expect
        .poll(
          () =>
            ids(
              unsettled(
                after.items.map((each) => each.message),
                'm1',
              ),
            ),
          { timeout: 10_000 },
        )
        .toEqual(['m2', 'm3', 'm4', 'm5']);
      // The last one was never out; whether it is marked depends on what it travelled with.
      const handedOut = after.items.filter(({ message }) => message.id !== 'm5');
      expect(handedOut.map((each) => each.redelivered)).not.toContain(false);
    });

    test('takes acknowledgements in any order, and delivers again nothing but what has none', async () => {
      const crashing = await harness.connect();
      const { deliveries, subscription } = await collect('one.inbox', 6, crashing);
      const published: Array<Promise<void>> = [];
      // One after the other, so that none travels with another.
      const publishEach = async (messages: readonly Message[]) => {
        for (const each of messages) {
          published.push(broker.publish(toOne, each));
          await deliveries.atLeast(published.length);
        }
      };
      const sent = numbered(10);
      await publishEach(sent.slice(0, 6));
      for (const place of [3, 0, 5, 1]) deliveries.items[place]!.ack();
      // As many as were acknowledged come next, and none before.
      await publishEach(sent.slice(6));
      await harness.crash(crashing, subscription);
      const { received } = await acking('one.inbox');
      await Promise.all(published);
      expect(ids(await received.atLeast(6))).toEqual(['m3', 'm5', 'm7', 'm8', 'm9', 'm10']);
      await broker.publish(toOne, message('the end'));
      expect(ids(await received.atLeast(7)).slice(6)).toEqual(['the end']);
    });

    test('delivers again what is requeued among others, and loses none of them', async () => {
      const deliveries = new Collector<Delivery>();
      const subscription = await broker.consume('one.inbox', 3, (delivery) => {
        deliveries.add(delivery);
        if (deliveries.items.length > 3) delivery.ack();
      });
      const published = publishAll(toOne, numbered(5));
      const [first, second, third] = await deliveries.atLeast(3);
      first!.ack();
      third!.ack();
      second!.requeue();
      await published;
      const later = () => deliveries.items.slice(3);
      await expect
        .poll(() => ids(later().map((each) => each.message)), { timeout: 10_000 })
        .toEqual(expect.arrayContaining(['m2', 'm4', 'm5']));
      const again = later().filter(({ message }) => ['m1', 'm2', 'm3'].includes(message.id));
      expect(again.map((each) => each.redelivered)).not.toContain(false);
      await subscription.drain();
      await expectEmpty('one.inbox');
    });

    test('keeps the order of each key and of each address in a burst to several addresses', async () => {
      const keys = ['a', 'b', 'c', 'd', 'e'];
      const addresses = [toOne, toBoth, { exchange: 'orders.events', routingKey: 'orders.cancelled' }];
      const sent = Array.from({ length: 600 }, (_, i) => ({
        to: addresses[((i * 7) % 11) % addresses.length]!,
        message: message(`m${i}`, { key: keys[((i * 5) % 13) % keys.length]! }),
      }));
      const one = await acking('one.inbox');
      const two = await acking('two.inbox');
      await Promise.all(sent.map(({ to, message }) => broker.publish(to, message)));
      const toTwo = sent.filter(({ to }) => to === toBoth);
      const atOne = await one.received.atLeast(sent.length);
      const atTwo = await two.received.atLeast(toTwo.length);
      expect(ids(atTwo)).toEqual(ids(toTwo.map(({ message }) => message)));
      expect(new Set(ids(atOne)).size).toBe(sent.length);
      for (const key of keys) {
        const ofKey = sent.filter(({ message }) => message.key === key);
        expect(ids(atOne.filter((each) => each.key === key))).toEqual(ids(ofKey.map(({ message }) => message)));
      }
      for (const address of addresses) {
        const published = new Set(ids(sent.filter(({ to }) => to === address).map(({ message }) => message)));
        expect(ids(atOne).filter((id) => published.has(id))).toEqual([...published]);
      }
    });

    test('lets one consumer at a time have a single-active queue, and hands over in order when it drains', async () => {
      const active = await collect('one.inbox', 2);
      const standBy = await acking('one.inbox', await harness.connect());
      const published = publishAll(toOne, numbered(4));
      const [first, second] = await active.deliveries.atLeast(2);
      const drained = active.subscription.drain();
      first!.ack();
      await broker.ping();
      expect(standBy.received.items).toEqual([]);
      second!.requeue();
      await drained;
      await expect
        .poll(() => ids(unsettled(standBy.received.items, 'm1')), { timeout: 10_000 })
        .toEqual(['m2', 'm3', 'm4']);
      await published;
    });

    test('spreads a shared queue over its consumers', async () => {
      const left = await collect('work', 1);
      const right = await collect('work', 1, await harness.connect());
      // One after the other: what is published at the same moment may go to one of them together.
      const first = broker.publish(toWork, message('m1'));
      await Promise.race([left.deliveries.atLeast(1), right.deliveries.atLeast(1)]);
      const second = broker.publish(toWork, message('m2'));
      const [[a], [b]] = await Promise.all([left.deliveries.atLeast(1), right.deliveries.atLeast(1)]);
      expect(new Set(ids([a!.message, b!.message]))).toEqual(new Set(['m1', 'm2']));
      a!.ack();
      b!.ack();
      await Promise.all([first, second]);
    });

    test('raises an alarm for a message that no queue is bound for', async () => {
      const alarms = new Collector<{ exchange: string; routingKey: string; id: string }>();
      broker.onUnroutable(alarms.add);
      await broker.publish(toNobody, message('lost sheep'));
      await broker.publish({ exchange: 'depot.tasks', routingKey: 'nobody' }, message('lost task'));
      expect(await alarms.atLeast(2)).toEqual([
        { ...toNobody, id: 'lost sheep' },
        { exchange: 'depot.tasks', routingKey: 'nobody', id: 'lost task' },
      ]);
    });

    test('refuses what has not been declared', async () => {
      const refusal = { code: 'FAILED_PRECONDITION', detail: { reason: 'NOT_DECLARED' } };
      await expect(broker.publish({ exchange: 'typo', routingKey: '' }, message('m'))).rejects.toMatchObject(refusal);
      await expect(broker.consume('typo', 1, () => {})).rejects.toMatchObject(refusal);
    });

    test('refuses at the publisher what no consumer could read', async () => {
      const refused = (more: Partial<Message>) =>
        expect(broker.publish(toOne, message('m', more))).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
      await refused({ id: '' });
      await refused({ key: '' });
      await refused({ key: 'ü'.repeat(128) });
      await refused({ time: new Date('no time') });
      await refused({ task: { id: 'task', fence: Number.NaN } });
      await refused({ body: new Uint8Array(maxBodyBytes + 1) });
      const { received } = await acking('one.inbox');
      await broker.publish(toOne, message('m', { key: 'ü'.repeat(127) }));
      expect(ids(await received.atLeast(1))).toEqual(['m']);
    });

    test('handles one key in order while other keys go on', async () => {
      const gate = Promise.withResolvers<void>();
      const events: string[] = [];
      const other = new Collector<string>();
      const inbox = new MemoryInbox(async ({ id, key }) => {
        events.push(`begin ${id}`);
        if (id === 'a1') await gate.promise;
        events.push(`end ${id}`);
        if (key === 'b') other.add(id);
      });
      const consumer = await consumeInto(inbox);
      const published = publishAll(toOne, [
        message('a1', { key: 'a' }),
        message('a2', { key: 'a' }),
        message('b1', { key: 'b' }),
        message('b2', { key: 'b' }),
      ]);
      await other.atLeast(2);
      expect(events).toEqual(['begin a1', 'begin b1', 'end b1', 'begin b2', 'end b2']);
      gate.resolve();
      await published;
      await expect.poll(() => inbox.handled, { timeout: 10_000 }).toEqual(['b1', 'b2', 'a1', 'a2']);
      expect(events.slice(5)).toEqual(['end a1', 'begin a2', 'end a2']);
      await consumer.drain();
    });

    test('parks poison after its tries, and later messages of its key behind it', async () => {
      const done = new Collector<string>();
      const inbox = new MemoryInbox(async ({ id, key }) => {
        if (key === 'poison') throw new Error('cannot');
        done.add(id);
      });
      const consumer = await consumeInto(inbox);
      const published = publishAll(toOne, [
        message('p1', { key: 'poison' }),
        message('p2', { key: 'poison' }),
        message('good', { key: 'good' }),
      ]);
      await published;
      // Behind everything else of its key, so that its end is the end of all.
      const last = broker.publish(toOne, message('p3', { key: 'poison' }));
      await expect.poll(() => inbox.parked.length, { timeout: 10_000 }).toBe(3);
      await last;
      await done.atLeast(1);
      expect(inbox.parked).toEqual([
        { id: 'p1', attempts: 5 },
        { id: 'p2', attempts: 0 },
        { id: 'p3', attempts: 0 },
      ]);
      expect(inbox.handled).toEqual(['good']);
      await consumer.drain();
      await expectEmpty('one.inbox');
    });

    test('parks nothing while the database is away', async () => {
      let tries = 0;
      const handled = new Collector<string>();
      const inbox = new MemoryInbox(async ({ id }) => {
        tries += 1;
        if (tries <= 12) throw new MallError(tries % 2 ? 'UNAVAILABLE' : 'DEADLINE_EXCEEDED', 'database away');
        handled.add(id);
      });
      const consumer = await consumeInto(inbox);
      await publishAll(toOne, numbered(2));
      expect(await handled.atLeast(2)).toEqual(['m1', 'm2']);
      expect(inbox.parked).toEqual([]);
      await consumer.drain();
    });

    test('drains: what runs finishes, what does not run goes back in order', async () => {
      const gate = Promise.withResolvers<void>();
      const begun = new Collector<string>();
      const first = new MemoryInbox(async ({ id, key }) => {
        begun.add(id);
        if (key === 'slow') await gate.promise;
        if (key === 'failing') throw new Error('not yet');
      });
      const consumer = await consumeInto(first, { retry: { firstMs: 60_000, maxMs: 60_000, factor: 1 } });
      const published = publishAll(toOne, [
        message('s1', { key: 'slow' }),
        message('f1', { key: 'failing' }),
        message('s2', { key: 'slow' }),
        message('f2', { key: 'failing' }),
      ]);
      await begun.atLeast(2);
      const drained = consumer.drain();
      gate.resolve();
      await drained;
      expect(first.handled).toEqual(['s1']);
      const { received } = await acking('one.inbox');
      await expect.poll(() => ids(unsettled(received.items, 's1')), { timeout: 10_000 }).toEqual(['f1', 's2', 'f2']);
      await published;
    });

    /** What comes next into the queue is the first thing to come out of it. */
    async function expectEmpty(queue: string): Promise<void> {
      const { received } = await acking(queue);
      await broker.publish(toOne, message('probe', { key: 'probe' }));
      expect(ids(await received.atLeast(1))).toEqual(['probe']);
    }
  });
}
