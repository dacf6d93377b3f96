import { trace } from '@opentelemetry/api';
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
    const sent = [message('p1', { key: 'p' }), message('p2', { key: 'p' }), message('good', { key: 'g' })];
    await Promise.all(sent.map((each) => broker.publish(toOne, each)));
    const parked = createParked(parts);
    const listed = await parked.list();
    expect(listed.map((each) => [each.message.id, each.attempts])).toEqual([
      ['p1', 5],
      ['p2', 0],
    ]);
    expect(await effectsIn(db.database)).toEqual(['good']);
    broken = false;
    expect(await parked.retry('p')).toMatchObject({ settled: 2, left: 0 });
    expect(await effectsIn(db.database)).toEqual(['good', 'p1', 'p2']);
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
