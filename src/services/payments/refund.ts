import { quoted, refused } from '../../contract/errors.ts';
import { newId } from '../../contract/ids.ts';
import type { Draft } from '../../contract/message.ts';
import type { Transaction } from '../../database/port.ts';
import type { Amount } from './messages.ts';
import { noInvoice } from './pay.ts';
import { findRefundKey, type RefundKey, takeRefundKey } from './store.ts';
import { changeInvoice, readInvoice, type VersionedInvoice } from './stream.ts';

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
export async function refund(
  tx: Transaction,
  wanted: Refund,
  now: Date,
): Promise<VersionedInvoice & { readonly drafts: readonly Draft[] }> {
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
  if (!isFirst) requireSameRefund((await findRefundKey(tx.orm, idempotencyKey))!, key);
  const before = await readInvoice(tx.orm, orderId);
  if (!before) throw noInvoice(orderId);
  if (!isFirst) return { ...before, drafts: [] };
  const meta = { causationId: idempotencyKey, occurredAt: now.toISOString() };
  const { refundId } = key;
  return changeInvoice(tx, orderId, before, { type: 'refund', refundId, idempotencyKey, amount, reason }, meta);
}

/** The reason may be put into other words. */
function requireSameRefund(first: RefundKey, { idempotencyKey, orderId, amountMinor, currency }: RefundKey): void {
  if (first.orderId === orderId && first.amountMinor === amountMinor && first.currency === currency) return;
  const what = first.orderId === orderId ? 'another amount' : 'another order';
  const message = `idempotency_key ${quoted(idempotencyKey)} was used to refund ${what}`;
  const remedy = 'use a new key for a new refund';
  throw refused('idempotency_key', idempotencyKey, 'IDEMPOTENCY_KEY_REUSED', message, remedy);
}
