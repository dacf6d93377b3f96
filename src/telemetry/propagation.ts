import {
  type Context,
  context,
  createContextKey,
  isSpanContextValid,
  type Span,
  type SpanContext,
  TraceFlags,
  trace,
} from '@opentelemetry/api';
import { newId } from '../contract/ids.ts';
import { emptyContext } from './flat-context.ts';

/** W3C Trace Context level 1, version 00: `00-<trace id>-<span id>-<flags>`; an id of zeros is none. */
const traceparentPattern = /^00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$/;

/** The span context in `traceparent`; undefined when it is empty, malformed or all zeros. Baggage and tracestate are not taken from outside. */
export function parseTraceparent(traceparent: string | undefined): SpanContext | undefined {
  if (!traceparent || !traceparentPattern.test(traceparent)) return undefined;
  return {
    traceId: traceparent.slice(3, 35),
    spanId: traceparent.slice(36, 52),
    traceFlags: Number.parseInt(traceparent.slice(53), 16) & TraceFlags.SAMPLED,
    isRemote: true,
  };
}

/*
 * How trace context crosses a border: as this one header of HTTP, key of gRPC metadata and header of the broker, as the field of that name in a frame of a
 * stream and in an outbox row. Nothing else does: `baggage` and `tracestate` of others are neither read nor passed on.
 */
const traceHeader = 'traceparent';

/** What the headers of an HTTP request say; where one is repeated, the first counts. */
export function traceparentOfHeaders(
  headers: Readonly<Record<string, string | string[] | undefined>>,
): string | undefined {
  const value = headers[traceHeader];
  return Array.isArray(value) ? value[0] : value;
}

/** What the metadata of a gRPC call say. */
export const traceparentOfMetadata = (metadata: { get(key: string): Array<string | Buffer> }): string | undefined =>
  metadata.get(traceHeader)[0]?.toString();

/** Sends `span` along as the parent of what the call leads to. */
export function putInto(metadata: { set(key: string, value: string): void }, span: Span): void {
  metadata.set(traceHeader, formatTraceparent(span.spanContext()));
}

/** A context whose parent is the sender's span; the root context when there is none. */
export function contextOf(traceparent: string | undefined): Context {
  const spanContext = parseTraceparent(traceparent);
  return spanContext ? trace.setSpanContext(emptyContext, spanContext) : emptyContext;
}

/** What to send along: the active span as a traceparent, or an empty string outside of any span. */
export function traceparentOf(from: Context = context.active()): string {
  return formatTraceparent(trace.getSpanContext(from));
}

/** A span context as a traceparent; an empty string for none, or one that nobody records. */
export function formatTraceparent(spanContext: SpanContext | undefined): string {
  if (!spanContext || !isSpanContextValid(spanContext)) return '';
  const { traceId, spanId, traceFlags } = spanContext;
  return `00-${traceId}-${spanId}-${traceFlags.toString(16).padStart(2, '0')}`;
}

const untraced = createContextKey('mallbots.untraced');
/** Whether a context is of such, as far as this process knows. */
export const isUntraced = (of: Context): boolean => of.getValue(untraced) === true;

/** For what is asked several times a second and tells nobody anything: a parent that is not sampled, which keeps every role from recording it. */
export function unsampled(): Context {
  const traceId = newId().replaceAll('-', '');
  const spanContext = { traceId, spanId: traceId.slice(16), traceFlags: TraceFlags.NONE };
  return trace.setSpanContext(emptyContext, spanContext).setValue(untraced, true);
}
