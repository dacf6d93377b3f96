import { invalid } from '../../contract/errors.ts';
import { requireId } from '../../contract/ids.ts';
import { requireCurrency, requireText } from '../../contract/text.ts';
import type { Database } from '../../database/port.ts';
import {
  type Invoice as InvoiceMessage,
  InvoiceState,
  type PaymentsService,
  type PayRequest,
} from '../../gen/payments/v1/payments.ts';
import type { Messaging } from '../../role/messaging.ts';
import type { Api } from '../../rpc/api.ts';
import { dueMinor } from './invoice.ts';
import { noInvoice, type Payment, pay, retryingConflicts } from './pay.ts';
import { readInvoice, type VersionedInvoice } from './stream.ts';

/** Characters: a UUID and room for a prefix. */
export const maxKeyChars = 100;

export function paymentsApi(database: Database, messaging: Messaging): Api<typeof PaymentsService> {
  return {
    async getInvoice(request) {
      const orderId = requireId('order_id', request.orderId);
      const found = await database.query((orm) => readInvoice(orm, orderId));
      if (!found) throw noInvoice(orderId);
      return toMessage(found);
    },

    async pay(request) {
      const payment = paymentOf(request);
      const paid = await retryingConflicts(() =>
        messaging.commit(payment.idempotencyKey, async (tx) => {
          const { drafts, ...result } = await pay(tx, payment, new Date());
          return { result, events: drafts };
        }),
      );
      return toMessage(paid);
    },
  };
}

function paymentOf({ orderId, idempotencyKey, amount }: PayRequest): Payment {
  const payment = {
    orderId: requireId('order_id', orderId),
    idempotencyKey: requireText('idempotency_key', idempotencyKey, maxKeyChars),
  };
  if (!amount) throw invalid('amount', '', 'MISSING', 'give what is due, in minor units with the currency');
  const currency = requireCurrency('amount.currency', amount.currency);
  return { ...payment, amount: { minor: amount.minor, currency } };
}

function toMessage({ invoice, version }: VersionedInvoice): InvoiceMessage {
  const { orderId, state, currency, totalMinor, paidMinor, refundedMinor, issuedAt } = invoice;
  const money = (minor: number) => ({ minor, currency });
  return {
    orderId,
    state: InvoiceState[state],
    total: money(totalMinor),
    paid: money(paidMinor),
    refunded: money(refundedMinor),
    due: money(dueMinor(invoice)),
    issuedAt,
    version,
  };
}
