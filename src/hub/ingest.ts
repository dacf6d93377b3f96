import { context, type Span, SpanKind, SpanStatusCode, type Tracer, trace } from '@opentelemetry/api';
import { ATTR_ERROR_TYPE } from '@opentelemetry/semantic-conventions/incubating';
import type { Logger } from 'pino';
import type { Broker, Delivery, Subscription } from '../broker/port.ts';
import { quoted } from '../contract/errors.ts';
import { isId } from '../contract/ids.ts';
import { type Message, open } from '../contract/message.ts';
import { hubTasks } from '../contract/topology.ts';
import type { TaskRequested } from '../gen/events/depot/v1/events.ts';
import type { SchemaRef } from '../gen/fleet/v1/fleet.ts';
import { backoffMs, pause } from '../kit/backoff.ts';
import { ATTR_TASK_ID, processing } from '../telemetry/attributes.ts';
import { contextOf, traceparentOf } from '../telemetry/propagation.ts';
import { Batch } from './batch.ts';
import type { Dispatch } from './dispatch.ts';
import { translatorOf } from './kinds/kind.ts';
import type { Changed, Ledger } from './ledger.ts';
import { defaultMaxAttempts, ingestPrefetch, maxIngestFlushes, mostAttempts, retryBackoff } from './limits.ts';
import { poison, type Task } from './task.ts';

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

const unknownSchema: SchemaRef = { kind: '', revision: 0, digest: '' };

/** The task that a message asks for; POISON when no bot could ever do it. */
function readTask(message: Message, traceparent: string, now: Date): Changed {
  const { id: messageId, key, correlationId } = message;
  const asked = readBody(message);
  const task: Task = {
    taskId: asked.body?.taskId ?? message.task?.id ?? messageId,
    orderId: asked.body?.orderId ?? key,
    schema: asked.body?.schema ?? unknownSchema,
    payload: asked.body?.payload ?? new Uint8Array(),
    priority: asked.body?.priority ?? 0,
    maxAttempts: Math.min(asked.body?.maxAttempts || defaultMaxAttempts, mostAttempts),
    position: asked.body?.position,
    traceparent,
    correlationId,
    causationId: messageId,
    createdAt: now,
    attempt: 1,
    fence: 0,
    phase: { state: 'QUEUED', notBefore: now },
  };
  return asked.flaw ? poison(task, '', asked.flaw, now) : { verdict: 'changed', task, events: [] };
}

/** The body as far as its fields can be used, and what is wrong with it. */
function readBody(message: Message): { body: TaskRequested | undefined; flaw: string | undefined } {
  const refuse = (flaw: string, body?: TaskRequested) => ({ body, flaw });
  if (message.name !== 'depot.task_requested') return refuse(`${message.name} is no task`);
  let body: TaskRequested;
  try {
    body = open({ ...message, name: message.name }).body;
  } catch (error) {
    return refuse((error as Error).message);
  }
  const { taskId, orderId, schema, position } = body;
  if (!isId(taskId)) return refuse(`task_id is ${quoted(taskId)}; give a UUID`);
  if (!isId(orderId)) return refuse(`order_id is ${quoted(orderId)}; give a UUID`);
  if (!schema || !translatorOf(schema)) {
    const asked = `kind ${quoted(schema?.kind ?? '')} with digest ${quoted(schema?.digest ?? '')}`;
    // Not stored: text that nobody has checked.
    return refuse(`schema is ${asked}, which this hub does not know`, { ...body, schema: unknownSchema });
  }
  if (position && !(Number.isFinite(position.x) && Number.isFinite(position.y))) {
    return refuse(`position is ${quoted(position)}; give metres`, { ...body, position: undefined });
  }
  return { body, flaw: undefined };
}
