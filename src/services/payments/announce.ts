import { type Draft, draft } from '../../contract/message.ts';
import type { Invoice, InvoiceEvent } from './messages.ts';

/** What others are told of an event in the stream of `invoice`: Payments' own events may change without theirs. */
export function announce({ orderId, currency }: Invoice, event: InvoiceEvent): Draft {
  const money = (minor: number) => ({ minor, currency });
  switch (event.type) {
    case 'InvoiceIssued':
      return draft('payments.invoice_issued', orderId, { orderId, total: money(event.data.totalMinor) });
    case 'InvoiceAdjusted': {
      const { totalMinor, reductionMinor } = event.data;
      const body = { orderId, total: money(totalMinor), reduction: money(reductionMinor), reason: '' };
      return draft('payments.adjusted', orderId, body);
    }
    case 'AllowanceGranted': {
      const { totalMinor, reductionMinor, reason } = event.data;
      const body = { orderId, total: money(totalMinor), reduction: money(reductionMinor), reason };
      return draft('payments.adjusted', orderId, body);
    }
    case 'PaymentReceived': {
      const { paymentId, amountMinor } = event.data;
      return draft('payments.paid', orderId, { orderId, amount: money(amountMinor), paymentId });
    }
    case 'RefundIssued': {
      const { amountMinor, reason } = event.data;
      return draft('payments.refunded', orderId, { orderId, amount: money(amountMinor), reason });
    }
    case 'InvoiceCancelled':
      return cancelled(orderId, event.data.reason);
    default:
      return event satisfies never;
  }
}

/** Also said to whoever asks for a cancellation that has been: the first answer may have been dropped. */
export const cancelled = (orderId: string, reason: string): Draft =>
  draft('payments.cancelled', orderId, { orderId, reason });
