import {
  type Attributes,
  type Context,
  type Span,
  type SpanContext,
  type SpanKind,
  type TimeInput,
  TraceFlags,
  type Tracer,
  trace,
} from '@opentelemetry/api';
import { BriefSpan, type SpanSink } from './brief-span.ts';
import type { Failing } from './failure.ts';
import { emptyContext } from './flat-context.ts';

export interface Beginning {
  readonly kind: SpanKind;
  /** Strings, numbers and booleans; the span's own from here on. */
  readonly attributes: Attributes;
  /** Now, by default. */
  readonly startTime?: TimeInput | undefined;
}

/**
 * As `tracer.startSpan`, for what is done thousands of times a second. The SDK looks into each attribute twice, for what ours never are (lists,
 * objects, cycles), which takes as long as all the rest of a span. No sampler of ours asks for attributes.
 */
export function startSpan(
  tracer: Tracer,
  name: string,
  { kind, attributes, startTime }: Beginning,
  parent: Context,
): Span {
  const span = tracer.startSpan(name, { kind, ...(startTime !== undefined && { startTime }) }, parent);
  if (!span.isRecording()) return span;
  if (!('attributes' in span)) return span.setAttributes(attributes);
  return Object.assign(span, { attributes });
}

/** Sinks of the tracers that go by the parent alone in whether a span is sampled. */
const sinks = new WeakMap<Tracer, SpanSink>();

export function takeBriefSpans(tracer: Tracer, sink: SpanSink): void {
  sinks.set(tracer, sink);
}

/** What is asked of a span that nothing is active in. */
export type Leaf = Pick<Span, 'spanContext' | 'end'> & Failing;

/** A span below its remote parent, or a root, that nothing is active in. */
export function startLeaf(tracer: Tracer, name: string, beginning: Beginning, parent: SpanContext | undefined): Leaf {
  const sink = sinks.get(tracer);
  if (sink && parent && parent.traceFlags & TraceFlags.SAMPLED && beginning.startTime === undefined) {
    return new BriefSpan({ name, ...beginning, parent }, sink);
  }
  return startSpan(tracer, name, beginning, parent ? trace.setSpanContext(emptyContext, parent) : emptyContext);
}
