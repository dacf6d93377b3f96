import { OTLPExporterBase } from '@opentelemetry/otlp-exporter-base';
import { convertLegacyHttpOptions, createOtlpHttpExportDelegate } from '@opentelemetry/otlp-exporter-base/node-http';
import { MetricsExporterMetricsHelper, ProtobufMetricsSerializer } from '@opentelemetry/otlp-transformer';
import type { PushMetricExporter, ResourceMetrics } from '@opentelemetry/sdk-metrics';

/**
 * Metrics in protobuf to the collector at `endpoint`, for example http://127.0.0.1:4318. What `@opentelemetry/exporter-metrics-otlp-proto`
 * does; that package has no release of the patch version of the rest (0.301.1), and an older one brings all of the rest along once more.
 */
export class OtlpMetricExporter extends OTLPExporterBase<ResourceMetrics> implements PushMetricExporter {
  constructor(endpoint: string) {
    const url = `${endpoint.replace(/\/$/, '')}/v1/metrics`;
    const headers = { 'Content-Type': 'application/x-protobuf' };
    super(
      createOtlpHttpExportDelegate(
        convertLegacyHttpOptions({ url }, 'METRICS', 'v1/metrics', headers),
        ProtobufMetricsSerializer,
        'otlp_http_metric_exporter',
        MetricsExporterMetricsHelper,
        undefined,
      ),
    );
  }
}
