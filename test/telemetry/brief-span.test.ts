import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SpanStatusCode } from '@opentelemetry/api';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { publishTraced } from '../../src/broker/publish-traced.ts';
import { unavailable } from '../../src/contract/errors.ts';
import { draft, type Message, seal } from '../../src/contract/message.ts';
import { Ready } from '../../src/gen/events/orders/v1/events.ts';
import type { OtlpSpan, OtlpTraces } from '../../src/telemetry/recorded-span.ts';
import type { SamplerName } from '../../src/telemetry/settings.ts';
import { createTelemetry } from '../../src/telemetry/setup.ts';
import { RecordingBroker } from '../database/recording-broker.ts';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'mallbots-brief-'));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

const message = seal(draft('orders.ready', 'o1', Ready.fromPartial({ orderId: 'o1' })), {
  id: 'm1',
  source: '/orders',
  time: new Date(),
  causationId: 'c',
  traceparent: `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`,
});

/** What is exported of one publish, and the message that the broker was given. */
async function published(sampler: SamplerName, work: () => Promise<void>) {
  const traceFile = join(directory, `${sampler}.jsonl`);
  const files = { traceFile, metricsFile: '', metricIntervalMs: 60_000, otlpEndpoint: '' } as const;
  const telemetry = createTelemetry({ ...files, role: 'orders', instanceId: 'orders-1', logLevel: 'silent', sampler });
  const given: Message[] = [];
  const broker = new RecordingBroker((each) => {
    given.push(each);
    return work();
  });
  const beganAtMs = Date.now();
  await publishTraced({ broker, tracer: telemetry.tracer }, message).catch(() => undefined);
  const endedAtMs = Date.now();
  await telemetry.shutdown();
  const document = JSON.parse(readFileSync(traceFile, 'utf8')) as OtlpTraces;
  const span = document.resourceSpans![0]!.scopeSpans![0]!.spans![0]!;
  return { document, span, given: given[0]!, beganAtMs, endedAtMs };
}

/** Without what no two spans have in common. */
function timeless(document: OtlpTraces): OtlpTraces {
  const vague = ({ spanId: _, startTimeUnixNano: _s, endTimeUnixNano: _e, events = [], ...rest }: OtlpSpan) => ({
    ...rest,
    events: events.map(({ timeUnixNano: _t, ...event }) => event),
  });
  return JSON.parse(JSON.stringify(document, (key, value) => (key === 'spans' ? value.map(vague) : value)));
}

describe('the span of a publish below a sampled span', () => {
  const away = unavailable('the broker is away', 'BROKER_UNREACHABLE');
  test.each([
    ['that succeeds', async () => {}, SpanStatusCode.UNSET],
    ['that fails', () => Promise.reject(away), SpanStatusCode.ERROR],
  ])('%s is exported as the SDK would', async (_, work, code) => {
    const brief = await published('parentbased_always_on', work);
    // Asks the SDK for each span.
    const ofSdk = await published('always_on', work);
    expect(timeless(brief.document)).toEqual(timeless(ofSdk.document));
    expect(brief.span.status?.code).toBe(code);
  });

  test('is what the message names as its parent, and took place when it was published', async () => {
    const { span, given, beganAtMs, endedAtMs } = await published('parentbased_always_on', async () => {});
    expect(given.traceparent).toBe(`00-${'a'.repeat(32)}-${span.spanId}-01`);
    const ms = (nanoseconds: string | number | undefined) => Number(BigInt(nanoseconds!) / 1_000_000n);
    expect(ms(span.startTimeUnixNano)).toBeGreaterThanOrEqual(beganAtMs);
    expect(ms(span.endTimeUnixNano)).toBeLessThanOrEqual(endedAtMs + 1);
    expect(BigInt(span.endTimeUnixNano!)).toBeGreaterThanOrEqual(BigInt(span.startTimeUnixNano!));
  });
});
