import { context, SpanKind, type Tracer, trace } from '@opentelemetry/api';
import type { Logger } from 'pino';
import { newId } from '../../contract/ids.ts';
import type { Database } from '../../database/port.ts';
import type { BackoffPolicy } from '../../kit/backoff.ts';
import { Loop } from '../../kit/loop.ts';
import type { Messaging } from '../../role/messaging.ts';
import { orderAttributes } from '../../telemetry/attributes.ts';
import { markFailed } from '../../telemetry/failure.ts';
import { linkPrefix, noteIn } from '../../telemetry/linked-trace.ts';
import { parseTraceparent } from '../../telemetry/propagation.ts';
import { changeOrder } from './change.ts';
import { type DueCancellation, dueCancellations } from './store.ts';

/** Deadlines are minutes; a look costs one statement on an index of what is under way. */
const pollMs = 5_000;
const backoff: BackoffPolicy = { firstMs: 500, maxMs: 30_000, factor: 2 };
/** At one look. */
const maxDue = 100;

/**
 * Brings on the cancellations whose deadlines have passed. They stand in the table, so a process that dies misses none; where Orders runs twice both look, and
 * whoever comes second finds under the order's lock that nothing is due.
 */
export function watchCancellations(
  database: Database,
  messaging: Messaging,
  { tracer, logger }: { readonly tracer: Tracer; readonly logger: Logger },
): Loop {
  const bringOn = async ({ orderId, traceparent }: DueCancellation): Promise<void> => {
    // It starts on its own, later than anything in the order's trace.
    const placing = parseTraceparent(traceparent);
    const span = tracer.startSpan('cancellation overdue', {
      root: true,
      kind: SpanKind.INTERNAL,
      links: placing ? [{ context: placing }] : [],
      attributes: orderAttributes({ orderId }),
    });
    noteIn(tracer, traceparent, `${linkPrefix}cancellation overdue`, span.spanContext(), orderAttributes({ orderId }));
    try {
      await context.with(trace.setSpan(context.active(), span), () =>
        messaging.commit(newId(), async ({ orm }) => {
          const decision = await changeOrder(orm, orderId, { type: 'tick' }, new Date());
          const { goods, refunded, asks } = decision?.order.cancellation ?? {};
          logger.warn({ goods, refunded, asks, ...orderAttributes({ orderId }) }, 'a cancellation takes long');
          return { result: undefined, events: decision?.events ?? [] };
        }),
      );
    } catch (error) {
      markFailed(span, error);
      throw error;
    } finally {
      span.end();
    }
  };

  const turn = async (): Promise<boolean> => {
    const due = await database.query((orm) => dueCancellations(orm, new Date(), maxDue));
    // One that fails does not hold up the others.
    const results = await Promise.allSettled(due.map(bringOn));
    const failed = results.find(({ status }) => status === 'rejected');
    if (failed) throw (failed as PromiseRejectedResult).reason;
    return due.length === maxDue;
  };

  return new Loop(turn, {
    pollMs,
    backoff,
    onError: (error, retryInMs) => logger.warn({ err: error, retryInMs }, 'cancellations are not looked after'),
  }).start();
}
