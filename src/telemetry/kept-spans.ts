import { type Context, SpanStatusCode, TraceFlags } from '@opentelemetry/api';
import type { ReadableSpan, Span, SpanProcessor } from '@opentelemetry/sdk-trace';
import { ATTR_RPC_STATUS_CODE } from '@opentelemetry/semantic-conventions/incubating';
import { ATTR_KEPT, ATTR_OUTCOME } from './attributes.ts';
import { isAnswer } from './failure.ts';

/**
 * Hands `inner` what is sampled, and of what is not sampled the spans that somebody looks for in any case: those that have failed, lost leases among them, and
 * those of messages that were parked. Such a span comes alone, with `mallbots.kept`: its parent and what followed are not exported.
 */
export class KeptSpans implements SpanProcessor {
  readonly #inner: SpanProcessor;

  constructor(inner: SpanProcessor) {
    this.#inner = inner;
  }

  onStart(span: Span, parentContext: Context): void {
    this.#inner.onStart(span, parentContext);
  }

  onEnd(span: ReadableSpan): void {
    const isSampled = (span.spanContext().traceFlags & TraceFlags.SAMPLED) !== 0;
    if (isSampled) this.#inner.onEnd(span);
    else if (isKept(span)) this.#inner.onEnd(asSampled(span));
  }

  forceFlush(): Promise<void> {
    return this.#inner.forceFlush();
  }

  shutdown(): Promise<void> {
    return this.#inner.shutdown();
  }
}

const isKept = ({ status, attributes }: ReadableSpan): boolean =>
  attributes[ATTR_OUTCOME] === 'parked' ||
  (status.code === SpanStatusCode.ERROR && !isAnswer(attributes[ATTR_RPC_STATUS_CODE]));

function asSampled(span: ReadableSpan): ReadableSpan {
  const spanContext = { ...span.spanContext(), traceFlags: TraceFlags.SAMPLED };
  const attributes = { ...span.attributes, [ATTR_KEPT]: true };
  return Object.create(span, { spanContext: { value: () => spanContext }, attributes: { value: attributes } });
}
