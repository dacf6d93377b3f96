import {
  type Attributes,
  type Context,
  context,
  isSpanContextValid,
  ROOT_CONTEXT,
  type Span,
  SpanKind,
  SpanStatusCode,
  TraceFlags,
  type Tracer,
  trace,
} from '@opentelemetry/api';
import type { RawStep } from './kind.ts';
import { reasonOf } from './reason.ts';
import { TaskAborted } from './task.ts';

// The same names as everywhere else in this system; copied, because the SDK stands on the wire alone.
export const ATTR_ORDER_ID = 'mallbots.order_id';
export const ATTR_CORRELATION_ID = 'mallbots.correlation_id';
export const ATTR_BOT_ID = 'mallbots.bot_id';
export const ATTR_TASK_ID = 'mallbots.task_id';
export const ATTR_FENCE = 'mallbots.fence';
/** Of the revision that a task is done and reported in. */
export const ATTR_KIND = 'mallbots.kind';
export const ATTR_REVISION = 'mallbots.revision';
export const ATTR_SCHEMA_DIGEST = 'mallbots.schema_digest';
/** What a bot reports, by the names of that revision, in the protobuf JSON mapping. */
export const ATTR_REPORT = 'mallbots.report';
export const ATTR_SESSION_ID = 'mallbots.session_id';
export const ATTR_EPOCH = 'mallbots.epoch';

/** W3C Trace Context level 1, version 00: `00-<trace id>-<span id>-<flags>`. */
const traceparentPattern = /^00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$/;

/** A context whose parent is the sender's span; the root context when `traceparent` is empty or malformed. */
export function contextOf(traceparent: string): Context {
  const match = traceparentPattern.exec(traceparent);
  if (!match) return ROOT_CONTEXT;
  const [, traceId, spanId, flags] = match as unknown as [string, string, string, string];
  const spanContext = {
    traceId,
    spanId,
    traceFlags: Number.parseInt(flags, 16) & TraceFlags.SAMPLED,
    isRemote: true,
  };
  return isSpanContextValid(spanContext) ? trace.setSpanContext(ROOT_CONTEXT, spanContext) : ROOT_CONTEXT;
}

function traceparentOf(span: Span): string {
  const { traceId, spanId, traceFlags } = span.spanContext();
  if (!isSpanContextValid(span.spanContext())) return '';
  return `00-${traceId}-${spanId}-${traceFlags.toString(16).padStart(2, '0')}`;
}

/** Where a step's reports go: the payload and the trace context of the step that it reports. */
export type Report = (payload: Uint8Array, traceparent: string) => Promise<void>;

/** Runs `work` in a span whose parent is in `parent`; `attributes` are on it and on every step below it. */
export async function traced<T>(
  tracer: Tracer,
  name: string,
  kind: SpanKind,
  parent: Context,
  attributes: { own: Attributes; all: Attributes },
  report: Report,
  work: (step: RawStep) => Promise<T>,
): Promise<T> {
  const span = tracer.startSpan(name, { kind, attributes: { ...attributes.own, ...attributes.all } }, parent);
  const inside = trace.setSpan(parent, span);
  // Without a tracer, what was heard is passed on: the bot's part is missing from the trace, not the rest.
  const traceparent = traceparentOf(span);
  const step: RawStep = {
    context: inside,
    traceparent,
    progress: (payload) => report(payload, traceparent),
    step: (child, own, childWork) =>
      traced(tracer, child, SpanKind.INTERNAL, inside, { own, all: attributes.all }, report, childWork),
  };
  try {
    return await context.with(inside, () => work(step));
  } catch (error) {
    if (error instanceof TaskAborted) span.addEvent('aborted', { why: error.why });
    else span.recordException(error instanceof Error ? error : reasonOf(error));
    // A bot that stops because it was told to has done what it should.
    if (!(error instanceof TaskAborted && error.why === 'cancelled')) {
      span.setStatus({ code: SpanStatusCode.ERROR, message: reasonOf(error) });
    }
    throw error;
  } finally {
    span.end();
  }
}
