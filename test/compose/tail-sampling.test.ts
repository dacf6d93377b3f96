import { describe, expect, it } from 'vitest';
import { Code } from '../../src/contract/errors.ts';
import { plumbingInstruments } from '../../src/database/plumbing-metrics.ts';
import { staffInstruments } from '../../src/gateways/staff/code-searches.ts';
import { hubInstruments } from '../../src/hub/instruments.ts';
import { ATTR_OUTCOME } from '../../src/telemetry/attributes.ts';
import { isAnswer } from '../../src/telemetry/failure.ts';
import type { Instrument } from '../../src/telemetry/instrument.ts';
import { compose, interpolate, readCollectorConfig, readText } from './files.ts';

const collector = readCollectorConfig('otel/collector.yaml');

/** A duration as Go writes it, ms. */
const milliseconds = (text: string): number => {
  const [, number, unit] = /^(\d+)(ms|s|m)$/.exec(text)!;
  return Number(number) * { ms: 1, s: 1_000, m: 60_000 }[unit as 'ms' | 's' | 'm'];
};
/** What `${env:NAME:-default}` of the collector is where compose is told nothing. */
const given = (text: unknown): string => String(text).replace(/\$\{env:\w+:-([^}]*)\}/, '$1');

interface Policy {
  readonly name: string;
  readonly type: string;
  readonly latency?: { threshold_ms: string };
  readonly ottl_condition?: { error_mode: string; span: string[] };
  readonly probabilistic?: { sampling_percentage: string };
}
const tail = collector.processors.tail_sampling as {
  decision_wait: string;
  num_traces: number;
  decision_cache: { sampled_cache_size: number; non_sampled_cache_size: number };
  policies: Policy[];
};
const failed = collector.processors['filter/failed'] as { error_mode: string; traces: { span: string[] } };

/**
 * The fields of the parts that are used here, as their published schemas have them (`config.schema.yaml` beside each in opentelemetry-collector-contrib):
 * a name that is not there stops the collector at its start.
 */
const fields: Readonly<Record<string, readonly string[]>> = {
  tail_sampling: [
    ...['decision_wait', 'num_traces', 'expected_new_traces_per_sec', 'decision_cache', 'policies'],
    ...['sample_on_first_match', 'drop_pending_traces_on_shutdown'],
  ],
  'tail_sampling.decision_cache': ['sampled_cache_size', 'non_sampled_cache_size'],
  'tail_sampling.ottl_condition': ['error_mode', 'span', 'spanevent'],
  'tail_sampling.latency': ['threshold_ms', 'upper_threshold_ms'],
  'tail_sampling.probabilistic': ['hash_salt', 'sampling_percentage'],
  filter: [
    'error_mode',
    'traces',
    'metrics',
    'logs',
    'spans',
    'trace_conditions',
    'metric_conditions',
    'log_conditions',
  ],
  'filter.traces': ['resource', 'span', 'spanevent'],
  spanmetrics: [
    ...[
      'add_resource_attributes',
      'aggregation_cardinality_limit',
      'aggregation_temporality',
      'calls_dimensions',
      'dimensions',
    ],
    ...[
      'events',
      'exclude_dimensions',
      'exemplars',
      'histogram',
      'include_instrumentation_scope',
      'metrics_expiration',
    ],
    ...[
      'metrics_flush_interval',
      'namespace',
      'resource_metrics_cache_size',
      'resource_metrics_key_attributes',
      'series_expiration',
    ],
  ],
  'spanmetrics.histogram': ['dimensions', 'disable', 'explicit', 'exponential', 'unit'],
  'spanmetrics.histogram.explicit': ['buckets'],
};
const spanmetrics = collector.connectors!.spanmetrics as Record<string, unknown> & {
  histogram: { unit: string; explicit: { buckets: string[] } };
};

describe('what the collector is told', () => {
  it.each<[string, object]>([
    ['tail_sampling', tail],
    ['tail_sampling.decision_cache', tail.decision_cache],
    ...tail.policies.map(({ name, type, ...more }): [string, object] => [
      `tail_sampling.${type}`,
      (more as unknown as Record<string, object>)[type]!,
    ]),
    ['filter', failed],
    ['filter.traces', failed.traces],
    ['spanmetrics', spanmetrics],
    ['spanmetrics.histogram', spanmetrics.histogram],
    ['spanmetrics.histogram.explicit', spanmetrics.histogram.explicit],
  ])('%s has fields that the published schema has', (part, config) => {
    expect(Object.keys(config).filter((key) => !fields[part]!.includes(key))).toEqual([]);
  });

  it('is what compose passes on', () => {
    const passed = Object.keys(compose.services.collector!.environment!);
    const read = [...readText('otel/collector.yaml').matchAll(/\$\{env:(\w+):-([^}]*)\}/g)];
    expect(read.map(([, name]) => name).toSorted()).toEqual(passed.toSorted());
    for (const [, name, fallback] of read)
      expect(interpolate(compose.services.collector!.environment![name!]!)).toBe(fallback);
  });
});

