import { SpanStatusCode, trace } from '@opentelemetry/api';
import { afterEach, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { type Inbox, startConsumer } from '../../src/broker/consume.ts';
import { createEmbeddedBroker } from '../../src/broker/embedded.ts';
import type { Broker } from '../../src/broker/port.ts';
import { createInbox } from '../../src/database/inbox.ts';
import { createParked } from '../../src/database/parked.ts';
import { effectsIn, leaveEffect, tables, withMall } from '../database/mall.ts';
import type { TestDatabase } from '../support/database.ts';
import { describeWithRabbitMq } from '../support/services.ts';
import { silentLogger } from '../support/silent-logger.ts';
import { recordingTelemetry } from '../support/telemetry.ts';
import { ids, message, numbered, testTopology, toOne } from './messages.ts';
import { RabbitMqMall } from './rabbitmq-mall.ts';

let db: TestDatabase;
beforeEach(async () => {
  db = await withMall();
});
afterEach(() => db[Symbol.asyncDispose]());

const consume = (broker: Broker, inbox: Inbox) =>
  startConsumer({
    broker,
    queue: 'one.inbox',
    inbox,
    tracer: trace.getTracer('test'),
    logger: silentLogger,
    retry: { firstMs: 1, maxMs: 4, factor: 2 },
  });

describe('consumer with an inbox in PostgreSQL', () => {
  test('parks poison and what follows it, and staff bring them back in order', async () => {
    const telemetry = recordingTelemetry('test');
    const broker = createEmbeddedBroker({ logger: silentLogger });
    await broker.declare(testTopology);
    let broken = true;
    const parts = {
      database: db.database,
      tables,
      handle: async (...[received, tx]: Parameters<typeof leaveEffect>) => {
        if (broken && received.id === 'p1') throw new Error('cannot');
        await leaveEffect(received, tx);
      },
    };
    const consumer = await consume(broker, createInbox(parts));
    const traceparent = `00-${'1'.repeat(32)}-${'2'.repeat(16)}-01`;
    const sent = [message('p1', { key: 'p', traceparent }), message('p2', { key: 'p' }), message('good', { key: 'g' })];
    await Promise.all(sent.map((each) => broker.publish(toOne, each)));
    const parked = createParked({ ...parts, queue: 'orders.inbox', tracer: telemetry.tracer });
    const listed = await parked.list();
    expect(listed.map((each) => [each.message.id, each.attempts])).toEqual([
      ['p1', 5],
      ['p2', 0],
    ]);
    expect(await effectsIn(db.database)).toEqual(['good']);
    expect(await parked.retry('p')).toMatchObject({ settled: 0, left: 2 });
    broken = false;
    expect(await parked.retry('p')).toMatchObject({ settled: 2, left: 0 });
    expect(await effectsIn(db.database)).toEqual(['good', 'p1', 'p2']);
    // Each retry is a trace of its own, and the sender's and this one lead to each other.
    const spans = telemetry.spans();
    const retries = spans.filter(
      ({ name, attributes }) => name.startsWith('process ') && attributes['messaging.message.id'] === 'p1',
    );
    expect(retries).toMatchObject([
      { status: { code: SpanStatusCode.ERROR }, links: [{ context: { traceId: '1'.repeat(32) } }] },
      { status: { code: SpanStatusCode.UNSET }, links: [{ context: { spanId: '2'.repeat(16) } }] },
    ]);
    const notes = spans.filter((span) => span.spanContext().traceId === '1'.repeat(32));
    expect(notes.map(({ links: [link] }) => link!.context.spanId)).toEqual(
      retries.map((retry) => retry.spanContext().spanId),
    );
    await consumer.drain();
    await broker.close();
  });
});

describeWithRabbitMq('consumer with an inbox in PostgreSQL, on RabbitMQ', () => {
  test('takes effect once for a message whose acknowledgement was lost with the connection', async () => {
    const mall = new RabbitMqMall();
    onTestFinished(() => mall.close());
    const [failing, healthy] = [await mall.connect(), await mall.connect()];
    const real = createInbox({ database: db.database, tables, handle: leaveEffect });
    const outcomes: string[] = [];
    const cutAfterCommit: Inbox = {
      park: real.park,
      async process(received) {
        const outcome = await real.process(received);
        await mall.crash(failing);
        return outcome;
      },
    };
    await consume(failing, cutAfterCommit);
    const noting: Inbox = {
      park: real.park,
      async process(received) {
        const outcome = await real.process(received);
        outcomes.push(`${received.id} ${outcome}`);
        return outcome;
      },
    };
    await consume(healthy, noting);
    const sent = numbered(3);
    for (const each of sent) await healthy.publish(toOne, each);
    // The others may be duplicates as well: a consumer that is cut off goes on for a moment before it notices.
    await expect.poll(() => outcomes.map((each) => each.split(' ')[0]), { timeout: 15_000 }).toEqual(ids(sent));
    expect(outcomes[0]).toBe('m1 duplicate');
    expect(await effectsIn(db.database)).toEqual(ids(sent));
  });
});
