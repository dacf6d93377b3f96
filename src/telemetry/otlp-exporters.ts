import { OTLPExporterBase } from '@opentelemetry/otlp-exporter-base';
import { convertLegacyHttpOptions, createOtlpHttpExportDelegate } from '@opentelemetry/otlp-exporter-base/node-http';
import {
  JsonMetricsSerializer,
  JsonTraceSerializer,
  MetricsExporterMetricsHelper,
  ProtobufMetricsSerializer,
  ProtobufTraceSerializer,
  TraceExporterMetricsHelper,
} from '@opentelemetry/otlp-transformer';
import type { ResourceMetrics } from '@opentelemetry/sdk-metrics';
import type { ReadableSpan } from '@opentelemetry/sdk-trace';
import type { OtlpProtocol } from './settings.ts';

/*
 * What `@opentelemetry/exporter-trace-otlp-proto`, `-http` and those of metrics do: each is the base with a serializer and a type of content, and not
 * all of them have a release of the patch version of the rest (0.301.1); an older one brings all of the rest along once more.
 */

/** Where a collector is, for example http://127.0.0.1:4318, and how it is spoken to. */
export interface OtlpTarget {
  readonly otlpEndpoint: string;
  readonly otlpProtocol: OtlpProtocol;
}

const encodings = {
  'http/protobuf': {
    contentType: 'application/x-protobuf',
    spans: ProtobufTraceSerializer,
    metrics: ProtobufMetricsSerializer,
  },
  'http/json': { contentType: 'application/json', spans: JsonTraceSerializer, metrics: JsonMetricsSerializer },
} as const;

const optionsOf = ({ otlpEndpoint, otlpProtocol }: OtlpTarget, signal: 'TRACES' | 'METRICS') => {
  const path = `v1/${signal.toLowerCase()}`;
  const headers = { 'Content-Type': encodings[otlpProtocol].contentType };
  return convertLegacyHttpOptions({ url: `${otlpEndpoint.replace(/\/$/, '')}/${path}` }, signal, path, headers);
};

export const otlpSpanExporter = (target: OtlpTarget): OTLPExporterBase<ReadableSpan[]> =>
  new OTLPExporterBase(
    createOtlpHttpExportDelegate(
      optionsOf(target, 'TRACES'),
      encodings[target.otlpProtocol].spans,
      'otlp_http_span_exporter',
      TraceExporterMetricsHelper,
      undefined,
    ),
  );

export const otlpMetricExporter = (target: OtlpTarget): OTLPExporterBase<ResourceMetrics> =>
  new OTLPExporterBase(
    createOtlpHttpExportDelegate(
      optionsOf(target, 'METRICS'),
      encodings[target.otlpProtocol].metrics,
      'otlp_http_metric_exporter',
      MetricsExporterMetricsHelper,
      undefined,
    ),
  );
