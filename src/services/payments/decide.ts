import { invalid, type MallError, refused } from '../../contract/errors.ts';
import { dueMinor, keptMinor } from './invoice.ts';
import type { Invoice, InvoiceCommand, InvoiceEvent, InvoiceLine, RefundCommand } from './messages.ts';

type IssueCommand = Extract<InvoiceCommand, { type: 'issue' }>;

/**
 * What follows from `command`; nothing when it changes nothing, as for what comes twice.
 * @throws MallError from `pay` and `refund` as whoever asks for it is to see it
 * @throws Error for an event that cannot be right: it is parked
 */
export function decide(invoice: Invoice | undefined, command: InvoiceCommand): readonly InvoiceEvent[] {
  if (command.type === 'issue') return invoice ? [] : [issue(command)];
  if (!invoice) throw new Error(`cannot ${command.type} before the invoice is issued`);
  switch (command.type) {
    case 'adjust':
      return invoice.state === 'CANCELLED' ? [] : adjust(invoice, command.found);
    case 'pay':
      return [pay(invoice, command)];
    case 'refund':
      return giveBack(invoice, command);
    case 'cancel':
      if (invoice.state === 'CANCELLED') return [];
      return [...refund(keptMinor(invoice), command.reason), cancelled(command.reason)];
    default:
      return command satisfies never;
  }
}

function issue({ orderId, lines: priced, issuedAt }: IssueCommand): InvoiceEvent {
  const currency = priced[0]?.unitPrice.currency;
  if (!currency) throw new Error(`order ${orderId} has no priced line`);
  if (priced.some(({ unitPrice }) => unitPrice.currency !== currency)) {
    throw new Error(`order ${orderId} has lines in several currencies`);
  }
  const lines: InvoiceLine[] = priced.map(({ lineId, quantity, unitPrice }) => {
    return { lineId, quantity, unitPriceMinor: unitPrice.minor };
  });
  const totalMinor = lines.reduce((sum, { quantity, unitPriceMinor }) => sum + quantity * unitPriceMinor, 0);
  if (!Number.isSafeInteger(totalMinor)) throw new Error(`order ${orderId} costs more than an invoice can hold`);
  return { type: 'InvoiceIssued', data: { orderId, currency, lines, totalMinor, issuedAt: issuedAt.toISOString() } };
}

/** An invoice never rises: what was not ordered is not charged. */
function adjust(
  invoice: Invoice,
  found: ReadonlyArray<{ readonly lineId: string; readonly picked: number }>,
): readonly InvoiceEvent[] {
  const pickedOf = new Map(found.map(({ lineId, picked }) => [lineId, picked]));
  const goodsMinor = invoice.lines.reduce((sum, { lineId, quantity, unitPriceMinor }) => {
    return sum + Math.min(quantity, pickedOf.get(lineId) ?? 0) * unitPriceMinor;
  }, 0);
  const totalMinor = Math.max(0, goodsMinor - invoice.allowedMinor);
  const reductionMinor = invoice.totalMinor - totalMinor;
  if (reductionMinor <= 0) return [];
  const adjusted: InvoiceEvent = { type: 'InvoiceAdjusted', data: { totalMinor, reductionMinor } };
  return [adjusted, ...refund(keptMinor(invoice) - totalMinor, 'items were short')];
}

function pay(invoice: Invoice, command: Extract<InvoiceCommand, { type: 'pay' }>): InvoiceEvent {
  const { paymentId, idempotencyKey, amount } = command;
  if (invoice.state !== 'OPEN') throw notPayable(invoice);
  if (amount.currency !== invoice.currency) {
    const remedy = `this order is invoiced in ${invoice.currency}; pay in that currency`;
    throw invalid('amount.currency', amount.currency, 'CURRENCY_MISMATCH', remedy);
  }
  const due = dueMinor(invoice);
  if (amount.minor !== due) {
    const remedy = `${due} ${invoice.currency} (minor units) are due; pay exactly that`;
    throw invalid('amount.minor', amount.minor, 'AMOUNT_MISMATCH', remedy);
  }
  return { type: 'PaymentReceived', data: { paymentId, idempotencyKey, amountMinor: amount.minor } };
}

/** What is given back is owed no more, or it would be due again. */
function giveBack(invoice: Invoice, command: RefundCommand): readonly InvoiceEvent[] {
  const { refundId, idempotencyKey, amount, reason } = command;
  if (invoice.state !== 'PAID') throw notPaid(invoice);
  if (amount && amount.currency !== invoice.currency) {
    const remedy = `this order was paid in ${invoice.currency}; give back in that currency`;
    throw invalid('amount.currency', amount.currency, 'CURRENCY_MISMATCH', remedy);
  }
  const keptNow = keptMinor(invoice);
  if (keptNow === 0) {
    const message = `nothing is left to give back of order ${invoice.orderId}`;
    throw refused('order_id', invoice.orderId, 'NOTHING_LEFT', message, 'all that was paid has gone back');
  }
  const amountMinor = amount?.minor ?? keptNow;
  if (!Number.isSafeInteger(amountMinor) || amountMinor < 1 || amountMinor > keptNow) {
    const remedy = `give 1 to ${keptNow} ${invoice.currency} (minor units), which is what was paid and not given back`;
    throw invalid('amount.minor', amountMinor, 'AMOUNT_OUT_OF_RANGE', remedy);
  }
  const totalMinor = invoice.totalMinor - amountMinor;
  return [
    { type: 'AllowanceGranted', data: { totalMinor, reductionMinor: amountMinor, reason } },
    { type: 'RefundIssued', data: { amountMinor, reason, refundId, idempotencyKey } },
  ];
}

function notPaid({ orderId, state }: Invoice): MallError {
  if (state === 'CANCELLED') {
    const message = `order ${orderId} is cancelled, and all that was paid has gone back`;
    return refused('order_id', orderId, 'INVOICE_CANCELLED', message);
  }
  const message = `order ${orderId} is not paid, so nothing can be given back`;
  return refused('order_id', orderId, 'NOT_PAID', message, 'cancel the order if nobody wants it');
}

function notPayable({ orderId, state }: Invoice): MallError {
  if (state === 'CANCELLED') {
    const message = `order ${orderId} is cancelled, so nothing is due`;
    return refused('order_id', orderId, 'INVOICE_CANCELLED', message, 'do not pay for it');
  }
  const message = `order ${orderId} is paid already`;
  return refused('order_id', orderId, 'ALREADY_PAID', message, 'do not pay again');
}

const refund = (amountMinor: number, reason: string): readonly InvoiceEvent[] =>
  amountMinor > 0 ? [{ type: 'RefundIssued', data: { amountMinor, reason } }] : [];

const cancelled = (reason: string): InvoiceEvent => ({ type: 'InvoiceCancelled', data: { reason } });
