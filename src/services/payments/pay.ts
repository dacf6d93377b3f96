import { MallError, notFound, quoted, refused } from '../../contract/errors.ts';
import { newId } from '../../contract/ids.ts';
import type { Transaction } from '../../database/port.ts';
import type { Amount, InvoiceCommand } from './messages.ts';
import { findKey, type PaymentKey, type RefundKey, takeKey } from './store.ts';
import { type ChangedInvoice, changeInvoice, readInvoice } from './stream.ts';

export interface Payment {
  readonly orderId: string;
  readonly idempotencyKey: string;
  readonly amount: Amount;
}

/**
 * Takes the payment once per idempotency key: the key and the payment commit together. With a key that was used for this payment
 * before, the answer is the invoice as it is now.
 * @throws MallError NOT_FOUND, INVALID_ARGUMENT (amount), FAILED_PRECONDITION (key, paid, cancelled), ABORTED (try again)
 */
export async function pay(tx: Transaction, payment: Payment, now: Date): Promise<ChangedInvoice> {
  const { orderId, idempotencyKey, amount } = payment;
  const { minor: amountMinor, currency } = amount;
  const key: PaymentKey = { idempotencyKey, paymentId: newId(), orderId, amountMinor, currency, paidAt: now };
  const isFirst = await takeKey(tx.orm, key);
  if (!isFirst) requireSame('pay', (await findKey(tx.orm, idempotencyKey))!, key);
  const before = await readInvoice(tx.orm, orderId);
  if (!before) throw noInvoice(orderId);
  if (!isFirst) return { ...before, drafts: [] };
  const command: InvoiceCommand = { type: 'pay', paymentId: key.paymentId, idempotencyKey, amount };
  const meta = { causationId: idempotencyKey, occurredAt: now.toISOString() };
  return changeInvoice(tx, orderId, before, command, meta);
}

export const noInvoice = (orderId: string): MallError =>
  notFound('invoice', 'order_id', orderId, 'check the id; right after the order was placed, try again in a moment');

type Wanted = Pick<RefundKey, 'idempotencyKey' | 'orderId' | 'amountMinor' | 'currency'>;

/** Of a refund the reason may be put into other words. */
export function requireSame(verb: 'pay' | 'refund', first: Wanted, again: Wanted): void {
  const { idempotencyKey, orderId, amountMinor, currency } = again;
  if (first.orderId === orderId && first.amountMinor === amountMinor && first.currency === currency) return;
  const what = first.orderId === orderId ? 'another amount' : 'another order';
  const message = `idempotency_key ${quoted(idempotencyKey)} was used to ${verb} ${what}`;
  const remedy = `use a new key for a new ${verb === 'pay' ? 'payment' : 'refund'}`;
  throw refused('idempotency_key', idempotencyKey, 'IDEMPOTENCY_KEY_REUSED', message, remedy);
}

/**
 * Times that a payment or refund is decided anew when the invoice changed under it. An invoice changes a handful of times in its life, so more
 * would be a loop.
 */
const maxTries = 5;

/** `attempt`'s outcome, tried again in a new transaction while it is ABORTED. */
export async function retryingConflicts<T>(attempt: () => Promise<T>): Promise<T> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await attempt();
    } catch (error) {
      if (!(error instanceof MallError) || error.code !== 'ABORTED' || tries >= maxTries) throw error;
    }
  }
}
