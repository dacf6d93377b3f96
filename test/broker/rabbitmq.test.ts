import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { type Context, propagation, trace } from '@opentelemetry/api';
import { type Channel, Connection } from 'rabbitmq-client';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import type { Broker, Delivery } from '../../src/broker/port.ts';
import { maxBatchMessages } from '../../src/broker/publish-turn.ts';
import { connectRabbitMq, deleteTopology } from '../../src/broker/rabbitmq.ts';
import { batchContentType, encodeBatch } from '../../src/contract/batch.ts';
import { type Message, toHeaders } from '../../src/contract/message.ts';
import { contextOf } from '../../src/telemetry/propagation.ts';
import { Collector } from '../support/collector.ts';
import { amqpUrl, describeWithRabbitMq } from '../support/services.ts';
import { silentLogger } from '../support/silent-logger.ts';
import { brokerContract } from './contract.ts';
import { ids, message, numbered, testTopology, toNobody, toOne, toWork } from './messages.ts';
import { RabbitMqMall } from './rabbitmq-mall.ts';

describeWithRabbitMq('RabbitMQ', { timeout: 30_000 }, () => {
  brokerContract('RabbitMQ', async () => new RabbitMqMall());

  let mall: RabbitMqMall;
  beforeEach(() => {
    mall = new RabbitMqMall();
  });
  afterEach(() => mall.close());

  /** A bystander's view, past the adapter. */
  let bystander: Connection;
  let channel: Channel;
  beforeAll(async () => {
    bystander = new Connection(amqpUrl);
    channel = await bystander.acquire();
  });
  afterAll(async () => {
    await channel.close();
    await bystander.close();
  });

  const consumeAcking = async (broker: Broker) => {
    const received = new Collector<Message>();
    await broker.consume('one.inbox', 10, (delivery) => {
      delivery.ack();
      received.add(delivery.message);
    });
    return received;
  };

  /** Publishes until the connection is back, as a relay does; the poll's own timeout bounds it. */
  const publishWhenBack = (broker: Broker, each: Message) =>
    expect
      .poll(
        () =>
          broker.publish(toOne, each).then(
            () => 'published',
            (error: { code: string }) => error.code,
          ),
        { timeout: 15_000 },
      )
      .toBe('published');

  test('puts the AMQP properties that other tools look at beside the headers', async () => {
    const broker = await mall.connect();
    const sent = message('m1');
    await broker.publish(toWork, sent);
    const got = await channel.basicGet({ queue: `${mall.namespace}.work`, noAck: true });
    expect(got).toMatchObject({
      messageId: 'm1',
      correlationId: sent.correlationId,
      type: sent.name,
      timestamp: Math.floor(sent.time.getTime() / 1000),
      contentType: 'application/protobuf',
      durable: true,
      headers: { cloudEvents_id: 'm1', cloudEvents_partitionkey: 'key' },
    });
  });

  test('takes nothing but traceparent of the trace context that a stranger put beside a message, and passes nothing else on', async () => {
    const broker = await mall.connect();
    const { foreign, active } = await new Promise<{ foreign: Message; active: Context }>((resolve) => {
      void broker.consume('one.inbox', 10, (delivery) => {
        delivery.ack();
        resolve({ foreign: delivery.message, active: contextOf(delivery.message.traceparent) });
      });
      const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
      const headers = {
        ...toHeaders(message('m1', { traceparent })),
        baggage: 'is_admin=true',
        tracestate: 'vendor=1',
      };
      void channel.basicPublish({ routingKey: `${mall.namespace}.one.inbox`, durable: true, headers }, 'body');
    });
    expect(trace.getSpanContext(active)).toMatchObject({ traceId: '0af7651916cd43dd8448eb211c80319c' });
    expect(trace.getSpanContext(active)!.traceState).toBeUndefined();
    expect(propagation.getBaggage(active)).toBeUndefined();
    await broker.publish(toWork, foreign);
    const got = await channel.basicGet({ queue: `${mall.namespace}.work`, noAck: true });
    expect(JSON.stringify(got)).toContain('0af7651916cd43dd8448eb211c80319c');
    expect(JSON.stringify(got)).not.toMatch(/baggage|tracestate|is_admin|vendor/);
  });

  test('publishes and consumes again after its connections were cut', async () => {
    const broker = await mall.connect();
    const received = await consumeAcking(broker);
    await broker.publish(toOne, message('before'));
    await received.atLeast(1);
    mall.wire(broker).cut();
    await publishWhenBack(broker, message('after'));
    await expect.poll(() => ids(received.items), { timeout: 15_000 }).toContain('after');
  });

  test('refuses publishes at once while the broker is away, and goes on when it is back', async () => {
    const broker = await mall.connect();
    const received = await consumeAcking(broker);
    await mall.wire(broker).refuse();
    await expect
      .poll(() => broker.publish(toOne, message('m')).catch((error) => error.detail.reason), { timeout: 10_000 })
      .toBe('BROKER_UNREACHABLE');
    await expect(broker.ping()).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    await mall.wire(broker).restore();
    await publishWhenBack(broker, message('back'));
    await expect.poll(() => ids(received.items), { timeout: 15_000 }).toContain('back');
    await expect(broker.ping()).resolves.toMatchObject({ version: expect.stringMatching(/^\d+\.\d+/) });
  });

  test('declares its topology again when the broker has lost it, whether it publishes or only consumes', async () => {
    const publisher = await mall.connect();
    const received = await consumeAcking(publisher);
    await deleteTopology(amqpUrl, mall.namespace, testTopology);
    await publishWhenBack(publisher, message('m1'));
    await expect.poll(() => ids(received.items), { timeout: 15_000 }).toContain('m1');
    const consumer = await mall.connect();
    await publisher.close();
    const alone = await consumeAcking(consumer);
    await deleteTopology(amqpUrl, mall.namespace, testTopology);
    const queue = `${mall.namespace}.one.inbox`;
    await expect
      .poll(
        async () => {
          await channel.basicPublish({ routingKey: queue, headers: toHeaders(message('m2')) }, 'body');
          return ids(alone.items);
        },
        { timeout: 15_000 },
      )
      .toContain('m2');
  });

  test('gives up a publish over a half-open connection at its deadline', async () => {
    const broker = await mall.connect({ publishDeadlineMs: 200 });
    mall.wire(broker).blackhole();
    await expect(broker.publish(toOne, message('m1'))).rejects.toMatchObject({
      code: 'DEADLINE_EXCEEDED',
      detail: { reason: 'PUBLISH_UNCONFIRMED' },
    });
    await mall.wire(broker).restore();
    // The first one was only late; a consumer would know the second by its id.
    await publishWhenBack(broker, message('m1'));
    const received = await consumeAcking(broker);
    expect(new Set(ids(await received.atLeast(2)))).toEqual(new Set(['m1']));
  });

  test('notices a half-open connection by its heartbeat and consumes over a new one', async () => {
    const broker = await mall.connect({ heartbeatS: 1, publishDeadlineMs: 500 });
    const received = await consumeAcking(broker);
    mall.wire(broker).blackhole();
    await expect
      .poll(() => broker.publish(toOne, message('m')).catch((error) => error.detail.reason), { timeout: 10_000 })
      .toBe('BROKER_UNREACHABLE');
    await mall.wire(broker).restore();
    await publishWhenBack(broker, message('back'));
    await expect.poll(() => ids(received.items), { timeout: 15_000 }).toContain('back');
  });

  test('takes a settlement that comes after the reconnect for nothing, and delivers the message again', async () => {
    const broker = await mall.connect();
    const deliveries = new Collector<Delivery>();
    await broker.consume('one.inbox', 10, deliveries.add);
    await broker.publish(toOne, message('m1'));
    const [before] = await deliveries.atLeast(1);
    mall.wire(broker).cut();
    const after = (await deliveries.atLeast(2))[1]!;
    expect([before!.lost, after.lost, after.redelivered]).toEqual([true, false, true]);
    before!.ack();
    before!.requeue();
    after.ack();
    await publishWhenBack(broker, message('m2'));
    expect((await deliveries.atLeast(3))[2]!.message.id).toBe('m2');
    deliveries.items[2]!.ack();
  });

  test('moves what is no message of ours to the malformed queue and goes on', async () => {
    const broker = await mall.connect();
    const received = await consumeAcking(broker);
    const queue = `${mall.namespace}.one.inbox`;
    await channel.basicPublish({ routingKey: queue, durable: true, headers: { odd: 1 }, messageId: 'x' }, 'not ours');
    await broker.publish(toOne, message('ours'));
    expect(ids(await received.atLeast(1))).toEqual(['ours']);
    await expect
      .poll(() => channel.basicGet({ queue: `${mall.namespace}.malformed`, noAck: true }), { timeout: 10_000 })
      .toMatchObject({
        durable: true,
        messageId: 'x',
        body: 'not ours',
        headers: {
          'mallbots-queue': 'one.inbox',
          'mallbots-reason': 'message without header cloudEvents_type',
          'mallbots-headers': '{"odd":1}',
        },
      });
  });

  test('puts what is published to one address in one turn into one AMQP message, with one confirm', async () => {
    const broker = await mall.connect();
    const queue = `${mall.namespace}.work`;
    await Promise.all(numbered(maxBatchMessages + 3).map((each) => broker.publish(toWork, each)));
    await broker.publish(toWork, message('alone'));
    expect(await channel.queueDeclare({ queue, passive: true })).toMatchObject({ messageCount: 3 });
    const get = () => channel.basicGet({ queue, noAck: true });
    const batch = { type: 'mallbots.batch', contentType: batchContentType, durable: true };
    const full = { ...batch, messageId: 'm1', headers: { 'mallbots-count': maxBatchMessages } };
    expect(await get()).toMatchObject(full);
    expect(await get()).toMatchObject({ ...batch, messageId: `m${maxBatchMessages + 1}` });
    expect(await get()).toMatchObject({ messageId: 'alone', contentType: 'application/protobuf' });
  });

  test('holds the prefetch in messages, not in batches', async () => {
    const broker = await mall.connect();
    await Promise.all(numbered(3).map((each) => broker.publish(toOne, each)));
    await Promise.all(numbered(3).map((each) => broker.publish(toOne, { ...each, id: `n${each.id}` })));
    const deliveries = new Collector<Delivery>();
    await broker.consume('one.inbox', 4, deliveries.add);
    await deliveries.atLeast(4);
    await broker.ping();
    expect(ids(deliveries.items.map((each) => each.message))).toEqual(['m1', 'm2', 'm3', 'nm1']);
    deliveries.items[1]!.ack();
    expect((await deliveries.atLeast(5))[4]!.message.id).toBe('nm2');
  });

  test('gives a batch back when its consumer is gone, to the last message that was not acknowledged', async () => {
    const leaving = await mall.connect();
    const deliveries = new Collector<Delivery>();
    await leaving.consume('one.inbox', 10, deliveries.add);
    await Promise.all(numbered(3).map((each) => leaving.publish(toOne, each)));
    await deliveries.atLeast(3);
    deliveries.items[0]!.ack();
    deliveries.items[2]!.ack();
    // Says all that it has to say first: a cut wire could hide an acknowledgement that came too early.
    await leaving.close();
    const received = await consumeAcking(await mall.connect());
    expect(ids(await received.atLeast(3))).toEqual(['m1', 'm2', 'm3']);
  });

  test('acknowledges a batch with its last message, and requeues it for one', async () => {
    const broker = await mall.connect();
    const deliveries = new Collector<Delivery>();
    await broker.consume('one.inbox', 10, deliveries.add);
    await Promise.all(numbered(3).map((each) => broker.publish(toOne, each)));
    await deliveries.atLeast(3);
    deliveries.items[0]!.requeue();
    deliveries.items[2]!.ack();
    await broker.publish(toOne, message('meanwhile'));
    expect((await deliveries.atLeast(4))[3]!.message.id).toBe('meanwhile');
    deliveries.items[3]!.ack();
    deliveries.items[1]!.ack();
    const again = (await deliveries.atLeast(7)).slice(4);
    expect(again.map(({ message, redelivered }) => [message.id, redelivered])).toEqual([
      ['m1', true],
      ['m2', true],
      ['m3', true],
    ]);
    for (const each of again) each.ack();
    const unsettled = async () => (await channel.queueDelete({ queue: `${mall.namespace}.one.inbox` })).messageCount;
    await broker.close();
    expect(await unsettled()).toBe(0);
  });

  test('moves one malformed message of a batch aside and delivers the others', async () => {
    const broker = await mall.connect();
    const received = await consumeAcking(broker);
    const odd = { ...message('odd'), name: 'orders.invented' as Message['name'] };
    await publishBatch(encodeBatch([message('m1'), odd, message('m2')]));
    expect(ids(await received.atLeast(2))).toEqual(['m1', 'm2']);
    await expect
      .poll(() => channel.basicGet({ queue: `${mall.namespace}.malformed`, noAck: true }), { timeout: 10_000 })
      .toMatchObject({
        messageId: 'odd',
        contentType: 'application/protobuf',
        body: Buffer.from('body of odd'),
        headers: { 'mallbots-queue': 'one.inbox', 'mallbots-reason': 'message of unknown type "orders.invented"' },
      });
  });

  test.each([
    ['cannot be read', Buffer.from('no batch')],
    ['is empty', Buffer.of()],
  ])('moves a batch that %s aside as it is and goes on', async (_, body) => {
    const broker = await mall.connect();
    const received = await consumeAcking(broker);
    await publishBatch(body);
    await broker.publish(toOne, message('ours'));
    expect(ids(await received.atLeast(1))).toEqual(['ours']);
    await expect
      .poll(() => channel.basicGet({ queue: `${mall.namespace}.malformed`, noAck: true }), { timeout: 10_000 })
      .toMatchObject({ contentType: batchContentType, body });
  });

  const publishBatch = (body: Uint8Array) =>
    channel.basicPublish(
      { routingKey: `${mall.namespace}.one.inbox`, durable: true, contentType: batchContentType },
      Buffer.from(body),
    );

  test('raises the alarm for every message of a batch that no queue is bound for', async () => {
    const broker = await mall.connect();
    const alarms = new Collector<{ id: string }>();
    broker.onUnroutable(alarms.add);
    await Promise.all(numbered(3).map((each) => broker.publish(toNobody, each)));
    expect(await alarms.atLeast(3)).toEqual(['m1', 'm2', 'm3'].map((id) => ({ ...toNobody, id })));
  });

  test('fails every publish of a batch when the broker refuses it', async () => {
    const broker = await mall.connect();
    const queue = `${mall.namespace}.full`;
    await channel.queueDeclare({
      queue,
      durable: true,
      arguments: { 'x-max-length': 1, 'x-overflow': 'reject-publish', 'x-expires': 60_000 },
    });
    await channel.queueBind({ queue, exchange: `${mall.namespace}.orders.events`, routingKey: 'full' });
    const toFull = { exchange: 'orders.events', routingKey: 'full' };
    await broker.publish(toFull, message('m0'));
    const settled = await Promise.allSettled(numbered(3).map((each) => broker.publish(toFull, each)));
    const refused = {
      status: 'rejected',
      reason: { code: 'RESOURCE_EXHAUSTED', detail: { reason: 'PUBLISH_REFUSED' } },
    };
    expect(settled).toMatchObject([refused, refused, refused]);
    await channel.queueDelete({ queue });
  });

  test('declares the same topology from several processes at once', async () => {
    const brokers = await Promise.all(Array.from({ length: 6 }, () => mall.connect()));
    await Promise.all(brokers.map((broker, i) => broker.publish(toOne, message(`m${i}`))));
    expect(await consumeAcking(brokers[0]!).then((received) => received.atLeast(6))).toHaveLength(6);
  });

  test('leaves nothing behind of a scratch mall whose queues have expired but its streams, which cannot, and what they are bound to', async () => {
    const broker = await mall.connect();
    await broker.close();
    const { queues, exchanges, streams } = testTopology;
    // What `x-expires` does after an hour; and somebody for the streams.
    for (const name of [...[...queues, ...streams].map((each) => each.name), 'unroutable', 'malformed']) {
      await channel.queueDelete({ queue: `${mall.namespace}.${name}` });
    }
    for (const name of [...exchanges.map((each) => each.name), 'unroutable', 'keeper']) {
      const passive = await bystander.acquire({ emitErrorsFromChannel: true });
      await expect(
        passive.exchangeDeclare({ exchange: `${mall.namespace}.${name}`, passive: true }),
      ).rejects.toMatchObject({ code: 'NOT_FOUND' });
    }
  });

  test('never deletes the real mall, and says who refused the credentials', async () => {
    await expect(deleteTopology(amqpUrl, '', testTopology)).rejects.toMatchObject({ code: 'FAILED_PRECONDITION' });
    const url = new URL(amqpUrl);
    url.password = 'wrong';
    const refused = connectRabbitMq({ url: url.href, namespace: 'x', logger: silentLogger });
    await expect(refused).rejects.toMatchObject({ code: 'UNAUTHENTICATED' });
  });

  test('delivers in order what a consumer process had in hand when it was killed', async () => {
    const broker = await mall.connect();
    for (const each of numbered(3)) await broker.publish(toOne, each);
    const child = spawn(process.execPath, [new URL('crashing-consumer.ts', import.meta.url).pathname], {
      env: { ...process.env, AMQP_URL: amqpUrl, NAMESPACE: mall.namespace },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const begun = new Collector<string>();
    createInterface(child.stdout).on('line', begun.add);
    // m1 is acknowledged, and its handler is in the middle of m2.
    expect(await begun.atLeast(2)).toEqual(['m1', 'm2']);
    child.kill('SIGKILL');
    await once(child, 'exit');
    const deliveries = new Collector<Delivery>();
    await broker.consume('one.inbox', 10, (delivery) => {
      delivery.ack();
      deliveries.add(delivery);
    });
    expect(ids((await deliveries.atLeast(2)).map((each) => each.message))).toEqual(['m2', 'm3']);
  });
});
