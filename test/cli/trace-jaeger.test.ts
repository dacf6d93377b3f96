import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { jaeger } from '../../src/cli/trace-jaeger.ts';
import { failedOrders, slowestOrders } from '../../src/cli/trace-orders.ts';
import { storyOf, type TraceSource } from '../../src/cli/trace-source.ts';
import { waterfall } from '../../src/cli/trace-waterfall.ts';
import type { RecordedSpan } from '../../src/telemetry/recorded-span.ts';
import { type JaegerDouble, startJaeger } from '../support/jaeger.ts';
import { deskTrace, type Example, lookTrace, mainTrace, orderId, otlp, recorded, story, taskId } from './recorded.ts';

/** Another order, newer than the first, so that a search that finds everything is found out. */
const other = { 'mallbots.order_id': '0199c1f0-7c1e-7d0a-8a52-0d6f6f1c2b12' };
/** Of an order that was not sampled: nothing but a failure was kept. */
const kept = { 'mallbots.order_id': '0199c1f0-7c1e-7d0a-8a52-0d6f6f1c2b13', 'mallbots.kept': true };
const keptFailure: Example = {
  ...{ id: '51', parent: '50', trace: 'e'.repeat(32), service: 'hub', name: 'lose shop', at: [40_000, 40_001] },
  ...{ attributes: kept, error: 'expired' },
};
const traces = otlp([
  ...story,
  {
    id: '40',
    trace: 'd'.repeat(32),
    service: 'kiosk',
    name: 'POST /v1/orders',
    kind: 'server',
    at: [30_000, 30_100],
    attributes: other,
  },
  {
    id: '41',
    parent: '40',
    trace: 'd'.repeat(32),
    service: 'orders',
    name: 'work',
    at: [30_000, 30_100],
    attributes: other,
  },
  keptFailure,
]);
const comparable = (spans: readonly RecordedSpan[]) =>
  spans
    .map(({ otlp, from, ...span }) => ({ ...span, links: span.links.map(({ traceId }) => traceId) }))
    .toSorted((a, b) => (a.spanId < b.spanId ? -1 : 1));

describe.each([
  ['with /api/v3', { v3: true }],
  ['whose /api/v3 does not search by attributes', { v3: true, byAttributes: false }],
  ['with /api alone', { v3: false }],
])('a Jaeger %s', (_, options) => {
  let double: JaegerDouble;
  let source: TraceSource;
  beforeAll(async () => {
    double = await startJaeger(traces, options);
    source = jaeger(`${double.url}/`);
  });
  afterAll(() => double[Symbol.asyncDispose]());

  test.each([orderId, taskId, mainTrace, deskTrace, 'f6f1c2b11'])('tells the story by %s', async (id) => {
    const { main, linked, ...told } = await storyOf(id, source);
    expect(told.orderId).toBe(orderId);
    expect(linked.map(([first]) => first!.traceId)).toEqual([lookTrace, deskTrace]);
    expect(comparable([main, ...linked].flat())).toEqual(comparable(recorded(story)));
  });

  test('prints what the file would', async () => {
    const expected = recorded(story);
    const [main, desk, look] = [mainTrace, deskTrace, lookTrace].map((id) =>
      expected.filter(({ traceId }) => traceId === id),
    );
    const print = { width: 100, unfolded: false, pageOf: () => undefined };
    expect(waterfall(await storyOf(orderId, source), print)).toEqual(
      waterfall({ orderId, main: main!, linked: [look!, desk!] }, print),
    );
  });

  test('lists the slowest and the failed orders', async () => {
    expect((await slowestOrders(source, 10)).map((order) => order.orderId)).toEqual([
      orderId,
      other['mallbots.order_id'],
    ]);
    expect(await failedOrders(source, 10)).toMatchObject([
      { orderId: kept['mallbots.order_id'], failures: 1, isWhole: false },
      { orderId, failures: 1, isWhole: true },
    ]);
  });

  test('knows no order that it does not have', async () => {
    await expect(storyOf('0199c1f0-7c1e-7d0a-8a52-0d6f6f1c0000', source)).rejects.toMatchObject({ code: 'NOT_FOUND' });
    await expect(storyOf('f'.repeat(32), source)).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });

  test('has a page for each trace', () => {
    expect(source.pageOf(mainTrace)).toBe(`${double.url}/trace/${mainTrace}`);
  });
});

test('/api/v3 is asked for what it documents, and /api only where that is not there', async () => {
  await using double = await startJaeger(traces, { v3: true });
  await storyOf(orderId, jaeger(double.url));
  expect(double.asked.every((path) => path.startsWith('/api/v3/traces'))).toBe(true);
  const query = new URL(double.asked.find((path) => path.includes('?'))!, double.url).searchParams;
  expect(Object.fromEntries(query)).toMatchObject({
    'query.service_name': 'kiosk',
    'query.attributes': JSON.stringify({ 'mallbots.order_id': orderId }),
    'query.start_time_min': expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/),
  });
});

test('what is no Jaeger is told apart from one that has nothing', async () => {
  const { createServer } = await import('node:http');
  const server = createServer((_, response) => response.end('hello'));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as { port: number }).port}`;
  await expect(storyOf(orderId, jaeger(url))).rejects.toMatchObject({
    code: 'UNAVAILABLE',
    message: expect.stringContaining('its answer is none of the query API'),
  });
  await new Promise((resolve) => server.close(resolve));
});
