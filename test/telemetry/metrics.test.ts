import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createNoopMeter } from '@opentelemetry/api';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { histogram, type Instrument, observable, Tally } from '../../src/telemetry/instrument.ts';
import { createTelemetry, type TelemetryOptions } from '../../src/telemetry/setup.ts';
import { type OtlpReceiver, startOtlpReceiver } from '../support/otlp-receiver.ts';
import { recordingTelemetry } from '../support/telemetry.ts';

const doors = {
  name: 'mallbots.test.doors',
  kind: 'counter',
  unit: '{door}',
  description: 'Doors gone through',
  attributes: ['mallbots.colour'],
} as const satisfies Instrument;
const walks = {
  name: 'mallbots.test.walk.duration',
  kind: 'histogram',
  unit: 's',
  description: 'Time from door to door',
  attributes: [],
  boundaries: [0.5, 1],
} as const satisfies Instrument;

let collector: OtlpReceiver;
beforeEach(async () => {
  collector = await startOtlpReceiver();
});
afterEach(() => collector[Symbol.asyncDispose]());

const telemetryOf = (role: string, options: Partial<TelemetryOptions> = {}) =>
  createTelemetry({
    role,
    otlpEndpoint: collector.endpoint,
    traceFile: '',
    metricsFile: '',
    // Longer than any test: what arrives is sent at the end.
    metricIntervalMs: 3_600_000,
    logLevel: 'silent',
    instanceId: `${role}-1`,
    ...options,
  });

describe('metrics for a collector', () => {
  test.each([
    ['protobuf', 'http/protobuf', 'application/x-protobuf'],
    ['JSON', 'http/json', 'application/json'],
  ] as const)('arrive over OTLP/HTTP in %s with name, unit, type and numbers', async (_, otlpProtocol, contentType) => {
    const { meter, shutdown } = telemetryOf('orders', { otlpProtocol });
    const tally = new Tally(observable(meter, doors), 'mallbots.colour', { 'mallbots.floor': 2 });
    for (const colour of ['red', 'blue', 'red']) tally.add(colour);
    const walked = histogram(meter, walks);
    for (const seconds of [0.25, 0.5, 0.75, 4]) walked.record(seconds);
    await shutdown();

    expect(collector.requests).toEqual([{ path: '/v1/metrics', contentType }]);
    expect(collector.metrics()).toEqual([
      {
        service: 'orders',
        name: doors.name,
        description: doors.description,
        unit: '{door}',
        type: 'sum',
        monotonic: true,
        points: ['red', 'blue'].map((colour) => ({
          attributes: { 'mallbots.floor': 2, 'mallbots.colour': colour },
          value: colour === 'red' ? 2 : 1,
          count: 0,
          bounds: [],
          buckets: [],
        })),
      },
      {
        service: 'orders',
        name: walks.name,
        description: walks.description,
        unit: 's',
        type: 'histogram',
        monotonic: false,
        points: [{ attributes: {}, value: 5.5, count: 4, bounds: [0.5, 1], buckets: [2, 1, 1] }],
      },
    ]);
  });

  test('of things that come and go are sums that may fall, of a moment gauges', async () => {
    const { meter, shutdown } = telemetryOf('hub');
    for (const kind of ['count', 'gauge'] as const)
      observable(meter, { ...doors, kind, name: `mallbots.test.${kind}` }).addCallback((result) => result.observe(7));
    await shutdown();

    expect(collector.metrics()).toMatchObject([
      { name: 'mallbots.test.count', type: 'sum', monotonic: false, points: [{ value: 7 }] },
      { name: 'mallbots.test.gauge', type: 'gauge', points: [{ value: 7 }] },
    ]);
  });

  test('are exported while the role runs, at the interval', async () => {
    const { meter, shutdown } = telemetryOf('hub', { metricIntervalMs: 100 });
    const tally = new Tally(observable(meter, doors), 'mallbots.colour');
    tally.add('red');
    const seen = () => collector.metrics().map(({ points }) => points[0]?.value);

    await expect.poll(seen, { timeout: 20_000 }).toEqual([1]);
    tally.add('red', 4);
    await expect.poll(seen, { timeout: 20_000 }).toEqual([5]);
    await shutdown();
  });

  test('of a role in the same process go under its own service', async () => {
    const roles = ['orders', 'hub'].map((role) => telemetryOf(role));
    for (const { meter } of roles) new Tally(observable(meter, doors), 'mallbots.colour').add('red');
    await Promise.all(roles.map(({ shutdown }) => shutdown()));

    expect(
      collector
        .metrics()
        .map(({ service }) => service)
        .sort(),
    ).toEqual(['hub', 'orders']);
  });

  test('do not hold up the end of a role when the collector is gone', async () => {
    const { meter, shutdown } = telemetryOf('orders');
    new Tally(observable(meter, doors), 'mallbots.colour').add('red');
    await collector[Symbol.asyncDispose]();

    await expect(shutdown()).resolves.toBeUndefined();
  });
});

describe('metrics without a collector', () => {
  test('go to a local file as OTLP JSON lines', async () => {
    const directory = mkdtempSync(join(tmpdir(), 'metrics-'));
    try {
      const metricsFile = join(directory, 'deeper', 'metrics.jsonl');
      const { meter, shutdown } = telemetryOf('orders', { otlpEndpoint: '', metricsFile });
      new Tally(observable(meter, doors), 'mallbots.colour').add('red');
      await shutdown();

      const [line] = readFileSync(metricsFile, 'utf8').trimEnd().split('\n');
      expect(JSON.parse(line!)).toHaveProperty('resourceMetrics.0.scopeMetrics.0.metrics.0.name', doors.name);
    } finally {
      rmSync(directory, { recursive: true });
    }
  });

  test('cost nothing where they would go nowhere', () => {
    const { meter } = telemetryOf('orders', { otlpEndpoint: '' });

    expect(meter).toBeInstanceOf(createNoopMeter().constructor);
  });
});

test('a tally tells 64 values apart, and counts all others together', async () => {
  const telemetry = recordingTelemetry('hub');
  const tally = new Tally(observable(telemetry.meter, doors), 'mallbots.colour');
  for (let n = 0; n < 70; n += 1) tally.add(`colour ${n}`);
  tally.add('colour 3');

  const figure = (colour: string) => telemetry.figure(doors.name, { 'mallbots.colour': colour });
  expect(await telemetry.figure(doors.name)).toBe(71);
  expect(await figure('colour 3')).toBe(2);
  expect(await figure('_OTHER')).toBe(6);
});
