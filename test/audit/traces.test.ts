import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SpanKind, trace } from '@opentelemetry/api';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { checkTraces, orderTraces, readSpans } from '../../src/audit/traces.ts';
import { ATTR_ORDER_ID, ATTR_ORDER_TRACE_UNKNOWN } from '../../src/telemetry/attributes.ts';
import { contextOf, traceparentOf } from '../../src/telemetry/propagation.ts';
import { createTelemetry } from '../../src/telemetry/setup.ts';

let directory: string;
let traceFile: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'traces-'));
  traceFile = join(directory, 'traces.jsonl');
});
afterEach(() => rmSync(directory, { recursive: true }));

const telemetryOf = (role: string) =>
  createTelemetry({ role, traceFile, otlpEndpoint: '', logLevel: 'silent', instanceId: role });

/** Records a span of `role` about an order and answers with its traceparent. */
async function record(
  role: string,
  orderId: string,
  options: { parent?: string; linkTo?: string; traceUnknown?: boolean } = {},
): Promise<string> {
  const { tracer, shutdown } = telemetryOf(role);
  const link = trace.getSpanContext(contextOf(options.linkTo));
  const attributes = {
    [ATTR_ORDER_ID]: orderId,
    ...(options.traceUnknown && { [ATTR_ORDER_TRACE_UNKNOWN]: true }),
  };
  const span = tracer.startSpan(
    `${role} works`,
    { kind: SpanKind.SERVER, attributes, links: link ? [{ context: link }] : [] },
    contextOf(options.parent),
  );
  span.end();
  await shutdown();
  return traceparentOf(trace.setSpan(contextOf(undefined), span));
}

const orderOf = (orderId: string, traceparent: string) => ({
  orderId,
  traceId: traceparent.slice(3, 35),
  state: 'COMPLETED',
  ordered: 1,
  picked: 1,
  short: 0,
});

describe('traces in the local file', () => {
  test('are one per order, with the services that took part', async () => {
    const root = await record('kiosk', 'o1');
    await record('orders', 'o1', { parent: root });
    const orders = [orderOf('o1', root)];

    const spans = readSpans(traceFile);

    expect(orderTraces(orders, spans)).toEqual([
      { orderId: 'o1', traceId: root.slice(3, 35), spans: 2, services: ['kiosk', 'orders'] },
    ]);
    expect(checkTraces(orders, spans)).toEqual([]);
  });

  test('may include one that started later and is linked to the order', async () => {
    const root = await record('kiosk', 'o1');
    const pickup = await record('desk', 'o1', { linkTo: root });
    await record('staff', 'o1', { parent: pickup });

    expect(checkTraces([orderOf('o1', root)], readSpans(traceFile))).toEqual([]);
  });

  test('break the promise where a span of the order stands in a trace of its own', async () => {
    const root = await record('kiosk', 'o1');
    await record('payments', 'o1');

    const [violation] = checkTraces([orderOf('o1', root)], readSpans(traceFile));

    expect(violation).toMatchObject({ rule: 'one trace per order', subject: 'o1' });
    expect(violation?.message).toContain('"payments works" of payments');
  });

  test('say nothing where the span with the link went down with its process, or could not know the order', async () => {
    const root = await record('kiosk', 'o1');
    const lost = `00-${'c'.repeat(32)}-${'d'.repeat(16)}-01`;
    await record('payments', 'o1', { parent: lost });
    const look = await record('kiosk', 'o1', { traceUnknown: true });
    await record('orders', 'o1', { parent: look });

    expect(checkTraces([orderOf('o1', root)], readSpans(traceFile))).toEqual([]);
  });

  test('break the promise where no span names the order', () => {
    expect(checkTraces([orderOf('o1', `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`)], [])).toHaveLength(1);
  });

  test('are read up to a line that a killed process left half written', async () => {
    const root = await record('kiosk', 'o1');
    writeFileSync(traceFile, '{"resourceSpans":[{"resource":{"attr', { flag: 'a' });

    expect(readSpans(traceFile).map(({ traceId }) => traceId)).toEqual([root.slice(3, 35)]);
  });
});
