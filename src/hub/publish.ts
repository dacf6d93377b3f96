import { context, SpanKind, type Tracer, trace } from '@opentelemetry/api';
import type { Broker } from '../broker/port.ts';
import { type Draft, seal } from '../contract/message.ts';
import { addressOf } from '../contract/topology.ts';
import { sending } from '../telemetry/attributes.ts';
import { fail } from '../telemetry/failure.ts';
import { contextOf, traceparentOf } from '../telemetry/propagation.ts';

/** What the hub's messages carry as their source. */
export const source = '/hub';

export interface Report {
  readonly draft: Draft;
  /** The same for a resend. */
  readonly id: string;
  readonly causationId: string;
  /** Of the bot's span that it reports. */
  readonly traceparent: string;
}

export type Publish = (report: Report) => Promise<void>;

/**
 * Publishes what a bot reports, without a database in between: the bot keeps the frame until it is acknowledged, and it is acknowledged when
 * this resolves. Throws what `Broker.publish` throws.
 */
export const publisher =
  ({ broker, tracer }: { broker: Broker; tracer: Tracer }): Publish =>
  async ({ draft, id, causationId, traceparent }) => {
    const parent = contextOf(traceparent);
    const message = seal(draft, { id, source, time: new Date(), causationId, traceparent });
    const { name, attributes } = sending(message);
    const span = tracer.startSpan(name, { kind: SpanKind.PRODUCER, attributes }, parent);
    const active = trace.setSpan(parent, span);
    try {
      const sent = { ...message, traceparent: traceparentOf(active) };
      await context.with(active, () => broker.publish(addressOf(message.name), sent));
    } catch (error) {
      fail(span, error);
      throw error;
    } finally {
      span.end();
    }
  };
