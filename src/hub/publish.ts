import { SpanKind, SpanStatusCode, type Tracer, trace } from '@opentelemetry/api';
import type { Broker } from '../broker/port.ts';
import { type Draft, type Message, seal } from '../contract/message.ts';
import { addressOf } from '../contract/topology.ts';
import { ATTR_BOT_ID, messagingAttributes } from '../telemetry/attributes.ts';
import { contextOf, traceparentOf } from '../telemetry/propagation.ts';

/** What the hub's messages carry as their source. */
export const source = '/hub';

export interface Report {
  readonly draft: Draft;
  /** The same for a resend. */
  readonly id: string;
  readonly botId: string;
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
  async ({ draft, id, botId, causationId, traceparent }) => {
    const address = addressOf(draft.name);
    const parent = contextOf(traceparent);
    const span = tracer.startSpan(`send ${address.exchange}`, { kind: SpanKind.PRODUCER }, parent);
    const sender = traceparentOf(trace.setSpan(parent, span));
    const message: Message = seal(draft, { id, source, time: new Date(), causationId, traceparent: sender });
    span.setAttributes({ ...messagingAttributes('send', address.exchange, message), [ATTR_BOT_ID]: botId });
    try {
      await broker.publish(address, message);
    } catch (error) {
      span.setStatus({ code: SpanStatusCode.ERROR, message: (error as Error).message });
      throw error;
    } finally {
      span.end();
    }
  };
