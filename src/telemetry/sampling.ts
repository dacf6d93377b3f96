import { type Attributes, type Context, type Link, type SpanKind, TraceFlags, trace } from '@opentelemetry/api';
import {
  AlwaysOffSampler,
  AlwaysOnSampler,
  ParentBasedSampler,
  type Sampler,
  SamplingDecision,
  type SamplingResult,
  TraceIdRatioBasedSampler,
} from '@opentelemetry/sdk-trace';
import { isUntraced } from './propagation.ts';
import type { SamplerName } from './settings.ts';

/** A span below a sampled one is sampled. */
export const isParentBased = (name: SamplerName): boolean => name.startsWith('parentbased_');

/** Whether the trace that a span begins, or that it comes into, is exported. `ratio` is the share of traces, 0 to 1, for those that take one. */
export function createSampler(name: SamplerName, ratio: number): Sampler {
  const root = name.endsWith('_on')
    ? new AlwaysOnSampler()
    : name.endsWith('_off')
      ? new AlwaysOffSampler()
      : new TraceIdRatioBasedSampler(ratio);
  return isParentBased(name)
    ? new RecordingSampler(new ParentBasedSampler({ root }), true)
    : new RecordingSampler(root, false);
}

/**
 * Records what `inner` drops, so that its end can tell whether it is kept (`kept-spans`); nothing below it is sampled for that. What is asked for several
 * times a second and tells nobody anything (`unsampled`) is not even recorded. A trace that begins with a link goes with the one that it is
 * linked to: half a story is none.
 */
class RecordingSampler implements Sampler {
  readonly #inner: Sampler;
  readonly #isParentBased: boolean;

  constructor(inner: Sampler, isParentBased: boolean) {
    this.#inner = inner;
    this.#isParentBased = isParentBased;
  }

  shouldSample(
    context: Context,
    traceId: string,
    name: string,
    kind: SpanKind,
    attributes: Attributes,
    links: Link[],
  ): SamplingResult {
    if (isUntraced(context)) return { decision: SamplingDecision.NOT_RECORD };
    const [earlier] = links;
    if (this.#isParentBased && earlier && !trace.getSpanContext(context)) {
      const isSampled = (earlier.context.traceFlags & TraceFlags.SAMPLED) !== 0;
      return { decision: isSampled ? SamplingDecision.RECORD_AND_SAMPLED : SamplingDecision.RECORD };
    }
    const result = this.#inner.shouldSample(context, traceId, name, kind, attributes, links);
    return result.decision === SamplingDecision.NOT_RECORD ? { ...result, decision: SamplingDecision.RECORD } : result;
  }

  toString(): string {
    return `Recording{${this.#inner}}`;
  }
}
