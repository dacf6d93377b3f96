import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SpanKind, SpanStatusCode, trace } from '@opentelemetry/api';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { readRecorded, readSpans } from '../../src/audit/spans.ts';
import { draft, seal } from '../../src/contract/message.ts';
import { Ready } from '../../src/gen/events/orders/v1/events.ts';
import { ATTR_ORDER_TRACE_UNKNOWN, processing } from '../../src/telemetry/attributes.ts';
import { contextOf } from '../../src/telemetry/propagation.ts';
import { createTelemetry } from '../../src/telemetry/setup.ts';

const traceId = 'a'.repeat(32);
const traceparent = `00-${traceId}-${'b'.repeat(16)}-01`;
let directory: string;
let traceFile: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'spans-'));
  traceFile = join(directory, 'traces.jsonl');
});
afterEach(() => rmSync(directory, { recursive: true }));

const telemetryOf = (role: string) =>
  createTelemetry({
    metricsFile: '',
    metricIntervalMs: 60_000,
    role,
    traceFile,
    otlpEndpoint: '',
    logLevel: 'silent',
    instanceId: role,
  });

describe('the local trace file', () => {
  test('says of each span where it belongs, whose it is and what it is about', async () => {
    const ready = draft('orders.ready', 'o1', Ready.fromPartial({ orderId: 'o1' }));
    const message = seal(ready, { id: 'm1', source: '/orders', time: new Date(), causationId: 'c', traceparent });
    const { name, attributes } = processing(message, 'depot.inbox');
    const { tracer, shutdown } = telemetryOf('depot');
    const link = trace.getSpanContext(contextOf(`00-${'c'.repeat(32)}-${'d'.repeat(16)}-01`))!;
    const options = { kind: SpanKind.CONSUMER, attributes, links: [{ context: link }] };
    const span = tracer.startSpan(name, options, contextOf(traceparent));
    span.end();
    await shutdown();

    expect(readSpans(traceFile)).toEqual([
      {
        traceId,
        spanId: span.spanContext().spanId,
        parentSpanId: 'b'.repeat(16),
        name: 'process orders.events:orders.ready:depot.inbox',
        service: 'depot',
        orderId: 'o1',
        correlationId: 'o1',
        taskId: '',
        linkedTraceIds: ['c'.repeat(32)],
        linkedSpanIds: ['d'.repeat(16)],
        traceUnknown: false,
        operation: 'process',
        messageId: 'm1',
      },
    ]);
  });

  test('holds the spans of every role that shares it, first ones and those that know no trace included', async () => {
    const [kiosk, orders] = [telemetryOf('kiosk'), telemetryOf('orders')];
    kiosk.tracer.startSpan('GET /v1/orders/:orderId', { attributes: { [ATTR_ORDER_TRACE_UNKNOWN]: true } }).end();
    orders.tracer.startSpan('orders.v1.Orders/GetOrder').end();
    await Promise.all([kiosk.shutdown(), orders.shutdown()]);

    const spans = readSpans(traceFile).map(({ service, parentSpanId, traceUnknown }) => [
      service,
      parentSpanId,
      traceUnknown,
    ]);
    expect(spans.sort()).toEqual([
      ['kiosk', '', true],
      ['orders', '', false],
    ]);
  });

  test('is read up to a line that a killed process left half written', async () => {
    const { tracer, shutdown } = telemetryOf('kiosk');
    tracer.startSpan('POST /v1/orders').end();
    await shutdown();
    writeFileSync(traceFile, '{"resourceSpans":[{"resource":{"attr', { flag: 'a' });

    expect(readSpans(traceFile).map(({ name }) => name)).toEqual(['POST /v1/orders']);
  });

  test('leaves out what was kept of a trace that is not sampled, since that stands alone', async () => {
    const { tracer, shutdown } = telemetryOf('staff');
    const failed = tracer.startSpan('GetInvoice', {}, contextOf(traceparent.replace(/01$/, '00')));
    failed.setStatus({ code: SpanStatusCode.ERROR });
    failed.end();
    tracer.startSpan('HandOver').end();
    await shutdown();

    expect(readRecorded(traceFile).map(({ name }) => name)).toEqual(['GetInvoice', 'HandOver']);
    expect(readSpans(traceFile).map(({ name }) => name)).toEqual(['HandOver']);
  });

  test('is empty where there is none', () => {
    expect(readSpans(traceFile)).toEqual([]);
  });
});
