import type { Span } from '@opentelemetry/api';
import { MallError } from '../../../contract/errors.ts';
import { CancelledBy, type Order, OrderState } from '../../../gen/orders/v1/orders.ts';
import type { Invoice } from '../../../gen/payments/v1/payments.ts';
import { orderAttributes } from '../../../telemetry/attributes.ts';
import { parseTraceparent } from '../../../telemetry/propagation.ts';
import { invoiceView, shopperView } from '../../order-view.ts';
import { cancelBody, commandHeaders, invoice, order, orderParams, payBody, placeOrderBody } from '../schemas.ts';
import { type App, type Parts, problems } from './parts.ts';

/** How long an order's status waits for its invoice, ms: the status is worth more than the money on it. */
const invoiceDeadlineMs = 1_000;

export function orderRoutes(app: App, parts: Parts): void {
  const { orders, payments } = parts;

  app.post(
    '/v1/orders',
    {
      schema: {
        summary: 'Places an order; 201 means that it is kept, whatever happens next',
        headers: commandHeaders,
        body: placeOrderBody,
        response: { 201: order, ...problems },
      },
    },
    async (request, reply) => {
      const placed = await orders.placeOrder({ idempotencyKey: request.headers['idempotency-key'], ...request.body });
      request.span?.setAttributes(orderAttributes(placed));
      linkToEarlierTry(request.span, placed.traceparent);
      return reply.code(201).header('location', `/v1/orders/${placed.orderId}`).send(withInvoice(placed, undefined));
    },
  );

  app.get(
    '/v1/orders/:orderId',
    { schema: { summary: 'How an order stands', params: orderParams, response: { 200: order, ...problems } } },
    async ({ params: { orderId } }) => {
      const [found, money] = await Promise.all([
        orders.getOrder({ orderId, withPickupCode: true }),
        invoiceIfKnown(parts, orderId),
      ]);
      return withInvoice(found, money);
    },
  );

  app.post(
    '/v1/orders/:orderId/payments',
    {
      config: { inOrdersTrace: true },
      schema: {
        summary: 'Pays what is due, before or after the goods have arrived',
        headers: commandHeaders,
        params: orderParams,
        body: payBody,
        response: { 200: invoice, ...problems },
      },
    },
    async ({ headers, params: { orderId }, body: { amount } }) =>
      invoiceView(await payments.pay({ orderId, idempotencyKey: headers['idempotency-key'], amount })),
  );

  app.post(
    '/v1/orders/:orderId/cancellation',
    {
      config: { inOrdersTrace: true },
      schema: {
        summary:
          'Cancels an order that was not handed over: what was paid goes back at once, what was picked to its stores',
        headers: commandHeaders,
        params: orderParams,
        body: cancelBody,
        response: {
          200: order.describe('It has ended without being handed over, now or before.'),
          202: order.describe('Nothing will be handed over; it is cancelled when the money and the goods are back.'),
          ...problems,
        },
      },
    },
    async ({ headers, params: { orderId }, body }, reply) => {
      const cancelled = await orders.cancelOrder({
        orderId,
        idempotencyKey: headers['idempotency-key'],
        requestedBy: CancelledBy.SHOPPER,
        reason: body?.reason ?? '',
      });
      const money = await invoiceIfKnown(parts, orderId);
      return reply.code(cancelled.state === OrderState.CANCELLING ? 202 : 200).send(withInvoice(cancelled, money));
    },
  );
}

const withInvoice = (order: Order, money: Invoice | undefined) => ({
  ...shopperView(order),
  invoice: money ? invoiceView(money) : null,
});

async function invoiceIfKnown({ payments, logger }: Parts, orderId: string): Promise<Invoice | undefined> {
  try {
    return await payments.getInvoice({ orderId }, { deadlineMs: invoiceDeadlineMs });
  } catch (thrown) {
    const error = MallError.from(thrown);
    if (error.code !== 'NOT_FOUND')
      logger.warn({ reason: error.detail.reason, detail: error.message }, 'an order is shown without its invoice');
    return undefined;
  }
}

/** An order that an earlier request with the same key has placed is in that one's trace. */
function linkToEarlierTry(span: Span | undefined, traceparent: string): void {
  const placing = parseTraceparent(traceparent);
  if (placing && placing.traceId !== span?.spanContext().traceId) span?.addLink({ context: placing });
}
