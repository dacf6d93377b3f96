import { describe, expect, test } from 'vitest';
import { ConfigError, endpointNames, endpoints, readConfig } from '../src/config.ts';

describe('the configuration', () => {
  test('needs nothing and listens to this machine alone', () => {
    const config = readConfig({});

    expect(config).toMatchObject({ databaseUrl: '', amqpUrl: '', namespace: '', traceFile: '.mallbots/traces.jsonl' });
    for (const each of endpointNames) expect(config.listen[each]).toBe(`127.0.0.1:${endpoints[each]}`);
    expect(Object.isFrozen(config)).toBe(true);
  });

  test('gives every endpoint a port of its own', () => {
    expect(new Set(Object.values(endpoints)).size).toBe(endpointNames.length);
  });

  test('takes an empty variable for one that is not set', () => {
    expect(readConfig({ DATABASE_URL: '', MALLBOTS_HUB_LISTEN: '' })).toEqual(readConfig({}));
  });

  test('reaches a role where it listens, and one that listens everywhere on this machine', () => {
    const config = readConfig({
      MALLBOTS_HUB_LISTEN: '0.0.0.0:9001',
      MALLBOTS_ORDERS_ADDRESS: 'orders:7002',
      MALLBOTS_KIOSK_GRPC_LISTEN: '127.0.0.1:9002',
    });

    expect(config.address.kioskGrpc).toBe('127.0.0.1:9002');
    expect(config.address.hub).toBe('127.0.0.1:9001');
    expect(config.address.orders).toBe('orders:7002');
    expect(config.listen.orders).toBe('127.0.0.1:7002');
  });

  test('writes no files of traces and metrics beside a collector, unless they are named', () => {
    const endpoint = { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://collector:4318' };
    const named = { MALLBOTS_TRACE_FILE: 'here.jsonl', MALLBOTS_METRICS_FILE: 'there.jsonl' };

    expect(readConfig(endpoint)).toMatchObject({ traceFile: '', metricsFile: '' });
    expect(readConfig({ MALLBOTS_TRACE_FILE_MAX_BYTES: '1048576' }).traceFileMaxBytes).toBe(1_048_576);
    expect(readConfig({ ...endpoint, ...named })).toMatchObject({
      traceFile: 'here.jsonl',
      metricsFile: 'there.jsonl',
    });
  });

  test('exports metrics to a collector as often as the standard says, to a file more often, or as told', () => {
    const endpoint = { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://collector:4318' };

    expect(readConfig(endpoint).metricIntervalMs).toBe(60_000);
    expect(readConfig({})).toMatchObject({ metricsFile: '.mallbots/metrics.jsonl', metricIntervalMs: 10_000 });
    expect(readConfig({ ...endpoint, OTEL_METRIC_EXPORT_INTERVAL: '500' }).metricIntervalMs).toBe(500);
  });

  test('lists every mistake at once, each with its variable, its value and what to give', () => {
    const read = () =>
      readConfig({
        DATABASE_URL: 'mysql://x',
        AMQP_URL: 'here',
        MALLBOTS_LOG_LEVEL: 'loud',
        MALLBOTS_KIOSK_LISTEN: '7080',
      });

    expect(read).toThrow(ConfigError);
    expect(read).toThrow(/DATABASE_URL is "mysql:\/\/x": give a URL such as postgres:/);
    expect(read).toThrow(/AMQP_URL is "here": give a URL such as amqp:/);
    expect(read).toThrow(/MALLBOTS_LOG_LEVEL is "loud"/);
    expect(read).toThrow(/MALLBOTS_KIOSK_LISTEN is "7080": give host:port/);
  });

  test.each(['127.0.0.1:65536', '127.0.0.1', 'http://127.0.0.1:1', '127.0.0.1:'])(
    'refuses to listen at %s',
    (listen) => {
      expect(() => readConfig({ MALLBOTS_HUB_LISTEN: listen })).toThrow(
        `the configuration has mistakes:\n  MALLBOTS_HUB_LISTEN is "${listen}": give host:port, for example 127.0.0.1:7001`,
      );
    },
  );

  test('speaks OTLP in protobuf or JSON, and says of what it does not speak what to give instead', () => {
    expect(readConfig({}).otlpProtocol).toBe('http/protobuf');
    expect(readConfig({ OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json' }).otlpProtocol).toBe('http/json');
    expect(() => readConfig({ OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc' })).toThrow(
      'OTEL_EXPORTER_OTLP_PROTOCOL is "grpc": give http/protobuf or http/json, in which a collector takes OTLP over HTTP, at port 4318',
    );
  });

  test('keeps a password to itself', () => {
    expect(() => readConfig({ DATABASE_URL: 'postgers://me:secret@db/mall' })).toThrow('postgers://me:…@db/mall');
  });

  test('says the range of a number', () => {
    expect(() => readConfig({ MALLBOTS_HUB_LEASE_MS: '5' })).toThrow('is "5": give 500 to 600000 milliseconds');
  });

  test("takes the hub's limits that are given, and leaves the others to the hub", () => {
    const { hubLimits } = readConfig({ MALLBOTS_HUB_MAX_STREAMS: '12', MALLBOTS_HUB_FRAMES_PER_SECOND: '' });

    expect(hubLimits).toEqual({ maxStreams: 12 });
    expect(Object.isFrozen(hubLimits)).toBe(true);
  });

  test.each([
    ['MALLBOTS_HUB_MAX_STREAMS', '0', 'give 1 to 1000000 streams'],
    ['MALLBOTS_HUB_FRAMES_PER_SECOND', 'many', 'give 1 to 1000000 frames a second'],
    ['MALLBOTS_HUB_MAX_FRAME_BYTES', '20000.5', 'give 16384 to 16777216 bytes'],
  ])('refuses %s=%s', (name, value, remedy) => {
    expect(() => readConfig({ [name]: value })).toThrow(`${name} is "${value}": ${remedy}`);
  });
});
