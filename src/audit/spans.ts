import { existsSync, readFileSync } from 'node:fs';
import {
  ATTR_MESSAGING_MESSAGE_ID,
  ATTR_MESSAGING_OPERATION_TYPE,
  ATTR_SERVICE_NAME,
} from '@opentelemetry/semantic-conventions/incubating';
import { ATTR_ORDER_ID, ATTR_ORDER_TRACE_UNKNOWN } from '../telemetry/attributes.ts';

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
  /** Empty where the trace begins. */
  readonly parentSpanId: string;
  readonly name: string;
  readonly service: string;
  /** Empty where the span is about no order. */
  readonly orderId: string;
  readonly linkedTraceIds: readonly string[];
  /** A request about an order that could not be told which trace the order is in. */
  readonly traceUnknown: boolean;
  /** `send` or `process`, and of which message; empty where the span is of none. */
  readonly operation: string;
  readonly messageId: string;
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
    const service = attribute(resource?.attributes, ATTR_SERVICE_NAME);
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
        operation: attribute(attributes, ATTR_MESSAGING_OPERATION_TYPE),
        messageId: attribute(attributes, ATTR_MESSAGING_MESSAGE_ID),
      })),
    );
  });
}

const attribute = (attributes: OtlpAttribute[] | undefined, key: string): string =>
  attributes?.find((candidate) => candidate.key === key)?.value.stringValue ?? '';
