import { ATTR_SERVICE_NAME } from '@opentelemetry/semantic-conventions/incubating';
import { ATTR_ORDER_ID, ATTR_TASK_ID } from './attributes.ts';

/** The parts of OTLP JSON (`ExportTraceServiceRequest`, which is `TracesData`) that are read here; the rest passes through. */
export interface OtlpTraces {
  resourceSpans?: OtlpResourceSpans[];
}
export interface OtlpResourceSpans {
  resource?: { attributes?: OtlpAttribute[] };
  scopeSpans?: Array<{ scope?: object; spans?: OtlpSpan[] }>;
}
export interface OtlpSpan {
  traceId: string;
  spanId: string;
  parentSpanId?: string;
  name: string;
  /** Numbers are what the specification asks for; names are what a general protobuf library makes of them. */
  kind?: number | string;
  startTimeUnixNano?: string | number;
  endTimeUnixNano?: string | number;
  attributes?: OtlpAttribute[];
  events?: Array<{ name?: string; timeUnixNano?: string | number; attributes?: OtlpAttribute[] }>;
  links?: Array<{ traceId: string; spanId: string }>;
  status?: { code?: number | string; message?: string };
}
export interface OtlpAttribute {
  key: string;
  value?: { stringValue?: string; boolValue?: boolean; intValue?: string | number; doubleValue?: number };
}

export type SpanKindName = 'internal' | 'server' | 'client' | 'producer' | 'consumer';
export type AttributeValue = string | number | boolean;

/** A span that somebody has exported. */
export interface RecordedSpan {
  readonly traceId: string;
  readonly spanId: string;
  /** Empty where the trace begins. */
  readonly parentSpanId: string;
  readonly name: string;
  readonly service: string;
  readonly kind: SpanKindName;
  /** Microseconds since 1970: whole numbers, so that sums of differences are exact. */
  readonly startUs: number;
  readonly endUs: number;
  readonly attributes: Readonly<Record<string, AttributeValue>>;
  readonly links: ReadonlyArray<{ readonly traceId: string; readonly spanId: string }>;
  readonly events: ReadonlyArray<{
    readonly name: string;
    readonly atUs: number;
    readonly attributes: Readonly<Record<string, AttributeValue>>;
  }>;
  readonly failed: boolean;
  /** Why it failed, where it says so. */
  readonly message: string;
  /** As it was exported, for who passes it on. */
  readonly otlp: OtlpSpan;
  readonly from: { readonly resource: OtlpResourceSpans['resource']; readonly scope: object | undefined };
}

const kindNames: readonly SpanKindName[] = ['internal', 'internal', 'server', 'client', 'producer', 'consumer'];

/** Every span of one OTLP JSON document. */
export function recordedSpans({ resourceSpans = [] }: OtlpTraces): RecordedSpan[] {
  return resourceSpans.flatMap(({ resource, scopeSpans = [] }) => {
    const service = String(valuesOf(resource?.attributes)[ATTR_SERVICE_NAME] ?? '');
    return scopeSpans.flatMap(({ scope, spans = [] }) =>
      spans.map((span) => recorded(span, service, { resource, scope })),
    );
  });
}

function recorded(otlp: OtlpSpan, service: string, from: RecordedSpan['from']): RecordedSpan {
  const { traceId, spanId, parentSpanId = '', name, attributes, events = [], links = [], status } = otlp;
  const startUs = microseconds(otlp.startTimeUnixNano);
  return {
    ...{ traceId, spanId, parentSpanId, name, service, links, otlp, from },
    kind: kindOf(otlp.kind),
    startUs,
    endUs: Math.max(startUs, microseconds(otlp.endTimeUnixNano)),
    attributes: valuesOf(attributes),
    events: events.map((event) => ({
      name: event.name ?? '',
      atUs: microseconds(event.timeUnixNano),
      attributes: valuesOf(event.attributes),
    })),
    failed: status?.code === 2 || status?.code === 'STATUS_CODE_ERROR',
    message: status?.message ?? '',
  };
}

const kindOf = (kind: number | string | undefined): SpanKindName =>
  typeof kind === 'string'
    ? (kindNames.find((name) => kind === `SPAN_KIND_${name.toUpperCase()}`) ?? 'internal')
    : (kindNames[kind ?? 0] ?? 'internal');

const microseconds = (nanoseconds: string | number | undefined): number =>
  /^\d+$/.test(String(nanoseconds ?? '')) ? Number(BigInt(nanoseconds!) / 1_000n) : 0;

function valuesOf(attributes: readonly OtlpAttribute[] = []): Record<string, AttributeValue> {
  return Object.fromEntries(
    attributes.map(({ key, value = {} }) => [
      key,
      value.stringValue ?? value.boolValue ?? value.doubleValue ?? Number(value.intValue ?? 0),
    ]),
  );
}

/** Spans as one OTLP JSON document, each resource and scope once. */
export function otlpDocument(spans: readonly RecordedSpan[]): OtlpTraces {
  const byResource = Map.groupBy(spans, ({ from: { resource, scope } }) => JSON.stringify([resource, scope]));
  return {
    resourceSpans: [...byResource.values()].map((group) => ({
      resource: group[0]!.from.resource ?? {},
      scopeSpans: [{ scope: group[0]!.from.scope ?? {}, spans: group.map(({ otlp }) => otlp) }],
    })),
  };
}

const named = (span: RecordedSpan, key: string): string => String(span.attributes[key] ?? '');
/** Empty where the span is about no order, or no task. */
export const orderOf = (span: RecordedSpan): string => named(span, ATTR_ORDER_ID);
export const taskOf = (span: RecordedSpan): string => named(span, ATTR_TASK_ID);
