import { requireId, requireIds } from '../../contract/ids.ts';
import type { Database, Transaction } from '../../database/port.ts';
import { type Invoice as InvoiceMessage, InvoiceState, type PaymentsService } from '../../gen/payments/v1/payments.ts';
import type { Messaging } from '../../role/messaging.ts';
import type { Api } from '../../rpc/api.ts';
import { dueMinor } from './invoice.ts';
import { noInvoice, type Payment, pay, retryingConflicts } from './pay.ts';
import { type Refund, refund } from './refund.ts';
import { type ChangedInvoice, readInvoice, readInvoices, type VersionedInvoice } from './stream.ts';
import { paymentOf, refundOf } from './validate.ts';

export function paymentsApi(database: Database, messaging: Messaging): Api<typeof PaymentsService> {
  /** What `work` makes of the invoice, decided anew when that changed meanwhile. */
  async function change(
    { idempotencyKey }: Payment | Refund,
    work: (tx: Transaction) => Promise<ChangedInvoice>,
  ): Promise<InvoiceMessage> {
    const changed = await retryingConflicts(() =>
      messaging.commit(idempotencyKey, async (tx) => {
        const { drafts, ...result } = await work(tx);
        return { result, events: drafts };
      }),
    );
    return toMessage(changed);
  }

  return {
    async getInvoice(request) {
      const orderId = requireId('order_id', request.orderId);
      const found = await database.query((orm) => readInvoice(orm, orderId));
      if (!found) throw noInvoice(orderId);
      return toMessage(found);
    },

    async batchGetInvoices(request) {
      const orderIds = requireIds('order_ids', request.orderIds);
      const found = orderIds.length > 0 ? await database.query((orm) => readInvoices(orm, orderIds)) : [];
      return { invoices: found.map(toMessage) };
    },

    async pay(request) {
      const payment = paymentOf(request);
      return change(payment, (tx) => pay(tx, payment, new Date()));
    },

    async refund(request) {
      const wanted = refundOf(request);
      return change(wanted, (tx) => refund(tx, wanted, new Date()));
    },
  };
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
    refunds: invoice.refunds.map(({ amountMinor, reason }) => ({ amount: money(amountMinor), reason })),
  };
}
