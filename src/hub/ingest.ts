import { context, type Span, SpanKind, SpanStatusCode, type Tracer, trace } from '@opentelemetry/api';
import { ATTR_ERROR_TYPE } from '@opentelemetry/semantic-conventions/incubating';
import type { Logger } from 'pino';
import type { Broker, Delivery, Subscription } from '../broker/port.ts';
import { hubTasks } from '../contract/topology.ts';
import { backoffMs, pause } from '../kit/backoff.ts';
import { ATTR_TASK_ID, aboutMessage, processing } from '../telemetry/attributes.ts';
import { contextOf, traceparentOf } from '../telemetry/propagation.ts';
import { Batch } from './batch.ts';
import type { CancelTask } from './cancel.ts';
import type { Changed } from './change.ts';
import type { Dispatch } from './dispatch.ts';
import type { Ledger } from './ledger.ts';
import { ingestPrefetch, maxIngestFlushes, retryBackoff } from './limits.ts';
import type { Catalogue } from './protocol/catalogue.ts';
import { readCancel, readTask } from './read-request.ts';

export interface IngestPorts {
  readonly broker: Broker;
  readonly ledger: Ledger;
  readonly dispatch: Dispatch;
  readonly cancelTask: CancelTask;
  readonly catalogue: Pick<Catalogue, 'view' | 'refresh'>;
  readonly tracer: Tracer;
  readonly logger: Logger;
}

/**
 * Takes tasks from the broker into the table, and acknowledges them when they are committed: those that wait at the same moment in one
 * transaction. While the database is away they wait here, unacknowledged. What nobody could ever do is stored as POISON, and Depot is told.
 */
export async function startIngest({
  broker,
  ledger,
  dispatch,
  cancelTask,
  catalogue,
  tracer,
  logger,
}: IngestPorts): Promise<Subscription> {
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
      const cancel = readCancel(message, traceparentOf(active), new Date());
      const read = () => cancel ?? readTask(message, traceparentOf(active), new Date(), catalogue.view);
      let asked = read();
      // A revision that was published a moment ago may come here with its first task.
      if (
        !cancel &&
        asked.task.phase.state === 'POISON' &&
        (await untilDone(delivery, span, () => catalogue.refresh()))
      )
        asked = read();
      const { taskId, phase } = asked.task;
      span.setAttribute(ATTR_TASK_ID, taskId);
      if (phase.state === 'POISON') {
        span.setAttribute(ATTR_ERROR_TYPE, 'POISON').setStatus({ code: SpanStatusCode.ERROR, message: phase.reason });
        const about = { ...aboutMessage(message), [ATTR_TASK_ID]: taskId, message: message.id };
        logger.error({ ...about, reason: phase.reason }, 'task refused');
      }
      // Alone after the first time: whatever is wrong with this one must not hold up its neighbours.
      const store = (attempt: number) => (attempt === 1 ? batch.add(asked) : stores([asked]));
      if (await untilDone(delivery, span, cancel ? () => ends(cancel) : store)) delivery.ack();
      else delivery.requeue();
      span.end();
    });
  }

  /** The hubs compete for commands: this one may have overtaken the request, which then finds the task CANCELLED and does nothing. */
  async function ends({ task, events }: Changed): Promise<void> {
    const reason = task.phase.state === 'CANCELLED' ? task.phase.reason : '';
    const isUnknown = async () => {
      const decision = await cancelTask(task.taskId, reason, task.traceparent);
      return decision.verdict === 'refused' && decision.reason === 'UNKNOWN_TASK';
    };
    if (!(await isUnknown())) return;
    await ledger.ingest([{ verdict: 'changed', task, events }], () => []);
    // The request may have come just then.
    await isUnknown();
  }

  async function untilDone(
    delivery: Delivery,
    span: Span,
    act: (attempt: number) => Promise<unknown>,
  ): Promise<boolean> {
    for (let attempt = 1; !stopping.signal.aborted && !delivery.lost; attempt++) {
      try {
        await act(attempt);
        return true;
      } catch (error) {
        const waitMs = backoffMs(retryBackoff, attempt, Math.random());
        span.recordException(error as Error);
        const { message } = delivery;
        const about = { ...aboutMessage(message), message: message.id, name: message.name };
        logger.warn({ ...about, err: error, attempt, retryInMs: waitMs }, 'a command is not stored; tried again');
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
