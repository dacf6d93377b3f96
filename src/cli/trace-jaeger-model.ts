import type { OtlpAttribute, OtlpSpan, OtlpTraces } from '../telemetry/recorded-span.ts';

/** Jaeger's own JSON of a trace, in which the older of its query APIs answers: https://www.jaegertracing.io/docs/latest/apis/ */
export interface JaegerTrace {
  traceID: string;
  spans?: JaegerSpan[];
  processes?: Record<string, { serviceName?: string; tags?: JaegerTag[] }>;
}
export interface JaegerSpan {
  traceID: string;
  spanID: string;
  operationName: string;
  references?: Array<{ refType?: string; traceID: string; spanID: string }>;
  /** Microseconds since 1970. */
  startTime?: number;
  /** Microseconds. */
  duration?: number;
  tags?: JaegerTag[];
  logs?: Array<{ timestamp?: number; fields?: JaegerTag[] }>;
  processID?: string;
}
export interface JaegerTag {
  key: string;
  type?: string;
  value?: unknown;
}

/** Where Jaeger keeps what OTLP has fields for (https://opentelemetry.io/docs/specs/otel/trace/sdk_exporters/jaeger/). */
const ofFields = new Set([
  'span.kind',
  'error',
  'otel.status_code',
  'otel.status_description',
  'otel.scope.name',
  'otel.scope.version',
]);

/** A trace id of 64 bits comes in half the digits. */
const traceIdOf = (id: string): string => id.toLowerCase().padStart(32, '0');
const spanIdOf = (id: string): string => id.toLowerCase().padStart(16, '0');

/** The same in OTLP JSON: each process as a resource. */
export function otlpOf(traces: readonly JaegerTrace[]): OtlpTraces {
  return {
    resourceSpans: traces.flatMap(({ spans = [], processes = {} }) =>
      [...Map.groupBy(spans, ({ processID = '' }) => processID)].map(([id, ofProcess]) => {
        const { serviceName = '', tags = [] } = processes[id] ?? {};
        const service = { key: 'service.name', value: { stringValue: serviceName } };
        return {
          resource: { attributes: [service, ...tags.map(attributeOf)] },
          scopeSpans: [{ scope: {}, spans: ofProcess.map(spanOf) }],
        };
      }),
    ),
  };
}

function spanOf(span: JaegerSpan): OtlpSpan {
  const { references = [], tags = [], logs = [], startTime = 0, duration = 0 } = span;
  const tag = (key: string) => tags.find((candidate) => candidate.key === key)?.value;
  const traceId = traceIdOf(span.traceID);
  const referred = references.map((reference) => ({
    isParent: reference.refType === 'CHILD_OF' && traceIdOf(reference.traceID) === traceId,
    traceId: traceIdOf(reference.traceID),
    spanId: spanIdOf(reference.spanID),
  }));
  const parent = referred.find(({ isParent }) => isParent);
  const failed = tag('otel.status_code') === 'ERROR' || tag('error') === true || tag('error') === 'true';
  return {
    traceId,
    spanId: spanIdOf(span.spanID),
    ...(parent && { parentSpanId: parent.spanId }),
    name: span.operationName,
    kind: `SPAN_KIND_${String(tag('span.kind') ?? 'internal').toUpperCase()}`,
    startTimeUnixNano: nanoseconds(startTime),
    endTimeUnixNano: nanoseconds(startTime + duration),
    attributes: tags.filter(({ key }) => !ofFields.has(key)).map(attributeOf),
    events: logs.map(({ timestamp = 0, fields = [] }) => ({
      name: String(fields.find(({ key }) => key === 'event')?.value ?? ''),
      timeUnixNano: nanoseconds(timestamp),
      attributes: fields.filter(({ key }) => key !== 'event').map(attributeOf),
    })),
    links: referred.filter((reference) => reference !== parent).map(({ traceId, spanId }) => ({ traceId, spanId })),
    status: failed ? { code: 2, message: String(tag('otel.status_description') ?? '') } : {},
  };
}

const nanoseconds = (us: number): string => String(BigInt(Math.round(us)) * 1_000n);

function attributeOf({ key, value }: JaegerTag): OtlpAttribute {
  if (typeof value === 'boolean') return { key, value: { boolValue: value } };
  if (typeof value === 'number')
    return { key, value: Number.isInteger(value) ? { intValue: String(value) } : { doubleValue: value } };
  return { key, value: { stringValue: typeof value === 'string' ? value : JSON.stringify(value ?? '') } };
}
