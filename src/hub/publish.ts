import { ROOT_CONTEXT, SpanKind, TraceFlags, type Tracer, trace } from '@opentelemetry/api';
import type { Broker } from '../broker/port.ts';
import { type Draft, seal } from '../contract/message.ts';
import { addressOf } from '../contract/topology.ts';
import { sending } from '../telemetry/attributes.ts';
import { fail } from '../telemetry/failure.ts';
import { formatTraceparent, parseTraceparent } from '../telemetry/propagation.ts';
import type { HubMetrics } from './hub-metrics.ts';

/** What the hub's messages carry as their source. */
export const source = '/hub';

export interface Report {
  readonly draft: Draft;
  /** The same for a resend. */
  readonly id: string;
  readonly causationId: string;
  /** Of the bot's span that it reports. */
  readonly traceparent: string;
  readonly botId: string;
}

export type Publish = (report: Report) => Promise<void>;

/**
 * Publishes what a bot reports, without a database in between: the bot keeps the frame until it is acknowledged, and it is acknowledged when
 * this resolves. Throws what `Broker.publish` throws.
 *
 * Every progress of every bot comes by here, so nothing is made that nobody reads: no span where the trace is not sampled, and no active
 * context, since the broker asks for none.
 */
export const publisher =
  ({ broker, metrics, tracer }: { broker: Broker; metrics: HubMetrics; tracer: Tracer }): Publish =>
  ({ draft, id, causationId, traceparent, botId }) => {
    const parent = parseTraceparent(traceparent);
    const message = seal(draft, { id, source, time: new Date(), causationId, traceparent });
    const to = addressOf(message.name);
    const startedAtMs = performance.now();
    const confirmed = () => metrics.published(performance.now() - startedAtMs);
    if (!parent || !(parent.traceFlags & TraceFlags.SAMPLED)) return broker.publish(to, message).then(confirmed);
    const { name, attributes } = sending(message, botId);
    const below = trace.setSpanContext(ROOT_CONTEXT, parent);
    const span = tracer.startSpan(name, { kind: SpanKind.PRODUCER, attributes }, below);
    return broker.publish(to, { ...message, traceparent: formatTraceparent(span.spanContext()) }).then(
      () => {
        span.end();
        confirmed();
      },
      (error: unknown) => {
        fail(span, error);
        span.end();
        throw error;
      },
    );
  };
