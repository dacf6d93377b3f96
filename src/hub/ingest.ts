import { context, type Span, SpanKind, SpanStatusCode, type Tracer, trace } from '@opentelemetry/api';
import { ATTR_ERROR_TYPE } from '@opentelemetry/semantic-conventions/incubating';
import type { Logger } from 'pino';
import type { Broker, Delivery, Subscription } from '../broker/port.ts';
import { hubTasks } from '../contract/topology.ts';
import { backoffMs, pause } from '../kit/backoff.ts';
import { ATTR_TASK_ID, processing } from '../telemetry/attributes.ts';
import { contextOf, traceparentOf } from '../telemetry/propagation.ts';
import { Batch } from './batch.ts';
import type { Dispatch } from './dispatch.ts';
import type { Changed, Ledger } from './ledger.ts';
import { ingestPrefetch, maxIngestFlushes, retryBackoff } from './limits.ts';
import { readTask } from './read-request.ts';

export interface IngestPorts {
  readonly broker: Broker;
  readonly ledger: Ledger;
  readonly dispatch: Dispatch;
  readonly tracer: Tracer;
  readonly logger: Logger;
}

/**
 * Takes tasks from the broker into the table, and acknowledges them when they are committed: those that wait at the same moment in one
 * transaction. While the database is away they wait here, unacknowledged. What nobody could ever do is stored as POISON, and Depot is told.
 */
export async function startIngest({ broker, ledger, dispatch, tracer, logger }: IngestPorts): Promise<Subscription> {
  const stopping = new AbortController();
  const stores = (added: readonly Changed[]) => dispatch.placeNew((choose) => ledger.ingest(added, choose));
  const storesAll = async (added: readonly Changed[]) => {
    await stores(added);
    return added.map(() => undefined);
  };
  const batch = new Batch(ingestPrefetch, storesAll, maxIngestFlushes);

  async function take(delivery: Delivery): Promise<void> {
    const { message } = delivery;
    const parent = contextOf(message.traceparent);
    const { name, attributes } = processing(message, hubTasks);
    const span = tracer.startSpan(name, { kind: SpanKind.CONSUMER, attributes }, parent);
    const active = trace.setSpan(parent, span);
    await context.with(active, async () => {
      const added = readTask(message, traceparentOf(active), new Date());
      const { taskId, phase } = added.task;
      span.setAttribute(ATTR_TASK_ID, taskId);
      if (phase.state === 'POISON') {
        span.setAttribute(ATTR_ERROR_TYPE, 'POISON').setStatus({ code: SpanStatusCode.ERROR, message: phase.reason });
        logger.error({ message: message.id, reason: phase.reason }, 'task refused');
      }
      if (await stored(added, delivery, span)) delivery.ack();
      else delivery.requeue();
      span.end();
    });
  }

  async function stored(added: Changed, delivery: Delivery, span: Span): Promise<boolean> {
    for (let attempt = 1; !stopping.signal.aborted && !delivery.lost; attempt++) {
      try {
        // Alone after the first time: whatever is wrong with this one must not hold up its neighbours.
        if (attempt === 1) await batch.add(added);
        else await stores([added]);
        return true;
      } catch (error) {
        const waitMs = backoffMs(retryBackoff, attempt, Math.random());
        span.recordException(error as Error);
        logger.warn({ err: error, retryInMs: waitMs }, 'task is not stored; tried again');
        await pause(waitMs, stopping.signal);
      }
    }
    return false;
  }

  const subscription = await broker.consume(hubTasks, ingestPrefetch, (delivery) => void take(delivery));
  return {
    async drain() {
      stopping.abort();
      await subscription.drain();
    },
  };
}
