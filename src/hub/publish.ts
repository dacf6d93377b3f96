import type { Tracer } from '@opentelemetry/api';
import type { Broker } from '../broker/port.ts';
import { publishTraced } from '../broker/publish-traced.ts';
import { type Draft, seal } from '../contract/message.ts';
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
 */
export const publisher =
  ({ broker, metrics, tracer }: { broker: Broker; metrics: HubMetrics; tracer: Tracer }): Publish =>
  ({ draft, id, causationId, traceparent, botId }) => {
    const message = seal(draft, { id, source, time: new Date(), causationId, traceparent });
    const startedAtMs = performance.now();
    const confirmed = () => metrics.published(performance.now() - startedAtMs);
    return publishTraced({ broker, tracer }, message, { botId }).then(confirmed);
  };
