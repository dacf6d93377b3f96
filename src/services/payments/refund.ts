import { newId } from '../../contract/ids.ts';
import type { Transaction } from '../../database/port.ts';
import type { Amount } from './messages.ts';
import { noInvoice, requireSame } from './pay.ts';
import { findRefundKey, type RefundKey, takeRefundKey } from './store.ts';
import { type ChangedInvoice, changeInvoice, readInvoice } from './stream.ts';

export interface Refund {
  readonly orderId: string;
  readonly idempotencyKey: string;
  /** Undefined: all that was paid and not given back. */
  readonly amount: Amount | undefined;
  readonly reason: string;
}

/**
 * Gives the money back once per idempotency key: the key and the refund commit together. With a key that was used for this refund before, the
 * answer is the invoice as it is now.
 * @throws MallError NOT_FOUND, INVALID_ARGUMENT (amount), FAILED_PRECONDITION (key, not paid, nothing left), ABORTED (try again)
 */
export async function refund(tx: Transaction, wanted: Refund, now: Date): Promise<ChangedInvoice> {
  const { orderId, idempotencyKey, amount, reason } = wanted;
  const key: RefundKey = {
    idempotencyKey,
    refundId: newId(),
    orderId,
    amountMinor: amount?.minor ?? null,
    currency: amount?.currency ?? null,
    refundedAt: now,
  };
  const isFirst = await takeRefundKey(tx.orm, key);
  if (!isFirst) requireSame('refund', (await findRefundKey(tx.orm, idempotencyKey))!, key);
  const before = await readInvoice(tx.orm, orderId);
  if (!before) throw noInvoice(orderId);
  if (!isFirst) return { ...before, drafts: [] };
  const meta = { causationId: idempotencyKey, occurredAt: now.toISOString() };
  const { refundId } = key;
  return changeInvoice(tx, orderId, before, { type: 'refund', refundId, idempotencyKey, amount, reason }, meta);
}
