import { SpanKind, TraceFlags, type Tracer } from '@opentelemetry/api';
import type { Message } from '../contract/message.ts';
import { addressOf } from '../contract/topology.ts';
import { ATTR_ATTEMPT, sending } from '../telemetry/attributes.ts';
import { fail } from '../telemetry/failure.ts';
import { formatTraceparent, parseTraceparent } from '../telemetry/propagation.ts';
import { startLeaf } from '../telemetry/start-span.ts';
import type { Broker } from './port.ts';

export interface Sender {
  readonly broker: Broker;
  readonly tracer: Tracer;
}

/**
 * Publishes `message` in a producer span below its sender's, and its receivers' spans go below that. Throws what `Broker.publish` throws.
 *
 * Every progress of every bot comes by here, so nothing is made that nobody reads: no span where the trace is not sampled, and no active
 * context, since the broker asks for none. `botId` saves finding it out, `attempt` is told from the second on.
 */
export function publishTraced(
  { broker, tracer }: Sender,
  message: Message,
  { botId, attempt = 1 }: { readonly botId?: string; readonly attempt?: number } = {},
): Promise<void> {
  const parent = parseTraceparent(message.traceparent);
  const to = addressOf(message.name);
  const begin = (startTime?: number) => {
    const { name, attributes } = sending(message, botId);
    if (attempt > 1) attributes[ATTR_ATTEMPT] = attempt;
    return startLeaf(tracer, name, { kind: SpanKind.PRODUCER, attributes, startTime }, parent);
  };
  if (parent && !(parent.traceFlags & TraceFlags.SAMPLED)) {
    const startedAt = Date.now();
    return broker.publish(to, message).catch((error: unknown) => {
      // Failures are kept: only then is there a span.
      const span = begin(startedAt);
      fail(span, error);
      span.end();
      throw error;
    });
  }
  const span = begin();
  return broker.publish(to, { ...message, traceparent: formatTraceparent(span.spanContext()) }).then(
    () => span.end(),
    (error: unknown) => {
      fail(span, error);
      span.end();
      throw error;
    },
  );
}
