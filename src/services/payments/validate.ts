import { invalid } from '../../contract/errors.ts';
import { requireId } from '../../contract/ids.ts';
import { maxRefundReasonChars } from '../../contract/order-limits.ts';
import { requireCurrency, requireIdempotencyKey, requireText } from '../../contract/text.ts';
import type { PayRequest, RefundRequest } from '../../gen/payments/v1/payments.ts';
import type { Payment } from './pay.ts';
import type { Refund } from './refund.ts';

/** @throws MallError INVALID_ARGUMENT naming the field as the request has it */
export function paymentOf(request: PayRequest): Payment {
  const orderId = requireId('order_id', request.orderId);
  const idempotencyKey = requireIdempotencyKey(request.idempotencyKey);
  const { amount } = request;
  if (!amount) throw invalid('amount', '', 'MISSING', 'give what is due, in minor units with the currency');
  const currency = requireCurrency('amount.currency', amount.currency);
  return { orderId, idempotencyKey, amount: { minor: amount.minor, currency } };
}

/** @throws MallError INVALID_ARGUMENT naming the field as the request has it */
export function refundOf({ amount, ...request }: RefundRequest): Refund {
  const orderId = requireId('order_id', request.orderId);
  const idempotencyKey = requireIdempotencyKey(request.idempotencyKey);
  const reason = requireText('reason', request.reason, maxRefundReasonChars);
  if (amount) requireCurrency('amount.currency', amount.currency);
  return { orderId, idempotencyKey, amount, reason };
}
