import { type Attributes, type Span, type SpanContext, SpanKind, type Tracer, trace } from '@opentelemetry/api';
import { contextOf, formatTraceparent, parseTraceparent } from './propagation.ts';

/*
 * What starts later on its own is a trace of its own, and both say so: the later one links to the one that it comes from, and that one gets a link to
 * the later one, on a span that is still open there or on a short one of its own.
 */

export interface LaterTrace {
  readonly traceparent: string;
  /** What it begins with is certain now: until then nothing is exported, and nothing is linked. */
  readonly begun: () => void;
}

/** What the names of those short spans begin with. */
export const linkPrefix = 'link ';

/** A trace of its own that `name` begins, on account of the active span; call `begun` while that is active. */
export function beginLinkedTrace(tracer: Tracer, name: string, attributes: Attributes): LaterTrace {
  const from = trace.getActiveSpan();
  const links = from ? [{ context: from.spanContext() }] : [];
  const span = tracer.startSpan(name, { root: true, kind: SpanKind.INTERNAL, attributes, links });
  return {
    traceparent: formatTraceparent(span.spanContext()),
    begun() {
      from?.addLink({ context: span.spanContext() });
      span.end();
    },
  };
}

/** Links `later`, a span of a trace of its own, with the trace of `traceparent` in both directions. Nothing is done where it is that trace. */
export function linkBothWays(tracer: Tracer, later: Span, traceparent: string, attributes: Attributes): void {
  const earlier = parseTraceparent(traceparent);
  if (!earlier || earlier.traceId === later.spanContext().traceId) return;
  later.addLink({ context: earlier });
  noteIn(tracer, traceparent, `${linkPrefix}${nameOf(later)}`, later.spanContext(), attributes);
}

/** A short span in the trace of `traceparent`, where there is one, that leads to `later`. */
export function noteIn(
  tracer: Tracer,
  traceparent: string,
  name: string,
  later: SpanContext | undefined,
  attributes: Attributes,
): void {
  if (!parseTraceparent(traceparent)) return;
  const options = { kind: SpanKind.INTERNAL, attributes, links: later ? [{ context: later }] : [] };
  tracer.startSpan(name, options, contextOf(traceparent)).end();
}

/** The SDK's spans tell their name; those that are not recorded have none. */
const nameOf = (span: Span): string => (span as { name?: string }).name ?? '';