describe('tail sampling', () => {
  it('decides later than an order is called slow', () => {
    const slow = tail.policies.find(({ type }) => type === 'latency')!.latency!.threshold_ms;
    expect(milliseconds(given(tail.decision_wait))).toBeGreaterThan(Number(given(slow)));
  });

  it('remembers its decisions for longer than the traces', () => {
    const { sampled_cache_size, non_sampled_cache_size } = tail.decision_cache;
    expect(Math.min(sampled_cache_size, non_sampled_cache_size)).toBeGreaterThanOrEqual(10 * tail.num_traces);
  });

  it('keeps all while nobody asks for less', () => {
    const share = tail.policies.find(({ type }) => type === 'probabilistic')!.probabilistic!.sampling_percentage;
    expect(given(share)).toBe('100');
  });

  it('takes for failures what the program does, and drops nothing else of them on the short way', () => {
    const answers = Object.keys(Code).filter(isAnswer).toSorted();
    const [failures, parked] = tail.policies.find(({ type }) => type === 'ottl_condition')!.ottl_condition!.span;
    expect([...failures!.matchAll(/!= "(\w+)"/g)].map(([, code]) => code).toSorted()).toEqual(answers);
    expect(failures).toMatch(/^status\.code == STATUS_CODE_ERROR and /);
    expect(parked).toBe(`attributes["${ATTR_OUTCOME}"] == "parked"`);
    const [dropped] = failed.traces.span;
    expect([...dropped!.matchAll(/== "(\w+)"/g)].map(([, code]) => code).toSorted()).toEqual(answers);
    expect(dropped).toMatch(
      /^\(status\.code != STATUS_CODE_ERROR or .*\) and attributes\["mallbots\.outcome"\] != "parked"$/s,
    );
  });

  it('has a way past it for what failed, and none for the rest', () => {
    const ways = Object.values(collector.service.pipelines).filter(({ exporters }) =>
      exporters.includes('otlp_grpc/jaeger'),
    );
    expect(ways.map(({ processors }) => processors[1]).toSorted()).toEqual(['filter/failed', 'tail_sampling']);
  });
});

interface Panel {
  readonly id: number;
  readonly type: string;
  readonly title: string;
  readonly gridPos: { readonly h: number; readonly w: number; readonly x: number; readonly y: number };
  readonly targets?: ReadonlyArray<{ readonly refId: string; readonly expr: string; readonly legendFormat: string }>;
}
const dashboard = JSON.parse(readText('otel/grafana-dashboard.json')) as {
  uid: string;
  schemaVersion: number;
  panels: Panel[];
};

/** As the collector's Prometheus exporter writes an instrument. */
function prometheusName({ name, kind, unit }: Instrument): string {
  const units: Readonly<Record<string, string>> = { s: '_seconds', By: '_bytes' };
  const suffix = `${units[unit] ?? ''}${kind === 'counter' ? '_total' : ''}${kind === 'histogram' ? '_bucket' : ''}`;
  return `${name.replaceAll('.', '_')}${suffix}`;
}
const labelOf = (attribute: string) => attribute.replaceAll('.', '_');
const ofResource = ['service_name', 'service_instance_id'];
/** Metric to labels. Those of the connector are in its README. */
const known = new Map<string, readonly string[]>([
  ...[hubInstruments, plumbingInstruments, staffInstruments]
    .flatMap((table) => Object.values(table))
    .map((instrument): [string, string[]] => [
      prometheusName(instrument as Instrument),
      [...ofResource, ...(instrument as Instrument).attributes.map(labelOf)],
    ]),
  ['traces_span_metrics_calls_total', [...ofResource, 'span_name', 'span_kind', 'status_code']],
  ['traces_span_metrics_duration_seconds_bucket', [...ofResource, 'span_name', 'span_kind', 'status_code']],
]);

describe('the dashboard', () => {
  const queries = dashboard.panels.flatMap(({ title, targets = [] }) =>
    targets.map(({ expr, legendFormat }) => ({ title, expr, legendFormat })),
  );

  it.each(queries)('asks in "$title" for metrics and labels that are exported: $expr', ({ expr, legendFormat }) => {
    const metrics = [...expr.matchAll(/\b(?:mallbots|traces)_\w+(?=[[{)\s]|$)/g)]
      .map(([name]) => name)
      .filter((name) => !/^mallbots_(reason|state|frame)$/.test(name));
    expect(metrics.length).toBeGreaterThan(0);
    for (const metric of metrics) expect([...known.keys()]).toContain(metric);
    const labels = new Set(metrics.flatMap((metric) => known.get(metric)!));
    const by = [...expr.matchAll(/by \(([^)]*)\)/g)].flatMap(([, list]) => list!.split(', '));
    for (const label of by) expect([...labels, 'le']).toContain(label);
    for (const [, label] of legendFormat.matchAll(/\{\{(\w+)\}\}/g)) expect(by).toContain(label);
  });

  it('has panels of their own ids, none over another, within the 24 columns of a page', () => {
    const { panels } = dashboard;
    expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
    for (const { gridPos: a, id } of panels) {
      expect(a.x + a.w).toBeLessThanOrEqual(24);
      const over = panels.filter(
        ({ gridPos: b, id: other }) =>
          other !== id && a.x < b.x + b.w && b.x < a.x + a.w && a.y < b.y + b.h && b.y < a.y + a.h,
      );
      expect(over).toEqual([]);
    }
  });
});
