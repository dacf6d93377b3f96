import { describe, expect, it } from 'vitest';
import { compose, readCollectorConfig, readText } from './files.ts';

const files = ['otel/collector.yaml', 'otel/jaeger.yaml'];
const collector = readCollectorConfig('otel/collector.yaml');
const jaeger = readCollectorConfig('otel/jaeger.yaml');

const endpoints = (part: unknown): string[] =>
  Object.entries((part ?? {}) as Record<string, unknown>).flatMap(([key, value]) =>
    key === 'endpoint' ? [String(value)] : typeof value === 'object' ? endpoints(value) : [],
  );

describe.each(files)('%s', (file) => {
  const config = readCollectorConfig(file);

  it('has pipelines of parts that it defines, and defines no part that it does not use', () => {
    const pipelines = Object.values(config.service.pipelines);
    expect(pipelines.length).toBeGreaterThan(0);
    for (const kind of ['receivers', 'processors', 'exporters'] as const) {
      const used = new Set(pipelines.flatMap((pipeline) => pipeline[kind]));
      const connectors = Object.keys(config.connectors ?? {}).filter(() => kind !== 'processors');
      expect([...used].toSorted()).toEqual([...Object.keys(config[kind]), ...connectors].toSorted());
    }
    expect(config.service.extensions.toSorted()).toEqual(Object.keys(config.extensions).toSorted());
  });

  it('is mounted where its container looks for it', () => {
    const service = Object.values(compose.services).find(({ volumes = [] }) =>
      volumes.some((volume) => volume.includes(file)),
    );
    const target = service!.volumes!.find((volume) => volume.includes(file))!.split(':')[1];
    expect(service!.command).toEqual([`--config=${target}`]);
  });
});

describe('the way of a trace', () => {
  it('limits memory first and batches last', () => {
    for (const { processors, exporters } of Object.values(collector.service.pipelines)) {
      expect(processors[0]).toBe('memory_limiter');
      // What goes to a connector stays in the process.
      if (exporters.some((name) => !Object.hasOwn(collector.connectors!, name)))
        expect(processors.at(-1)).toBe('batch');
    }
  });

  it('comes in at the port that the roles send to', () => {
    const { port } = new URL(compose.services.orders!.environment!.OTEL_EXPORTER_OTLP_ENDPOINT!);
    expect(collector.receivers).toHaveProperty('otlp.protocols.http.endpoint', `0.0.0.0:${port}`);
  });

  it('goes on to where Jaeger listens', () => {
    const [host, port] = endpoints(collector.exporters)[0]!.split(':');
    expect(host).toBe('jaeger');
    expect(jaeger.receivers).toHaveProperty('otlp.protocols.grpc.endpoint', `0.0.0.0:${port}`);
  });

  it('ends in the store that the query page reads', () => {
    const store = (jaeger.exporters.jaeger_storage_exporter as { trace_storage: string }).trace_storage;
    expect(jaeger.extensions).toHaveProperty('jaeger_query.storage.traces', store);
    expect(jaeger.extensions).toHaveProperty(['jaeger_storage', 'backends', store]);
  });

  it('is kept on the volume of the container', () => {
    const [, directory] = compose.services.jaeger!.volumes!.find((volume) => volume.startsWith('traces:'))!.split(':');
    const kept = [...readText('otel/jaeger.yaml').matchAll(/^\s+(?:keys|values): (.+)$/gm)].map(([, path]) => path);
    expect(kept).toHaveLength(2);
    for (const path of kept) expect(path!.startsWith(`${directory}/`)).toBe(true);
  });
});

describe('the way of a metric', () => {
  it('goes by itself, to a page that compose publishes', () => {
    const { receivers, exporters } = collector.service.pipelines.metrics!;
    expect(receivers).toEqual(['otlp', 'spanmetrics']);
    expect(exporters).toEqual(['prometheus']);
    const port = (collector.exporters.prometheus as { endpoint: string }).endpoint.split(':')[1];
    expect(compose.services.collector!.ports).toEqual([`127.0.0.1:${port}:${port}`]);
  });

  it('says of which role and process it is', () => {
    expect(collector.exporters).toHaveProperty('prometheus.resource_to_telemetry_conversion.enabled', true);
  });
});

describe('health', () => {
  it('of Jaeger is asked where it answers', () => {
    const url = new URL(compose.services.jaeger!.healthcheck!.test.at(-1)!);
    expect(jaeger.extensions).toHaveProperty('healthcheckv2.http.endpoint', url.host);
    expect(jaeger.extensions).toHaveProperty('healthcheckv2.http.status', { enabled: true, path: url.pathname });
  });

  it('of the collector can be asked over the network', () => {
    expect(collector.extensions).toHaveProperty('health_check.endpoint', '0.0.0.0:13133');
  });
});
