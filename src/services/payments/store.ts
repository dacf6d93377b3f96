import { eq } from 'drizzle-orm';
import { pgSchema, text, uuid } from 'drizzle-orm/pg-core';
import { instant, int53 } from '../../database/columns.ts';
import { eventStoreTables } from '../../database/event-store.ts';
import type { Orm } from '../../database/port.ts';
import { plumbing } from '../../database/tables.ts';

export const paymentsSchema = pgSchema('payments');
export const { outbox, inbox, fences, parked } = plumbing(paymentsSchema);
/** Streams `invoice-<order id>`. */
export const { events } = eventStoreTables(paymentsSchema);

/** Every idempotency key that a payment was made with, and what for: kept for ever. */
export const paymentKeys = paymentsSchema.table('payment_keys', {
  idempotencyKey: text('idempotency_key').primaryKey(),
  paymentId: uuid('payment_id').notNull(),
  orderId: uuid('order_id').notNull(),
  amountMinor: int53('amount_minor').notNull(),
  currency: text('currency').notNull(),
  paidAt: instant('paid_at').notNull(),
});

/** The same of refunds that staff gave; no amount: all that was left. */
export const refundKeys = paymentsSchema.table('refund_keys', {
  idempotencyKey: text('idempotency_key').primaryKey(),
  refundId: uuid('refund_id').notNull(),
  orderId: uuid('order_id').notNull(),
  amountMinor: int53('amount_minor'),
  currency: text('currency'),
  refundedAt: instant('refunded_at').notNull(),
});

export type PaymentKey = typeof paymentKeys.$inferSelect;
export type RefundKey = typeof refundKeys.$inferSelect;

/** False when the key is taken; waits for whoever is taking it at the moment. */
export async function takeKey(orm: Orm, key: PaymentKey): Promise<boolean> {
  const rows = await orm
    .insert(paymentKeys)
    .values(key)
    .onConflictDoNothing()
    .returning({ idempotencyKey: paymentKeys.idempotencyKey });
  return rows.length > 0;
}

export async function findKey(orm: Orm, idempotencyKey: string): Promise<PaymentKey | undefined> {
  const [row] = await orm.select().from(paymentKeys).where(eq(paymentKeys.idempotencyKey, idempotencyKey));
  return row;
}

/** As `takeKey`. */
export async function takeRefundKey(orm: Orm, key: RefundKey): Promise<boolean> {
  const rows = await orm
    .insert(refundKeys)
    .values(key)
    .onConflictDoNothing()
    .returning({ idempotencyKey: refundKeys.idempotencyKey });
  return rows.length > 0;
}

export async function findRefundKey(orm: Orm, idempotencyKey: string): Promise<RefundKey | undefined> {
  const [row] = await orm.select().from(refundKeys).where(eq(refundKeys.idempotencyKey, idempotencyKey));
  return row;
}
