// What the configuration has of telemetry. Every command reads that, and most trace nothing: none of OpenTelemetry is loaded for it.

/** The values of `OTEL_TRACES_SAMPLER` that the specification names, without those that need a Jaeger or an X-Ray to ask. */
export const samplerNames = [
  'always_on',
  'always_off',
  'traceidratio',
  'parentbased_always_on',
  'parentbased_always_off',
  'parentbased_traceidratio',
] as const;
export type SamplerName = (typeof samplerNames)[number];

/** The values of `OTEL_EXPORTER_OTLP_PROTOCOL` that are spoken: of the specification's, not `grpc`. */
export const otlpProtocols = ['http/protobuf', 'http/json'] as const;
export type OtlpProtocol = (typeof otlpProtocols)[number];

/**
 * Bytes of a file and its older part together: the traces of the last thousand orders at hand (100 kB each), the metrics of half a day, the disk
 * never full.
 */
export const defaultMaxFileBytes = 128 * 1024 * 1024;
