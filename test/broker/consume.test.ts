import { context, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { InMemorySpanExporter, SimpleSpanProcessor, TracerProvider } from '@opentelemetry/sdk-trace';
import { pino } from 'pino';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type ConsumerOptions, startConsumer } from '../../src/broker/consume.ts';
import { createEmbeddedBroker } from '../../src/broker/embedded.ts';
import type { Broker, Delivery } from '../../src/broker/port.ts';
import { MallError } from '../../src/contract/errors.ts';
import type { Message } from '../../src/contract/message.ts';
import { ATTR_OUTCOME } from '../../src/telemetry/attributes.ts';
import { Collector } from '../support/collector.ts';
import { silentLogger } from '../support/silent-logger.ts';
import { MemoryInbox } from './memory-inbox.ts';
import { message, testTopology, toOne } from './messages.ts';

const traceId = '0af7651916cd43dd8448eb211c80319c';
const senderSpanId = 'b7ad6b7169203331';
const traceparent = `00-${traceId}-${senderSpanId}-01`;

describe('consumer', () => {
  const exporter = new InMemorySpanExporter();
  const provider = new TracerProvider({ spanProcessors: [new SimpleSpanProcessor({ exporter })] });
  let broker: Broker;

  beforeAll(() => context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable()));
  afterAll(() => context.disable());
  beforeEach(async () => {
    broker = createEmbeddedBroker({ logger: silentLogger });
    await broker.declare(testTopology);
  });
  afterEach(async () => {
    await broker.close();
    exporter.reset();
  });

  const options = (inbox: MemoryInbox, more: Partial<ConsumerOptions> = {}): ConsumerOptions => ({
    broker,
    queue: 'one.inbox',
    inbox,
    tracer: provider.getTracer('test'),
    logger: silentLogger,
    retry: { firstMs: 1, maxMs: 1, factor: 1 },
    ...more,
  });

  const spans = () => expect.poll(() => exporter.getFinishedSpans(), { timeout: 10_000 });

  test("makes one span per message, a child of the sender's, active while the message is processed", async () => {
    const active = new Collector<string | undefined>();
    const inbox = new MemoryInbox(async () => active.add(trace.getActiveSpan()?.spanContext().spanId));
    await startConsumer(options(inbox));
    await broker.publish(toOne, message('m1', { traceparent, task: { id: 'task', fence: 3 } }));
    await spans().toHaveLength(1);
    const [span] = exporter.getFinishedSpans();
    expect(span).toMatchObject({
      name: 'process orders.events:orders.placed:one.inbox',
      kind: SpanKind.CONSUMER,
      parentSpanContext: { traceId, spanId: senderSpanId },
    });
    expect(span!.spanContext().traceId).toBe(traceId);
    expect(span!.attributes).toMatchObject({
      [ATTR_OUTCOME]: 'handled',
      'messaging.destination.name': 'orders.events:orders.placed:one.inbox',
      'messaging.message.id': 'm1',
      'mallbots.fence': 3,
    });
    expect(active.items).toEqual([span!.spanContext().spanId]);
  });

  test('tells duplicates, tries and parking in the span', async () => {
    const inbox = new MemoryInbox(async ({ key }) => {
      if (key === 'poison') throw new Error('cannot');
    });
    await startConsumer(options(inbox));
    for (const each of [message('m1'), message('m1'), message('p', { key: 'poison' })])
      await broker.publish(toOne, each);
    await spans().toHaveLength(3);
    const finished = exporter.getFinishedSpans();
    expect(finished.map((span) => span.attributes[ATTR_OUTCOME])).toEqual(['handled', 'duplicate', 'parked']);
    expect(finished[2]!.status.code).toBe(SpanStatusCode.ERROR);
    expect(finished[2]!.attributes['error.type']).toBe('Error');
    expect(finished[2]!.events.filter(({ name }) => name === 'exception')).toHaveLength(5);
  });

  test("logs what goes wrong inside of the message's span", async () => {
    const lines: Array<Record<string, unknown>> = [];
    const mixin = () => ({ span: trace.getActiveSpan()?.spanContext().spanId });
    const logger = pino({ level: 'warn', mixin }, { write: (line) => lines.push(JSON.parse(line)) });
    const inbox = new MemoryInbox(() => Promise.reject(new Error('cannot')));
    await startConsumer(options(inbox, { logger }));
    await broker.publish(toOne, message('p'));
    await spans().toHaveLength(1);
    const { spanId } = exporter.getFinishedSpans()[0]!.spanContext();
    expect(lines.at(-1)).toMatchObject({ msg: 'message parked', span: spanId });
    expect(new Set(lines.map(({ span }) => span))).toEqual(new Set([spanId]));
  });

  test('counts a try that never ends as failed, so that it cannot hold its key for ever', async () => {
    const inbox = new MemoryInbox(() => new Promise(() => {}));
    await startConsumer(options(inbox, { attemptDeadlineMs: 5 }));
    await broker.publish(toOne, message('stuck'));
    expect(inbox.parked).toEqual([{ id: 'stuck', attempts: 5 }]);
  });

  test('parks as soon as the park table can be reached, and not before', async () => {
    let refusals = 7;
    class Unreachable extends MemoryInbox {
      override async park(parked: Message, error: unknown, attempts: number): Promise<void> {
        if (refusals-- > 0) throw new MallError('UNAVAILABLE', 'database away');
        return super.park(parked, error, attempts);
      }
    }
    const inbox = new Unreachable(async () => {
      throw new Error('cannot');
    });
    await startConsumer(options(inbox));
    await broker.publish(toOne, message('p'));
    expect([refusals, inbox.parked]).toEqual([-1, [{ id: 'p', attempts: 5 }]]);
  });

  test('does not count the time that the database is away towards parking', async () => {
    const script = [
      'cannot',
      'away',
      'refuses',
      'away',
      'busy',
      'cannot',
      'refuses',
      'cannot',
      'busy',
      'cannot',
      'fine',
    ];
    const inbox = new MemoryInbox(async () => {
      const step = script.shift();
      if (step === 'away') throw new MallError('UNAVAILABLE', step);
      if (step === 'refuses') throw new MallError('FAILED_PRECONDITION', step, { reason: 'DATABASE_REFUSED' });
      if (step === 'busy') throw new MallError('RESOURCE_EXHAUSTED', step, { reason: 'DATABASE_BUSY' });
      if (step === 'cannot') throw new Error(step);
    });
    await startConsumer(options(inbox));
    await broker.publish(toOne, message('m'));
    expect([inbox.handled, inbox.parked, script]).toEqual([['m'], [], []]);
  });

  test('stops trying what the broker has taken back, and does not begin what is lost', async () => {
    const lines = new Collector<{ delivery: Delivery; settled: string[] }>();
    const fake: Pick<Broker, 'consume'> = {
      async consume(_queue, _prefetch, onDelivery) {
        for (const id of ['m1', 'm2']) {
          const settled: string[] = [];
          const delivery = {
            message: message(id),
            redelivered: false,
            get lost() {
              return attempts.items.length > 0;
            },
            ack: () => settled.push('ack'),
            requeue: () => settled.push('requeue'),
          };
          lines.add({ delivery, settled });
          onDelivery(delivery);
        }
        return { drain: async () => {} };
      },
    };
    const attempts = new Collector<string>();
    const inbox = new MemoryInbox(async ({ id }) => {
      attempts.add(id);
      throw new Error('connection lost while at it');
    });
    await startConsumer(options(inbox, { broker: fake as Broker }));
    await expect
      .poll(() => lines.items.map(({ settled }) => settled), { timeout: 10_000 })
      .toEqual([['requeue'], ['requeue']]);
    expect(attempts.items).toEqual(['m1']);
  });
});
