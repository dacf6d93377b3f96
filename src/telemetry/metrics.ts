import { createNoopMeter, type Meter } from '@opentelemetry/api';
import { JsonMetricsSerializer } from '@opentelemetry/otlp-transformer';
import type { Resource } from '@opentelemetry/resources';
import { MeterProvider, PeriodicExportingMetricReader, type PushMetricExporter } from '@opentelemetry/sdk-metrics';
import type { Logger } from 'pino';
import { FileExporter } from './file-exporter.ts';
import { otlpMetricExporter } from './otlp-exporters.ts';
import { reported } from './reported.ts';
import type { OtlpProtocol } from './settings.ts';

export interface MetricsOptions {
  /** OTLP over HTTP, for example http://127.0.0.1:4318; empty: none. */
  readonly otlpEndpoint: string;
  /** Protobuf when not given. */
  readonly otlpProtocol?: OtlpProtocol;
  /** OTLP JSON lines; empty: none. */
  readonly metricsFile: string;
  /** Between two exports, ms. */
  readonly metricIntervalMs: number;
}

/** Of one collection and of one export: what takes longer is given up, and the next one says it all, since figures are cumulative. */
const exportTimeoutMs = 10_000;

export interface Metrics {
  readonly meter: Meter;
  shutdown(): Promise<void>;
}

/** A meter whose figures are exported every `metricIntervalMs`; one that costs nothing where they would go nowhere. */
export function createMetrics(options: MetricsOptions, scope: string, resource: Resource, logger: Logger): Metrics {
  const { metricIntervalMs } = options;
  const readers = exporters(options, logger).map(
    (exporter) =>
      new PeriodicExportingMetricReader({
        exporter,
        exportIntervalMillis: metricIntervalMs,
        exportTimeoutMillis: Math.min(exportTimeoutMs, metricIntervalMs),
      }),
  );
  if (readers.length === 0) return { meter: createNoopMeter(), shutdown: async () => undefined };
  const provider = new MeterProvider({ resource, readers });
  return { meter: provider.getMeter(scope), shutdown: () => provider.shutdown() };
}

function exporters(options: MetricsOptions, logger: Logger): PushMetricExporter[] {
  const { otlpEndpoint, otlpProtocol = 'http/protobuf', metricsFile } = options;
  return [
    ...(otlpEndpoint
      ? [reported(otlpMetricExporter({ otlpEndpoint, otlpProtocol }), 'metrics', otlpEndpoint, logger)]
      : []),
    ...(metricsFile
      ? [reported(new FileExporter(metricsFile, JsonMetricsSerializer), 'metrics', metricsFile, logger)]
      : []),
  ];
}
