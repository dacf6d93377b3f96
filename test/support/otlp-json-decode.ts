import type { ReceivedMetric, ReceivedSpan } from './otlp-decode.ts';

/** OTLP in JSON as the specification has it: ids in hex, 64-bit numbers as text, enumerations as numbers. Independent of the exporter and of the program's own reader. */
interface Any {
  readonly stringValue?: string;
  readonly boolValue?: boolean;
  readonly intValue?: string | number;
  readonly doubleValue?: number;
}
type Attributes = ReadonlyArray<{ readonly key: string; readonly value: Any }>;
interface JsonSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly name: string;
  readonly kind: number;
  readonly startTimeUnixNano: string;
  readonly endTimeUnixNano: string;
  readonly attributes?: Attributes;
  readonly links?: ReadonlyArray<{ readonly traceId: string; readonly spanId: string }>;
  readonly status?: { readonly code?: number };
}
interface JsonRequest {
  readonly resourceSpans: ReadonlyArray<{
    readonly resource: { readonly attributes: Attributes };
    readonly scopeSpans: ReadonlyArray<{ readonly spans: readonly JsonSpan[] }>;
  }>;
}

interface JsonPoint {
  readonly attributes?: Attributes;
  readonly asInt?: string | number;
  readonly asDouble?: number;
  readonly sum?: number;
  readonly count?: string | number;
  readonly explicitBounds?: readonly number[];
  readonly bucketCounts?: ReadonlyArray<string | number>;
}
interface JsonData {
  readonly isMonotonic?: boolean;
  readonly dataPoints: readonly JsonPoint[];
}
interface JsonMetric {
  readonly name: string;
  readonly description?: string;
  readonly unit?: string;
  readonly gauge?: JsonData;
  readonly sum?: JsonData;
  readonly histogram?: JsonData;
}
interface JsonMetricsRequest {
  readonly resourceMetrics: ReadonlyArray<{
    readonly resource: { readonly attributes: Attributes };
    readonly scopeMetrics: ReadonlyArray<{ readonly metrics: readonly JsonMetric[] }>;
  }>;
}

const plain = ({ stringValue, boolValue, intValue, doubleValue }: Any): unknown =>
  stringValue ?? boolValue ?? doubleValue ?? (intValue === undefined ? undefined : Number(intValue));
const attributesOf = (attributes: Attributes = []): Record<string, unknown> =>
  Object.fromEntries(attributes.map(({ key, value }) => [key, plain(value)]));
function hex(id: string, digits: number): string {
  if (!new RegExp(`^[0-9a-f]{${digits}}$`).test(id))
    throw new Error(`"${id}" is no id of ${digits} hexadecimal digits`);
  return id;
}

export function jsonSpansOf(body: Uint8Array): ReceivedSpan[] {
  const { resourceSpans } = JSON.parse(Buffer.from(body).toString('utf8')) as JsonRequest;
  return resourceSpans.flatMap(({ resource, scopeSpans }) =>
    scopeSpans.flatMap(({ spans }) =>
      spans.map((span) => ({
        service: String(attributesOf(resource.attributes)['service.name']),
        traceId: hex(span.traceId, 32),
        spanId: hex(span.spanId, 16),
        parentSpanId: span.parentSpanId ? hex(span.parentSpanId, 16) : '',
        name: span.name,
        kind: span.kind,
        startTimeUnixNano: BigInt(span.startTimeUnixNano),
        endTimeUnixNano: BigInt(span.endTimeUnixNano),
        attributes: attributesOf(span.attributes),
        links: (span.links ?? []).map(({ traceId, spanId }) => ({
          traceId: hex(traceId, 32),
          spanId: hex(spanId, 16),
        })),
        statusCode: span.status?.code ?? 0,
      })),
    ),
  );
}

export function jsonMetricsOf(body: Uint8Array): ReceivedMetric[] {
  const { resourceMetrics } = JSON.parse(Buffer.from(body).toString('utf8')) as JsonMetricsRequest;
  return resourceMetrics.flatMap(({ resource, scopeMetrics }) =>
    scopeMetrics.flatMap(({ metrics }) =>
      metrics.map((metric) => {
        const type = (['gauge', 'sum', 'histogram'] as const).find((name) => metric[name])!;
        const { isMonotonic = false, dataPoints } = metric[type]!;
        return {
          service: String(attributesOf(resource.attributes)['service.name']),
          ...{ name: metric.name, description: metric.description ?? '', unit: metric.unit ?? '' },
          ...{ type, monotonic: isMonotonic },
          points: dataPoints.map((point) => ({
            attributes: attributesOf(point.attributes),
            value: Number(point.asDouble ?? point.asInt ?? point.sum ?? 0),
            count: Number(point.count ?? 0),
            bounds: [...(point.explicitBounds ?? [])],
            buckets: (point.bucketCounts ?? []).map(Number),
          })),
        };
      }),
    ),
  );
}
