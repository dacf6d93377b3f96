import { existsSync, readFileSync } from 'node:fs';
import {
  ATTR_MESSAGING_MESSAGE_ID,
  ATTR_MESSAGING_OPERATION_TYPE,
} from '@opentelemetry/semantic-conventions/incubating';
import { ATTR_CORRELATION_ID, ATTR_KEPT, ATTR_ORDER_TRACE_UNKNOWN } from '../telemetry/attributes.ts';
import { type OtlpTraces, orderOf, type RecordedSpan, recordedSpans, taskOf } from '../telemetry/recorded-span.ts';

export interface SpanFact {
  readonly traceId: string;
  readonly spanId: string;
  /** Empty where the trace begins. */
  readonly parentSpanId: string;
  readonly name: string;
  readonly service: string;
  /** Empty where the span is about no order. */
  readonly orderId: string;
  /** Empty where the span says none. */
  readonly correlationId: string;
  /** Empty where the span is about no task. */
  readonly taskId: string;
  readonly linkedTraceIds: readonly string[];
  readonly linkedSpanIds: readonly string[];
  /** A request about an order that could not be told which trace the order is in. */
  readonly traceUnknown: boolean;
  /** `send` or `process`, and of which message; empty where the span is of none. */
  readonly operation: string;
  readonly messageId: string;
}

/** Every span in a file of OTLP JSON lines. A last line that a killed process left half written is passed over. */
export function readRecorded(file: string): RecordedSpan[] {
  if (!existsSync(file)) return [];
  return readFileSync(file, 'utf8')
    .split('\n')
    .flatMap((line) => (line === '' ? [] : recordedSpans(parse(line))));
}

export const readSpans = (file: string): SpanFact[] => factsOf(readRecorded(file));

/** Without those that were kept out of a trace that is not sampled, because they failed: they stand alone and are part of no tree. */
export const factsOf = (spans: readonly RecordedSpan[]): SpanFact[] =>
  spans.filter(({ attributes }) => attributes[ATTR_KEPT] !== true).map(factOf);

function parse(line: string): OtlpTraces {
  try {
    return JSON.parse(line) as OtlpTraces;
  } catch {
    return {};
  }
}

const factOf = (span: RecordedSpan): SpanFact => ({
  traceId: span.traceId,
  spanId: span.spanId,
  parentSpanId: span.parentSpanId,
  name: span.name,
  service: span.service,
  orderId: orderOf(span),
  correlationId: String(span.attributes[ATTR_CORRELATION_ID] ?? ''),
  taskId: taskOf(span),
  linkedTraceIds: span.links.map((link) => link.traceId),
  linkedSpanIds: span.links.map((link) => link.spanId),
  traceUnknown: span.attributes[ATTR_ORDER_TRACE_UNKNOWN] === true,
  operation: String(span.attributes[ATTR_MESSAGING_OPERATION_TYPE] ?? ''),
  messageId: String(span.attributes[ATTR_MESSAGING_MESSAGE_ID] ?? ''),
});
