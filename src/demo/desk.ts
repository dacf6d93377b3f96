import { context, SpanKind, trace } from '@opentelemetry/api';
import { MallError } from '../contract/errors.ts';
import { maxPageSize } from '../contract/page.ts';
import { type Order, OrderState } from '../gen/orders/v1/orders.ts';
import { type Pickup, StaffService } from '../gen/staff/v1/staff.ts';
import { Loop } from '../kit/loop.ts';
import { connectClient } from '../rpc/client.ts';
import { ATTR_CORRELATION_ID, ATTR_ORDER_ID } from '../telemetry/attributes.ts';
import { parseTraceparent, unsampled } from '../telemetry/propagation.ts';
import type { Telemetry } from '../telemetry/setup.ts';

/** How often staff look at the board, ms. */
const lookEveryMs = 250;

/** Who comes to the desk. */
export interface DeskVisitors {
  /** What the shopper of the order shows; undefined while nobody is there. */
  showsCode(orderId: string): string | undefined;
  paysHere?(orderId: string): boolean;
}

/** What happens at the desk starts on its own: a trace of its own, linked to the order's. */
export async function atDesk<T>(
  { orderId, traceparent }: Order,
  name: string,
  { tracer }: Pick<Telemetry, 'tracer'>,
  work: () => Promise<T>,
): Promise<T> {
  const placing = parseTraceparent(traceparent);
  const span = tracer.startSpan(name, {
    root: true,
    kind: SpanKind.INTERNAL,
    links: placing ? [{ context: placing }] : [],
    attributes: { [ATTR_ORDER_ID]: orderId, [ATTR_CORRELATION_ID]: orderId },
  });
  try {
    return await context.with(trace.setSpan(context.active(), span), work);
  } finally {
    span.end();
  }
}

/**
 * Staff at the desk, through the API that the staff CLI uses: they look at the bays, take payment from whoever pays here, and hand over
 * what is ready and paid.
 */
export function openDesk(
  staffAddress: string,
  visitors: DeskVisitors,
  telemetry: Telemetry,
): { close(): Promise<void> } {
  const { api, close } = connectClient(StaffService, staffAddress, telemetry);
  const { logger } = telemetry;

  const serve = async ({ order, invoice }: Pickup): Promise<void> => {
    if (!order) return;
    const { orderId } = order;
    const pickupCode = visitors.showsCode(orderId);
    if (!pickupCode) return;
    const collectable = order.state === OrderState.COLLECTABLE;
    const owes = order.state === OrderState.READY && (invoice?.due?.minor ?? 0) > 0;
    if (!collectable && !(owes && visitors.paysHere?.(orderId))) return;
    const name = collectable ? 'pickup' : 'payment at the desk';
    try {
      await atDesk(order, name, telemetry, async () => {
        if (collectable) await api.handOver({ orderId, pickupCode, identityReason: '' });
        else await api.payOrder({ orderId, idempotencyKey: `desk-${orderId}-${invoice!.due!.minor}` });
      });
    } catch (error) {
      // Refused: the board was older than the order; the next look tells. Unavailable: likewise.
      logger.info({ err: error, [ATTR_ORDER_ID]: orderId }, 'the desk has to look again');
      if (MallError.from(error).code === 'INTERNAL') throw error;
    }
  };

  const loop = new Loop(
    async () => {
      const { pickups } = await context.with(unsampled(), () =>
        api.listPickups({ pageSize: maxPageSize, pageToken: '' }),
      );
      for (const pickup of pickups) await serve(pickup);
      return false;
    },
    {
      pollMs: lookEveryMs,
      backoff: { firstMs: lookEveryMs, maxMs: 2_000, factor: 2 },
      onError: (error) => logger.info({ err: error }, 'the desk cannot see the board'),
    },
  ).start();

  return {
    async close() {
      await loop.stop();
      close();
    },
  };
}
