import { context } from '@opentelemetry/api';
import type { Logger } from 'pino';
import type { Database } from '../../database/port.ts';
import type { OrdersService } from '../../gen/orders/v1/orders.ts';
import type { Api } from '../../rpc/api.ts';
import { ATTR_ORDER_ID } from '../../telemetry/attributes.ts';
import { unsampled } from '../../telemetry/propagation.ts';
import { traceparentOfOrder } from './store.ts';

/** How long a request waits to learn which trace it belongs to, ms; it goes on without. */
const traceDeadlineMs = 1_000;

/**
 * Finds the trace that an order is in. The order's own events say it; Orders is asked only about an order whose first event is still
 * on its way. Never throws: undefined when it cannot be known now.
 */
export const orderTraces =
  (database: Database, orders: Pick<Api<OrdersService>, 'getOrder'>, logger: Logger) =>
  async (orderId: string): Promise<string | undefined> => {
    try {
      const known = await database.query((orm) => traceparentOfOrder(orm, orderId), { deadlineMs: traceDeadlineMs });
      if (known) return known;
      // Before there is a trace to do it in.
      const order = await context.with(unsampled(), () =>
        orders.getOrder({ orderId, withPickupCode: false }, { deadlineMs: traceDeadlineMs }),
      );
      return order.traceparent;
    } catch (err) {
      logger.debug({ err, [ATTR_ORDER_ID]: orderId }, 'the trace of an order is not known');
      return undefined;
    }
  };
