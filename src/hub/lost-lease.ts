import { SpanKind, SpanStatusCode, type Tracer } from '@opentelemetry/api';
import { ATTR_ERROR_TYPE } from '@opentelemetry/semantic-conventions/incubating';
import { contextOf } from '../telemetry/propagation.ts';
import type { HubMetrics } from './hub-metrics.ts';
import { taskAttributes } from './task-attributes.ts';
import { readTransition } from './transition.ts';

/** `metrics`, and for each lease that ends without a result a failed span in its order's trace: somebody looks for those, and they are always kept. */
export const withLossesTraced = (metrics: HubMetrics, tracer: Tracer): HubMetrics => ({
  ...metrics,
  changed(before, input, after) {
    metrics.changed(before, input, after);
    const { lost } = readTransition(before.phase.state, input, after.phase.state);
    if (!lost) return;
    const botId = 'botId' in before.phase ? before.phase.botId : '';
    const attributes = { ...taskAttributes(before, { botId, sessionId: '' }), [ATTR_ERROR_TYPE]: `lease_${lost}` };
    const span = tracer.startSpan(
      `lose ${before.schema.kind}`,
      { kind: SpanKind.INTERNAL, attributes },
      contextOf(before.traceparent),
    );
    span.setStatus({
      code: SpanStatusCode.ERROR,
      message: `the lease ended without a result: ${lost}; the task is ${after.phase.state}`,
    });
    span.end();
  },
});
