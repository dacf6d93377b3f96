import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { compose, readCollectorConfig, readText } from './files.ts';

const collector = readCollectorConfig('otel/collector.yaml');
const jaeger = readCollectorConfig('otel/jaeger.yaml');
const prometheus = parse(readText('otel/prometheus.yaml')) as {
  global: { scrape_interval: string };
  scrape_configs: Array<{ job_name: string; honor_labels: boolean; static_configs: Array<{ targets: string[] }> }>;
};
const { datasources } = parse(readText('otel/grafana-datasource.yaml')) as {
  datasources: Array<{ type: string; url: string; isDefault: boolean; jsonData: { timeInterval: string } }>;
};
const { providers } = parse(readText('otel/grafana-provider.yaml')) as {
  providers: Array<{ type: string; options: { path: string } }>;
};
const dashboard = JSON.parse(readText('otel/grafana-dashboard.json')) as {
  uid: string;
  templating: { list: Array<{ name: string; type: string; query: string }> };
  panels: Array<{ type: string; datasource?: { type: string; uid: string }; targets?: Array<{ expr: string }> }>;
};

/** Host path to the path in the container. */
const mounts = (service: string): Record<string, string> =>
  Object.fromEntries(compose.services[service]!.volumes!.map((volume) => volume.split(':') as [string, string]));
const containerPort = (service: string): string => compose.services[service]!.ports![0]!.split(':').at(-1)!;
const insideAddress = `http://prometheus:${containerPort('prometheus')}`;

describe('Prometheus', () => {
  it('reads the page that the collector exports to, with the labels that it has there', () => {
    const { endpoint } = collector.exporters.prometheus as { endpoint: string };
    expect(prometheus.scrape_configs).toEqual([
      expect.objectContaining({
        honor_labels: true,
        static_configs: [{ targets: [endpoint.replace('0.0.0.0', 'collector')] }],
      }),
    ]);
    expect(Object.keys(compose.services)).toContain('collector');
  });

  it('reads it as often as the figures of spans are renewed there', () => {
    expect(collector.connectors).toHaveProperty(
      'spanmetrics.metrics_flush_interval',
      prometheus.global.scrape_interval,
    );
  });

  it('finds its file where it is mounted, and keeps what it reads on its volume, within bounds', () => {
    const { './otel/prometheus.yaml': file, metrics: directory } = mounts('prometheus');
    const { command } = compose.services.prometheus!;
    expect(command).toContain(`--config.file=${file}`);
    expect(command).toContain(`--storage.tsdb.path=${directory}`);
    expect(command).toContainEqual(expect.stringMatching(/^--storage\.tsdb\.retention\.size=\d+GB$/));
  });
});

describe('Jaeger', () => {
  const { storage } = jaeger.extensions.jaeger_query as { storage: { metrics: string } };
  const { metric_backends } = jaeger.extensions.jaeger_storage as {
    metric_backends: Record<string, { prometheus: Record<string, unknown> }>;
  };

  it('asks Prometheus for the figures of its page "Monitor"', () => {
    expect(Object.keys(metric_backends)).toEqual([storage.metrics]);
    expect(metric_backends[storage.metrics]!.prometheus.endpoint).toBe(insideAddress);
  });

  it('asks for them by the names that the dashboard uses, in the unit of the collector', () => {
    const { metric_namespace, latency_unit, normalize_calls, normalize_duration } =
      metric_backends[storage.metrics]!.prometheus;
    expect(collector.connectors).toHaveProperty('spanmetrics.histogram.unit', latency_unit);
    const units: Readonly<Record<string, string>> = { ms: '_milliseconds', s: '_seconds' };
    const asked = [
      `${metric_namespace}_calls${normalize_calls ? '_total' : ''}`,
      `${metric_namespace}_duration${normalize_duration ? units[String(latency_unit)] : ''}_bucket`,
    ];
    const expressions = dashboard.panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr));
    const shown = expressions.flatMap((expr) => expr.match(/\btraces_\w+/g) ?? []);
    expect([...new Set(shown)].toSorted()).toEqual(asked.toSorted());
  });
});

describe('Grafana', () => {
  const mounted = mounts('grafana');

  it('finds what it is told at its start where it looks for it', () => {
    expect(mounted['./otel/grafana-datasource.yaml']).toMatch(/^\/etc\/grafana\/provisioning\/datasources\/\w+\.yaml$/);
    expect(mounted['./otel/grafana-provider.yaml']).toMatch(/^\/etc\/grafana\/provisioning\/dashboards\/\w+\.yaml$/);
    expect(providers.map(({ type, options }) => [type, `${options.path}/mallbots.json`])).toEqual([
      ['file', mounted['./otel/grafana-dashboard.json']],
    ]);
  });

  it('asks Prometheus, and takes its scrape interval for the shortest rate', () => {
    expect(datasources.map(({ url, jsonData }) => [url, jsonData.timeInterval])).toEqual([
      [insideAddress, prometheus.global.scrape_interval],
    ]);
  });

  it('has one source of the type that the dashboard chooses from, the default, and every panel takes the chosen one', () => {
    const variables = dashboard.templating.list.filter(({ type }) => type === 'datasource');
    expect(variables).toHaveLength(1);
    const [{ name, query }] = variables as [(typeof variables)[number]];
    expect(datasources.map(({ type, isDefault }) => [type, isDefault])).toEqual([[query, true]]);
    for (const panel of dashboard.panels.filter(({ type }) => type !== 'row'))
      expect(panel.datasource).toEqual({ type: query, uid: `\${${name}}` });
  });

  it('shows the dashboard to who logs in as nobody, at the address that README and the Compose file say', () => {
    const { environment } = compose.services.grafana!;
    expect(environment).toMatchObject({ GF_AUTH_ANONYMOUS_ENABLED: 'true', GF_AUTH_ANONYMOUS_ORG_ROLE: 'Viewer' });
    const address = `http://127.0.0.1:${containerPort('grafana')}/d/${dashboard.uid}`;
    for (const file of ['README.md', 'docker-compose.yml']) expect(readText(file)).toContain(address);
  });
});

describe('health', () => {
  it.each(['prometheus', 'grafana'])('of %s is asked at the port that is published', (name) => {
    expect(new URL(compose.services[name]!.healthcheck!.test.at(-1)!).host).toBe(`127.0.0.1:${containerPort(name)}`);
  });
});
