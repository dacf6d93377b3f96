import type { Attributes, AttributeValue, HrTime, Link, SpanContext, SpanKind, SpanStatus } from '@opentelemetry/api';
import { SpanStatusCode, TraceFlags } from '@opentelemetry/api';
import { addHrTimes, hrTimeDuration, type InstrumentationScope, millisToHrTime } from '@opentelemetry/core';
import type { Resource } from '@opentelemetry/resources';
import { RandomIdGenerator, type ReadableSpan, type TimedEvent } from '@opentelemetry/sdk-trace';
import {
  ATTR_EXCEPTION_MESSAGE,
  ATTR_EXCEPTION_STACKTRACE,
  ATTR_EXCEPTION_TYPE,
} from '@opentelemetry/semantic-conventions';

/** Where the spans of one role go. */
export interface SpanSink {
  readonly resource: Resource;
  readonly scope: InstrumentationScope;
  readonly onEnd: (span: ReadableSpan) => void;
}

export interface BriefBeginning {
  readonly name: string;
  readonly kind: SpanKind;
  /** Strings, numbers and booleans; the span's own from here on. */
  readonly attributes: Attributes;
  /** Sampled. */
  readonly parent: SpanContext;
}

const ids = new RandomIdGenerator();
const none: never[] = [];

/**
 * A sampled span that nothing is active in, of which nobody asks more than its end or its failure: what the exporters read, without the SDK's
 * questions to samplers, limits and meters, which take five times as long as the span itself.
 */
export class BriefSpan implements ReadableSpan {
  readonly name: string;
  readonly kind: SpanKind;
  readonly attributes: Attributes;
  readonly parentSpanContext: SpanContext;
  readonly startTime: HrTime;
  readonly resource: Resource;
  readonly instrumentationScope: InstrumentationScope;
  readonly links: Link[] = none;
  readonly droppedAttributesCount = 0;
  readonly droppedEventsCount = 0;
  readonly droppedLinksCount = 0;
  readonly #startedAtMs = performance.now();
  readonly #context: SpanContext;
  readonly #onEnd: SpanSink['onEnd'];
  events: TimedEvent[] = none;
  status: SpanStatus = { code: SpanStatusCode.UNSET };
  endTime: HrTime = [0, 0];
  ended = false;

  constructor({ name, kind, attributes, parent }: BriefBeginning, { resource, scope, onEnd }: SpanSink) {
    this.name = name;
    this.kind = kind;
    this.attributes = attributes;
    this.parentSpanContext = parent;
    this.#context = { traceId: parent.traceId, spanId: ids.generateSpanId(), traceFlags: TraceFlags.SAMPLED };
    this.startTime = millisToHrTime(Date.now());
    this.resource = resource;
    this.instrumentationScope = scope;
    this.#onEnd = onEnd;
  }

  spanContext(): SpanContext {
    return this.#context;
  }

  get duration(): HrTime {
    return hrTimeDuration(this.startTime, this.endTime);
  }

  setAttribute(key: string, value: AttributeValue): void {
    this.attributes[key] = value;
  }

  setStatus(status: SpanStatus): void {
    this.status = status;
  }

  recordException({ name, code = name, message, stack = '' }: Error & { readonly code?: string | number }): void {
    const attributes = {
      [ATTR_EXCEPTION_TYPE]: String(code),
      [ATTR_EXCEPTION_MESSAGE]: message,
      [ATTR_EXCEPTION_STACKTRACE]: stack,
    };
    this.events = [...this.events, { name: 'exception', time: this.#now(), attributes }];
  }

  end(): void {
    this.endTime = this.#now();
    this.ended = true;
    this.#onEnd(this);
  }

  /** The start by the wall's clock, what follows by the one that nobody sets back. */
  #now(): HrTime {
    return addHrTimes(this.startTime, millisToHrTime(performance.now() - this.#startedAtMs));
  }
}
