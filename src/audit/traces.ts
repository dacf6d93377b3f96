import { existsSync, readFileSync } from 'node:fs';
import { ATTR_ORDER_ID, ATTR_ORDER_TRACE_UNKNOWN } from '../telemetry/attributes.ts';
import type { OrderFact, Violation } from './checks.ts';

/** The parts of OTLP JSON (`ExportTraceServiceRequest`) that are looked at here. */
interface OtlpRequest {
  resourceSpans?: Array<{
    resource?: { attributes?: OtlpAttribute[] };
    scopeSpans?: Array<{ spans?: OtlpSpan[] }>;
  }>;
}
interface OtlpSpan {
  traceId: string;
  spanId: string;
  parentSpanId?: string;
  name: string;
  attributes?: OtlpAttribute[];
  links?: Array<{ traceId: string }>;
}
interface OtlpAttribute {
  key: string;
  value: { stringValue?: string; boolValue?: boolean };
}

export interface SpanFact {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId: string;
  readonly name: string;
  readonly service: string;
  /** Empty where the span is about no order. */
  readonly orderId: string;
  readonly linkedTraceIds: readonly string[];
  /** A request about an order that could not be told which trace the order is in. */
  readonly traceUnknown: boolean;
}

export interface OrderTrace {
  readonly orderId: string;
  readonly traceId: string;
  readonly spans: number;
  readonly services: readonly string[];
}

/** Every span in a file of OTLP JSON lines. A last line that a killed process left half written is passed over. */
export function readSpans(file: string): SpanFact[] {
  if (!existsSync(file)) return [];
  return readFileSync(file, 'utf8')
    .split('\n')
    .flatMap((line) => (line === '' ? [] : spansOf(parse(line))));
}

function parse(line: string): OtlpRequest {
  try {
    return JSON.parse(line) as OtlpRequest;
  } catch {
    return {};
  }
}

function spansOf({ resourceSpans = [] }: OtlpRequest): SpanFact[] {
  return resourceSpans.flatMap(({ resource, scopeSpans = [] }) => {
    const service = attribute(resource?.attributes, 'service.name');
    return scopeSpans.flatMap(({ spans = [] }) =>
      spans.map(({ traceId, spanId, parentSpanId = '', name, attributes = [], links = [] }) => ({
        traceId,
        spanId,
        parentSpanId,
        name,
        service,
        orderId: attribute(attributes, ATTR_ORDER_ID),
        linkedTraceIds: links.map((link) => link.traceId),
        traceUnknown: attributes.some(({ key, value }) => key === ATTR_ORDER_TRACE_UNKNOWN && value.boolValue === true),
      })),
    );
  });
}

const attribute = (attributes: OtlpAttribute[] | undefined, key: string): string =>
  attributes?.find((candidate) => candidate.key === key)?.value.stringValue ?? '';

/** One trace per order: the one that its placing request began. */
export function orderTraces(orders: readonly OrderFact[], spans: readonly SpanFact[]): OrderTrace[] {
  const byTrace = Map.groupBy(spans, ({ traceId }) => traceId);
  return orders.map(({ orderId, traceId }) => {
    const own = byTrace.get(traceId) ?? [];
    return { orderId, traceId, spans: own.length, services: [...new Set(own.map(({ service }) => service))].sort() };
  });
}

/**
 * Every span about an order is in the order's trace, or in one that started on its own later (at the desk) and is linked to it. A trace
 * whose first span, which would have the link, went down with a killed process says nothing; nor does one that says that it could
 * not know the order's.
 */
export function checkTraces(orders: readonly OrderFact[], spans: readonly SpanFact[]): Violation[] {
  const linked = new Map<string, Set<string>>();
  for (const { traceId, linkedTraceIds } of spans) {
    for (const target of linkedTraceIds) linked.set(traceId, (linked.get(traceId) ?? new Set()).add(target));
  }
  const wouldBeLinked = new Set(
    spans.flatMap(({ parentSpanId, traceUnknown, traceId }) => (parentSpanId === '' && !traceUnknown ? [traceId] : [])),
  );
  const byOrder = Map.groupBy(spans, ({ orderId }) => orderId);
  return orders.flatMap(({ orderId, traceId }) => {
    const about = byOrder.get(orderId) ?? [];
    if (about.length === 0)
      return [{ rule: 'one trace per order', subject: orderId, message: 'no span names the order' }];
    const strays = about.filter(
      (span) => span.traceId !== traceId && wouldBeLinked.has(span.traceId) && !linked.get(span.traceId)?.has(traceId),
    );
    return strays.slice(0, 1).map(({ name, service, traceId: stray }) => ({
      rule: 'one trace per order',
      subject: orderId,
      message: `${strays.length} spans are outside of trace ${traceId}, the first "${name}" of ${service} in ${stray}`,
    }));
  });
}
