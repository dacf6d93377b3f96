import { eq } from 'drizzle-orm';
import { bigint, pgSchema, text, timestamp, uuid } from 'drizzle-orm/pg-core';
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
  /** Money stays far below 2^53: a number holds it exactly. */
  amountMinor: bigint('amount_minor', { mode: 'number' }).notNull(),
  currency: text('currency').notNull(),
  paidAt: timestamp('paid_at', { withTimezone: true, precision: 3 }).notNull(),
});

export type PaymentKey = typeof paymentKeys.$inferSelect;

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
