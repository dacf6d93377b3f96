import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SpanKind, SpanStatusCode, trace } from '@opentelemetry/api';
import { afterEach, beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { fail } from '../../src/telemetry/failure.ts';
import { contextOf } from '../../src/telemetry/propagation.ts';
import { recordedSpans } from '../../src/telemetry/recorded-span.ts';
import type { OtlpProtocol } from '../../src/telemetry/settings.ts';
import { createTelemetry } from '../../src/telemetry/setup.ts';
import { type OtlpReceiver, startOtlpReceiver } from '../support/otlp-receiver.ts';

const traceId = '0af7651916cd43dd8448eb211c80319c';
const traceparent = `00-${traceId}-b7ad6b7169203331-01`;

let collector: OtlpReceiver;
beforeEach(async () => {
  collector = await startOtlpReceiver();
});
afterEach(() => collector[Symbol.asyncDispose]());

const telemetryOf = (role: string, otlpEndpoint = collector.endpoint, traceFile = '', otlpProtocol?: OtlpProtocol) =>
  createTelemetry({
    ...(otlpProtocol && { otlpProtocol }),
    metricsFile: '',
    metricIntervalMs: 60_000,
    role,
    otlpEndpoint,
    traceFile,
    logLevel: 'silent',
    instanceId: `${role}-1`,
  });

describe('spans for a collector', () => {
  test.each([
    ['in protobuf', undefined, 'application/x-protobuf'],
    ['in protobuf, as asked', 'http/protobuf', 'application/x-protobuf'],
    ['in JSON', 'http/json', 'application/json'],
  ] as const)(
    'arrive over OTLP/HTTP %s as they were recorded, under the service of their role',
    async (_, protocol, contentType) => {
      const { tracer, shutdown } = telemetryOf('orders', collector.endpoint, '', protocol);
      const startTime = new Date('2026-01-02T03:04:05.006Z');
      const link = trace.getSpanContext(contextOf(`00-${'1'.repeat(32)}-2222222222222222-01`))!;
      const options = { kind: SpanKind.PRODUCER, startTime, links: [{ context: link }] };
      const attributes = { 'mallbots.order_id': 'o1', 'mallbots.fence': 3, cold: true, metres: 1.5 };
      const span = tracer.startSpan('send orders.events', { ...options, attributes }, contextOf(traceparent));
      span.setStatus({ code: SpanStatusCode.ERROR });
      span.end(new Date('2026-01-02T03:04:05.010Z'));
      await shutdown();

      expect(collector.requests).toEqual([{ path: '/v1/traces', contentType }]);
      const startTimeUnixNano = BigInt(startTime.getTime()) * 1_000_000n;
      expect(collector.spans()).toEqual([
        {
          service: 'orders',
          traceId,
          spanId: span.spanContext().spanId,
          parentSpanId: 'b7ad6b7169203331',
          name: 'send orders.events',
          // The wire counts from 1.
          kind: SpanKind.PRODUCER + 1,
          startTimeUnixNano,
          endTimeUnixNano: startTimeUnixNano + 4_000_000n,
          attributes,
          links: [{ traceId: '1'.repeat(32), spanId: '2'.repeat(16) }],
          statusCode: SpanStatusCode.ERROR,
        },
      ]);
    },
  );

  test('are the same in protobuf to a collector and in JSON in the file, which a collector takes as well', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'export-'));
    onTestFinished(() => rmSync(directory, { recursive: true }));
    const traceFile = join(directory, 'traces.jsonl');
    const { tracer, shutdown } = telemetryOf('orders', collector.endpoint, traceFile);
    const link = trace.getSpanContext(contextOf(`00-${'1'.repeat(32)}-2222222222222222-01`))!;
    const attributes = {
      'mallbots.order_id': 'o1',
      'mallbots.fence': 3,
      'mallbots.far': 2 ** 40,
      cold: true,
      metres: 1.5,
      name: 'Ä "q"\n',
    };
    for (const kind of [SpanKind.INTERNAL, SpanKind.SERVER, SpanKind.CLIENT, SpanKind.PRODUCER, SpanKind.CONSUMER]) {
      const span = tracer.startSpan(
        `kind ${kind}`,
        { kind, attributes, links: [{ context: link }] },
        contextOf(kind === 1 ? '' : traceparent),
      );
      if (kind === SpanKind.CLIENT) fail(span, new Error('no'));
      span.end();
    }
    await shutdown();
    const inProtobuf = [...collector.spans()];
    const lines = readFileSync(traceFile, 'utf8').trimEnd().split('\n');
    for (const body of lines) {
      const headers = { 'content-type': 'application/json' };
      await fetch(`${collector.endpoint}/v1/traces`, { method: 'POST', headers, body });
    }

    expect(inProtobuf).toHaveLength(5);
    expect(collector.spans().slice(5)).toEqual(inProtobuf);
    // And as the program itself reads them.
    const read = lines.flatMap((line) => recordedSpans(JSON.parse(line)));
    expect(read.map(({ kind, failed }) => [kind, failed])).toEqual([
      ...[
        ['internal', false],
        ['server', false],
        ['client', true],
        ['producer', false],
        ['consumer', false],
      ],
    ]);
    expect(read[0]).toMatchObject({ service: 'orders', attributes, parentSpanId: traceparent.slice(36, 52) });
  });

  test('are exported while the role runs, without waiting for its end', async () => {
    const { tracer, shutdown } = telemetryOf('hub');
    tracer.startSpan('offer shop').end();

    await expect.poll(() => collector.spans().map(({ name }) => name), { timeout: 20_000 }).toEqual(['offer shop']);
    await shutdown();
  });

  test('are sent again when the collector was overloaded', async () => {
    collector.refuseNext(503);
    const { tracer, shutdown } = telemetryOf('hub');
    tracer.startSpan('offer shop').end();

    await expect.poll(() => collector.spans().map(({ name }) => name), { timeout: 20_000 }).toEqual(['offer shop']);
    expect(collector.requests).toHaveLength(2);
    await shutdown();
  });

  test('of a role in the same process go under its own service', async () => {
    const [orders, hub] = [telemetryOf('orders'), telemetryOf('hub', `${collector.endpoint}/`)];
    orders.tracer.startSpan('a').end();
    hub.tracer.startSpan('b').end();
    await Promise.all([orders.shutdown(), hub.shutdown()]);

    const services = collector.spans().map(({ service, name }) => `${service} ${name}`);
    expect(services.sort()).toEqual(['hub b', 'orders a']);
  });

  test('do not hold up the end of a role when the collector is gone', async () => {
    const { tracer, shutdown } = telemetryOf('orders');
    await collector[Symbol.asyncDispose]();
    tracer.startSpan('send orders.events').end();

    await expect(shutdown()).resolves.toBeUndefined();
  });

  test('are not made of what hangs below a look that nobody samples', async () => {
    const { tracer, shutdown } = telemetryOf('orders');
    tracer.startSpan('GetOrder', {}, contextOf(`00-${traceId}-b7ad6b7169203331-00`)).end();
    await shutdown();

    expect(collector.spans()).toEqual([]);
  });
});
