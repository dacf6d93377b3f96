import { context, SpanStatusCode, trace } from '@opentelemetry/api';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { publishTraced } from '../../src/broker/publish-traced.ts';
import { draft, seal } from '../../src/contract/message.ts';
import { Ready } from '../../src/gen/events/orders/v1/events.ts';
import { contextOf, formatTraceparent, unsampled } from '../../src/telemetry/propagation.ts';
import type { SamplerName } from '../../src/telemetry/settings.ts';
import { createTelemetry, type Telemetry } from '../../src/telemetry/setup.ts';
import { RecordingBroker } from '../database/recording-broker.ts';
import { type OtlpReceiver, startOtlpReceiver } from '../support/otlp-receiver.ts';

let collector: OtlpReceiver;
beforeEach(async () => {
  collector = await startOtlpReceiver();
});
afterEach(() => collector[Symbol.asyncDispose]());

/** Names of the spans that arrive of what `work` does under the sampler. */
async function exported(
  sampler: SamplerName,
  samplerRatio: number,
  work: (telemetry: Telemetry) => unknown,
): Promise<string[]> {
  const files = { traceFile: '', metricsFile: '', metricIntervalMs: 60_000 } as const;
  const own = { role: 'orders', instanceId: 'orders-1', logLevel: 'silent', otlpEndpoint: collector.endpoint } as const;
  const telemetry = createTelemetry({ ...files, ...own, sampler, samplerRatio });
  await work(telemetry);
  await telemetry.shutdown();
  return collector.spans().map(({ name }) => name);
}

const traceparent = (flags: string) => `00-${'a'.repeat(32)}-${'b'.repeat(16)}-${flags}`;
const root = ({ tracer }: Telemetry) => tracer.startSpan('root').end();
const below =
  (flags: string) =>
  ({ tracer }: Telemetry) =>
    tracer.startSpan('below', {}, contextOf(traceparent(flags))).end();
const linked =
  (flags: string) =>
  ({ tracer }: Telemetry) =>
    tracer.startSpan('linked', { links: [{ context: trace.getSpanContext(contextOf(traceparent(flags)))! }] }).end();

test.each<[SamplerName, number, string, (telemetry: Telemetry) => unknown, boolean]>([
  ['parentbased_always_on', 1, 'a root', root, true],
  ['parentbased_always_on', 1, 'what is below a span that is not sampled', below('00'), false],
  ['parentbased_always_off', 1, 'a root', root, false],
  ['parentbased_always_off', 1, 'what is below a sampled span', below('01'), true],
  ['parentbased_traceidratio', 1, 'a root', root, true],
  ['parentbased_traceidratio', 0, 'a root', root, false],
  ['parentbased_traceidratio', 0, 'what is below a sampled span', below('01'), true],
  ['parentbased_traceidratio', 0, 'a root that is linked to a sampled trace', linked('01'), true],
  ['parentbased_traceidratio', 1, 'a root that is linked to a trace that is not sampled', linked('00'), false],
  ['traceidratio', 0, 'what is below a sampled span', below('01'), false],
  ['always_on', 0, 'what is below a span that is not sampled', below('00'), true],
  ['always_off', 1, 'a root', root, false],
])('%s with a share of %d: %s', async (sampler, ratio, _, work, isExported) => {
  expect(await exported(sampler, ratio, work)).toHaveLength(isExported ? 1 : 0);
});

describe('of a trace that is not sampled', () => {
  test('what has failed and what was parked is kept, with the context of its trace and a mark', async () => {
    await exported('parentbased_traceidratio', 0, ({ tracer }) => {
      const order = tracer.startSpan('POST /v1/orders');
      const inside = trace.setSpan(context.active(), order);
      const failed = tracer.startSpan('lose shop', { attributes: { 'mallbots.order_id': 'o1' } }, inside);
      failed.setStatus({ code: SpanStatusCode.ERROR });
      failed.end();
      tracer.startSpan('process', { attributes: { 'mallbots.outcome': 'parked' } }, inside).end();
      tracer.startSpan('process', { attributes: { 'mallbots.outcome': 'handled' } }, inside).end();
      const refused = tracer.startSpan('GetInvoice', { attributes: { 'rpc.status_code': 'NOT_FOUND' } }, inside);
      refused.setStatus({ code: SpanStatusCode.ERROR });
      refused.end();
      // What a span below is told: nobody there samples on account of what is recorded here.
      expect(formatTraceparent(failed.spanContext())).toMatch(/-00$/);
      order.end();
    });
    const [failed, parked, ...more] = collector.spans();
    expect(more).toEqual([]);
    expect(failed).toMatchObject({
      name: 'lose shop',
      attributes: { 'mallbots.order_id': 'o1', 'mallbots.kept': true },
    });
    expect(parked).toMatchObject({ attributes: { 'mallbots.outcome': 'parked' }, parentSpanId: failed!.parentSpanId });
    expect(parked!.traceId).toBe(failed!.traceId);
  });

  test('the failed publish of a message is kept, and one that succeeds makes no span', async () => {
    const ready = draft('orders.ready', 'o1', Ready.fromPartial({ orderId: 'o1' }));
    const message = seal(ready, {
      id: 'm1',
      source: '/orders',
      time: new Date(),
      causationId: 'c',
      traceparent: traceparent('00'),
    });
    const names = await exported('parentbased_always_on', 1, async ({ tracer }) => {
      await publishTraced({ broker: new RecordingBroker(), tracer }, message);
      const broker = new RecordingBroker(() => Promise.reject(new Error('the broker is away')));
      await expect(publishTraced({ broker, tracer }, message)).rejects.toThrow('the broker is away');
    });
    expect(names).toEqual(['send orders.events:orders.ready']);
    expect(collector.spans()[0]).toMatchObject({ traceId: 'a'.repeat(32), parentSpanId: 'b'.repeat(16) });
  });

  test('nothing of what polls is kept', async () => {
    const names = await exported('always_on', 1, ({ tracer }) => {
      const span = tracer.startSpan('poll', {}, unsampled());
      span.setStatus({ code: SpanStatusCode.ERROR });
      span.end();
    });
    expect(names).toEqual([]);
  });
});
