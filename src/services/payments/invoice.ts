import type { Invoice, InvoiceEvent } from './messages.ts';

/** Streams are shorter than ten events, so they are folded from the start each time. */
export const foldInvoice = (events: readonly InvoiceEvent[]): Invoice | undefined =>
  events.reduce<Invoice | undefined>(evolve, undefined);

const nothingPaid = { allowedMinor: 0, paidMinor: 0, refundedMinor: 0, refunds: [] };

/** The invoice after `event`. */
export function evolve(invoice: Invoice | undefined, event: InvoiceEvent): Invoice {
  if (event.type === 'InvoiceIssued') {
    const { issuedAt, ...issued } = event.data;
    return { ...issued, issuedAt: new Date(issuedAt), state: 'OPEN', ...nothingPaid };
  }
  if (!invoice) throw new Error(`a stream that begins with ${event.type}`);
  switch (event.type) {
    case 'InvoiceAdjusted':
      return { ...invoice, totalMinor: event.data.totalMinor };
    case 'PaymentReceived':
      return { ...invoice, state: 'PAID', paidMinor: invoice.paidMinor + event.data.amountMinor };
    case 'AllowanceGranted': {
      const { totalMinor, reductionMinor } = event.data;
      return { ...invoice, totalMinor, allowedMinor: invoice.allowedMinor + reductionMinor };
    }
    case 'RefundIssued': {
      const { amountMinor, reason } = event.data;
      const refunds = [...invoice.refunds, { amountMinor, reason }];
      return { ...invoice, refundedMinor: invoice.refundedMinor + amountMinor, refunds };
    }
    case 'InvoiceCancelled':
      return { ...invoice, state: 'CANCELLED', totalMinor: 0 };
    default:
      return event satisfies never;
  }
}

/** What was paid and not given back, in minor units. */
export const keptMinor = ({ paidMinor, refundedMinor }: Invoice): number => paidMinor - refundedMinor;

/** What is still to be paid, in minor units; never below 0. */
export const dueMinor = (invoice: Invoice): number => Math.max(0, invoice.totalMinor - keptMinor(invoice));
