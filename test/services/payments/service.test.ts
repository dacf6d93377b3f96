import { sql } from 'drizzle-orm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { BodyOf } from '../../../src/contract/events.ts';
import { newId } from '../../../src/contract/ids.ts';
import { type Draft, draft } from '../../../src/contract/message.ts';
import {
  InvoiceState,
  PaymentsService,
  type PayRequest,
  type RefundRequest,
} from '../../../src/gen/payments/v1/payments.ts';
import { connectClient, type RpcClient } from '../../../src/rpc/client.ts';
import { startPayments } from '../../../src/services/payments/service.ts';
import { type ServiceAlone, startAlone } from '../../support/service-alone.ts';

let service: ServiceAlone;
let client: RpcClient<typeof PaymentsService>;
beforeAll(async () => {
  service = await startAlone('payments', startPayments);
  client = connectClient(PaymentsService, service.address, service.telemetry);
});
afterAll(async () => {
  client.close();
  await service[Symbol.asyncDispose]();
});

const eur = (minor: number) => ({ minor, currency: 'EUR' });
/** 2 of 1.00 and 3 of 2.50: 9.50 in all. */
const placed = (orderId: string): Draft =>
  draft('orders.placed', orderId, {
    orderId,
    shopper: 'Ada',
    total: eur(950),
    lines: [
      { lineId: 'a', quantity: 2, unitPrice: eur(100) },
      { lineId: 'b', quantity: 3, unitPrice: eur(250) },
    ].map((line) => ({ ...line, productId: newId(), sku: 'SKU', name: 'Thing', storeId: newId() })),
  });
const found = (orderId: string, a: number, b: number): Draft =>
  ended(orderId, 'shop', [
    { lineId: 'a', picked: a, short: 2 - a },
    { lineId: 'b', picked: b, short: 3 - b },
  ]);
const ended = (orderId: string, kind: string, lines: BodyOf<'bots.task_succeeded'>['lines']): Draft => {
  const taskId = newId();
  const task = { taskId, orderId, kind, attempt: 1, fence: 1, botId: 'bot', occurredAt: new Date() };
  return draft(
    'bots.task_succeeded',
    orderId,
    { task, lines, original: undefined },
    { task: { id: taskId, fence: 1 } },
  );
};
const cancelled = (orderId: string) => draft('orders.cancelled', orderId, { orderId, reason: 'nothing was found' });
const requested = (orderId: string) =>
  draft('orders.cancellation_requested', orderId, { orderId, reason: 'changed my mind', requestedBy: 'shopper' });
const rejected = (orderId: string) => draft('orders.rejected', orderId, { orderId, reason: 'no way there' });

async function invoiced(): Promise<string> {
  const orderId = newId();
  await service.tell(placed(orderId));
  return orderId;
}
const invoice = (orderId: string) => client.api.getInvoice({ orderId });
const pay = (orderId: string, minor: number, more: Partial<PayRequest> = {}) =>
  client.api.pay({ orderId, idempotencyKey: newId(), amount: eur(minor), ...more });
const said = (orderId: string) => service.said(orderId).map(({ name }) => name);
const money = (total: number, paid: number, refunded: number, due: number) => ({
  total: eur(total),
  paid: eur(paid),
  refunded: eur(refunded),
  due: eur(due),
});

describe('an invoice', () => {
  it('is issued when the order is placed, and paid', async () => {
    const orderId = await invoiced();
    expect(await invoice(orderId)).toMatchObject({
      ...money(950, 0, 0, 950),
      state: InvoiceState.OPEN,
      issuedAt: expect.any(Date),
      version: 1,
    });
    const paid = await pay(orderId, 950);
    expect(paid).toMatchObject({ ...money(950, 950, 0, 0), state: InvoiceState.PAID, version: 2 });
    expect(await invoice(orderId)).toEqual(paid);

    const event = await service.untilSaid('payments.paid', orderId);
    expect(event.body).toMatchObject({
      orderId,
      amount: eur(950),
      paymentId: expect.stringMatching(/^[0-9a-f-]{36}$/),
    });
    expect((await service.untilSaid('payments.invoice_issued', orderId)).body).toMatchObject({ total: eur(950) });
    expect(said(orderId)).toEqual(['payments.invoice_issued', 'payments.paid']);
  });

  it('falls by what was short, and the rest is due', async () => {
    const orderId = await invoiced();
    await service.tell(found(orderId, 2, 1));
    expect(await invoice(orderId)).toMatchObject(money(450, 0, 0, 450));
    await expect(pay(orderId, 950)).rejects.toMatchObject({ detail: { field: 'amount.minor' } });
    expect(await pay(orderId, 450)).toMatchObject(money(450, 450, 0, 0));
    const adjusted = await service.untilSaid('payments.adjusted', orderId);
    expect(adjusted.body).toMatchObject({ orderId, total: eur(450), reduction: eur(500) });
  });

  it('that was paid before is refunded by what was short', async () => {
    const orderId = await invoiced();
    await pay(orderId, 950);
    await service.tell(found(orderId, 1, 3));
    expect(await invoice(orderId)).toMatchObject({ ...money(850, 950, 100, 0), state: InvoiceState.PAID, version: 4 });
    const refunded = await service.untilSaid('payments.refunded', orderId);
    expect(refunded.body).toMatchObject({ orderId, amount: eur(100), reason: 'items were short' });
  });

  it('stays as it is when a bot has brought goods of a lost attempt back to their stores', async () => {
    const orderId = await invoiced();
    await service.tell(ended(orderId, 'return', []));
    expect(await invoice(orderId)).toMatchObject(money(950, 0, 0, 950));
    expect(said(orderId)).toEqual(['payments.invoice_issued']);
  });

  it('stays as it is when all was found', async () => {
    const orderId = await invoiced();
    await service.tell(found(orderId, 2, 3));
    expect(await invoice(orderId)).toMatchObject({ ...money(950, 0, 0, 950), version: 1 });
  });

  it.each([
    ['cancelled', cancelled, 'nothing was found'],
    ['rejected', rejected, 'no way there'],
  ] as const)('of an order that is %s is void, and all of the payment goes back', async (_, closing, reason) => {
    const orderId = await invoiced();
    await pay(orderId, 950);
    await service.tell(found(orderId, 2, 1));
    await service.tell(closing(orderId));
    expect(await invoice(orderId)).toMatchObject({ ...money(0, 950, 950, 0), state: InvoiceState.CANCELLED });
    const voided = await service.untilSaid('payments.cancelled', orderId);
    expect(voided.body).toMatchObject({ orderId, reason });
    expect(said(orderId)).toEqual([
      'payments.invoice_issued',
      'payments.paid',
      'payments.adjusted',
      'payments.refunded',
      'payments.refunded',
      'payments.cancelled',
    ]);
  });

  it('of an order that somebody cancels is void at once: the payment goes back, and none is taken any more', async () => {
    const orders = await Promise.all(Array.from({ length: 10 }, invoiced));
    // Payments are under way meanwhile: each is refused, or goes back.
    await Promise.all(
      orders.map((orderId) => Promise.allSettled([pay(orderId, 950), service.tell(requested(orderId))])),
    );
    for (const orderId of orders) {
      await service.untilSaid('payments.cancelled', orderId);
      await service.tell(found(orderId, 2, 1));
      await service.tell(cancelled(orderId));
      const { state, total, paid, refunded, due } = await invoice(orderId);
      expect({ state, total, due }).toMatchObject({ state: InvoiceState.CANCELLED, total: eur(0), due: eur(0) });
      expect(refunded).toEqual(paid);
      expect(said(orderId).filter((name) => name === 'payments.cancelled')).toHaveLength(1);
      await expect(pay(orderId, 950)).rejects.toMatchObject({ detail: { reason: 'INVOICE_CANCELLED' } });
    }
  });

  it('that is void already is said to be so each time Orders asks, and nothing is given back twice', async () => {
    const orderId = await invoiced();
    await pay(orderId, 950);
    for (const answers of [1, 2, 3]) {
      await service.tell(requested(orderId));
      await expect.poll(() => said(orderId).filter((name) => name === 'payments.cancelled')).toHaveLength(answers);
    }
    expect(service.said(orderId).at(-1)?.body).toMatchObject({ orderId, reason: 'changed my mind' });
    expect(said(orderId).filter((name) => name === 'payments.refunded')).toHaveLength(1);
    expect(await invoice(orderId)).toMatchObject({ ...money(0, 950, 950, 0), version: 4 });
  });

  it('changes once by an event that comes twice', async () => {
    const orderId = newId();
    const once = placed(orderId);
    const id = await service.tell(once);
    await service.tell(once, { id });
    await service.tell(once);
    await service.tell(cancelled(orderId));
    await service.tell(cancelled(orderId));
    expect(await invoice(orderId)).toMatchObject({ state: InvoiceState.CANCELLED, version: 2 });
  });

  it('goes on after a restart where it was', async () => {
    await using own = await startAlone('payments', startPayments);
    const orderId = newId();
    await own.tell(placed(orderId));
    await own.restart();
    const again = connectClient(PaymentsService, own.address, own.telemetry);
    const paid = await again.api.pay({ orderId, idempotencyKey: 'key', amount: eur(950) });
    expect(paid).toMatchObject(money(950, 950, 0, 0));
    again.close();
  });
});

describe('paying', () => {
  it('with the same key answers with the invoice as it is now, however often and at once', async () => {
    const orderId = await invoiced();
    const idempotencyKey = newId();
    const answers = await Promise.all(Array.from({ length: 20 }, () => pay(orderId, 950, { idempotencyKey })));
    for (const answer of answers) expect(answer).toMatchObject({ ...money(950, 950, 0, 0), version: 2 });
    await service.tell(found(orderId, 0, 3));
    expect(await pay(orderId, 950, { idempotencyKey })).toMatchObject(money(750, 950, 200, 0));
    await service.untilSaid('payments.refunded', orderId);
    expect(said(orderId).filter((name) => name === 'payments.paid')).toHaveLength(1);
  });

  it('with many keys at once takes one payment', async () => {
    const orderId = await invoiced();
    const attempts = await Promise.allSettled(Array.from({ length: 10 }, () => pay(orderId, 950)));
    expect(attempts.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    for (const attempt of attempts) {
      if (attempt.status === 'fulfilled') continue;
      expect(attempt.reason).toMatchObject({ code: 'FAILED_PRECONDITION', detail: { reason: 'ALREADY_PAID' } });
    }
    expect(await invoice(orderId)).toMatchObject({ ...money(950, 950, 0, 0), version: 2 });
  });

  it('while the goods turn out short ends with the right sum, whoever was first', async () => {
    const orders = await Promise.all(Array.from({ length: 10 }, invoiced));
    await Promise.all(
      orders.map(async (orderId) => {
        await Promise.all([service.tell(found(orderId, 1, 1)), pay(orderId, 950).catch(() => pay(orderId, 350))]);
      }),
    );
    for (const orderId of orders) {
      const { total, paid, refunded, due } = await invoice(orderId);
      expect([total?.minor, due?.minor]).toEqual([350, 0]);
      expect(paid!.minor - refunded!.minor).toBe(350);
    }
  });

  it('again with another key is refused and changes nothing', async () => {
    const orderId = await invoiced();
    const paid = await pay(orderId, 950);
    await expect(pay(orderId, 950)).rejects.toMatchObject({
      code: 'FAILED_PRECONDITION',
      detail: { reason: 'ALREADY_PAID', field: 'order_id', value: orderId },
    });
    expect(await invoice(orderId)).toEqual(paid);
  });

  it('for a cancelled order is refused', async () => {
    const orderId = await invoiced();
    await service.tell(cancelled(orderId));
    await expect(pay(orderId, 950)).rejects.toMatchObject({
      code: 'FAILED_PRECONDITION',
      detail: { reason: 'INVOICE_CANCELLED', field: 'order_id' },
    });
  });

  it('with a key that paid something else is refused', async () => {
    const [orderId, other] = [await invoiced(), await invoiced()];
    const idempotencyKey = newId();
    await pay(orderId, 950, { idempotencyKey });
    const reused = {
      code: 'FAILED_PRECONDITION',
      detail: { reason: 'IDEMPOTENCY_KEY_REUSED', field: 'idempotency_key', value: idempotencyKey },
    };
    await expect(pay(other, 950, { idempotencyKey })).rejects.toMatchObject(reused);
    await expect(pay(orderId, 949, { idempotencyKey })).rejects.toMatchObject(reused);
    await expect(pay(orderId, 0, { idempotencyKey, amount: { minor: 950, currency: 'USD' } })).rejects.toMatchObject(
      reused,
    );
    expect(await invoice(other)).toMatchObject(money(950, 0, 0, 950));
  });

  it('that was refused leaves its key free', async () => {
    const orderId = await invoiced();
    const idempotencyKey = newId();
    await expect(pay(orderId, 1, { idempotencyKey })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    expect(await pay(orderId, 950, { idempotencyKey })).toMatchObject(money(950, 950, 0, 0));
  });

  it.each<[string, Partial<PayRequest>, string, string]>([
    ['too little', { amount: eur(949) }, 'amount.minor', 'AMOUNT_MISMATCH'],
    ['too much', { amount: eur(951) }, 'amount.minor', 'AMOUNT_MISMATCH'],
    ['a negative amount', { amount: eur(-950) }, 'amount.minor', 'AMOUNT_MISMATCH'],
    ['another currency', { amount: { minor: 950, currency: 'USD' } }, 'amount.currency', 'CURRENCY_MISMATCH'],
    ['a currency that is none', { amount: { minor: 950, currency: '€' } }, 'amount.currency', 'MALFORMED_CURRENCY'],
    ['no amount', { amount: undefined }, 'amount', 'MISSING'],
    ['no key', { idempotencyKey: '' }, 'idempotency_key', 'MISSING'],
    ['a long key', { idempotencyKey: 'k'.repeat(101) }, 'idempotency_key', 'TOO_LONG'],
    ['a malformed order id', { orderId: '42' }, 'order_id', 'MALFORMED_ID'],
  ])('%s is an INVALID_ARGUMENT that names the field, and changes nothing', async (_, wrong, field, reason) => {
    const orderId = await invoiced();
    const refusal = pay(orderId, 950, wrong);
    await expect(refusal).rejects.toMatchObject({ code: 'INVALID_ARGUMENT', detail: { reason, field } });
    await expect(refusal).rejects.toThrow(field);
    expect(await invoice(orderId)).toMatchObject({ ...money(950, 0, 0, 950), version: 1 });
  });

  it('says what was given and what is due', async () => {
    await expect(pay(await invoiced(), 900)).rejects.toThrow(/"900"; 950 EUR/);
  });

  it('before the invoice is issued is NOT_FOUND, and says when to come back', async () => {
    const orderId = newId();
    const missing = { code: 'NOT_FOUND', detail: { reason: 'INVOICE_NOT_FOUND', field: 'order_id', value: orderId } };
    await expect(pay(orderId, 950)).rejects.toMatchObject(missing);
    await expect(invoice(orderId)).rejects.toMatchObject(missing);
    await expect(invoice(orderId)).rejects.toThrow(/try again in a moment/);
    await expect(invoice('42')).rejects.toMatchObject({ code: 'INVALID_ARGUMENT', detail: { field: 'order_id' } });
  });
});

describe('a refund', () => {
  const refund = (orderId: string, more: Partial<RefundRequest> = {}) =>
    client.api.refund({ orderId, idempotencyKey: newId(), amount: eur(200), reason: 'broken cup', ...more });
  async function paidFor(): Promise<string> {
    const orderId = await invoiced();
    await pay(orderId, 950);
    return orderId;
  }

  it('gives back a part for a reason, and nothing is due', async () => {
    const orderId = await paidFor();
    expect(await refund(orderId)).toMatchObject({
      ...money(750, 950, 200, 0),
      state: InvoiceState.PAID,
      refunds: [{ amount: eur(200), reason: 'broken cup' }],
    });
    const refunded = await service.untilSaid('payments.refunded', orderId);
    expect(refunded.body).toMatchObject({ orderId, amount: eur(200), reason: 'broken cup' });
    const adjusted = await service.untilSaid('payments.adjusted', orderId);
    expect(adjusted.body).toMatchObject({ total: eur(750), reduction: eur(200), reason: 'broken cup' });
  });

  it('without an amount gives back all that is left', async () => {
    const orderId = await paidFor();
    await refund(orderId);
    expect(await refund(orderId, { amount: undefined })).toMatchObject(money(0, 950, 950, 0));
    await expect(refund(orderId)).rejects.toMatchObject({
      code: 'FAILED_PRECONDITION',
      detail: { reason: 'NOTHING_LEFT' },
    });
  });

  it('with the same key happens once, however often and at once', async () => {
    const orderId = await paidFor();
    const idempotencyKey = newId();
    const answers = await Promise.all(Array.from({ length: 20 }, () => refund(orderId, { idempotencyKey })));
    for (const answer of answers) expect(answer).toMatchObject({ ...money(750, 950, 200, 0), version: 4 });
    await service.untilSaid('payments.refunded', orderId);
    expect(said(orderId).filter((name) => name === 'payments.refunded')).toHaveLength(1);
  });

  it('with the same key after a restart happens once', async () => {
    await using own = await startAlone('payments', startPayments);
    const orderId = newId();
    await own.tell(placed(orderId));
    const request = { orderId, idempotencyKey: 'key', amount: eur(200), reason: 'broken cup' };
    const first = connectClient(PaymentsService, own.address, own.telemetry);
    await first.api.pay({ orderId, idempotencyKey: 'key', amount: eur(950) });
    const answer = await first.api.refund(request);
    first.close();
    await own.restart();
    const again = connectClient(PaymentsService, own.address, own.telemetry);
    expect(await again.api.refund(request)).toEqual(answer);
    again.close();
  });

  it('of many at once never exceeds what was paid', async () => {
    const orderId = await paidFor();
    const attempts = await Promise.allSettled(Array.from({ length: 10 }, () => refund(orderId, { amount: eur(300) })));
    expect(attempts.filter(({ status }) => status === 'fulfilled').length).toBeLessThanOrEqual(3);
    for (const attempt of attempts) {
      if (attempt.status === 'rejected') expect(['INVALID_ARGUMENT', 'ABORTED']).toContain(attempt.reason.code);
    }
    const { paid, refunded, total } = await invoice(orderId);
    expect(refunded!.minor).toBeGreaterThan(0);
    expect(paid!.minor - refunded!.minor).toBe(total!.minor);
  });

  it('with a key that refunded something else is refused', async () => {
    const [orderId, other] = [await paidFor(), await paidFor()];
    const idempotencyKey = newId();
    await refund(orderId, { idempotencyKey });
    const reused = {
      code: 'FAILED_PRECONDITION',
      detail: { reason: 'IDEMPOTENCY_KEY_REUSED', field: 'idempotency_key', value: idempotencyKey },
    };
    await expect(refund(other, { idempotencyKey })).rejects.toMatchObject(reused);
    await expect(refund(orderId, { idempotencyKey, amount: undefined })).rejects.toMatchObject(reused);
    expect(await invoice(other)).toMatchObject(money(950, 950, 0, 0));
  });

  it.each<[string, Partial<RefundRequest>, string, string]>([
    ['more than was paid', { amount: eur(951) }, 'amount.minor', 'AMOUNT_OUT_OF_RANGE'],
    ['nothing', { amount: eur(0) }, 'amount.minor', 'AMOUNT_OUT_OF_RANGE'],
    ['another currency', { amount: { minor: 1, currency: 'USD' } }, 'amount.currency', 'CURRENCY_MISMATCH'],
    ['a currency that is none', { amount: { minor: 1, currency: '€' } }, 'amount.currency', 'MALFORMED_CURRENCY'],
    ['no reason', { reason: ' ' }, 'reason', 'MISSING'],
    ['a long reason', { reason: 'r'.repeat(201) }, 'reason', 'TOO_LONG'],
    ['no key', { idempotencyKey: '' }, 'idempotency_key', 'MISSING'],
    ['a malformed order id', { orderId: '42' }, 'order_id', 'MALFORMED_ID'],
  ])('of %s is an INVALID_ARGUMENT that names the field, and changes nothing', async (_, wrong, field, reason) => {
    const orderId = await paidFor();
    const refusal = refund(orderId, wrong);
    await expect(refusal).rejects.toMatchObject({ code: 'INVALID_ARGUMENT', detail: { reason, field } });
    await expect(refusal).rejects.toThrow(field);
    expect(await invoice(orderId)).toMatchObject({ ...money(950, 950, 0, 0), version: 2 });
  });

  it('of an order that nobody has paid, or placed, is refused', async () => {
    await expect(refund(await invoiced())).rejects.toMatchObject({
      code: 'FAILED_PRECONDITION',
      detail: { reason: 'NOT_PAID' },
    });
    await expect(refund(newId())).rejects.toMatchObject({ code: 'NOT_FOUND', detail: { field: 'order_id' } });
  });
});

describe('a bot that reports before the invoice is issued', () => {
  it('is heard again until it is', async () => {
    const orderId = newId();
    const early = service.tell(found(orderId, 1, 1));
    // With a key of its own it overtakes what waits to be tried again.
    await service.tell({ ...placed(orderId), key: newId() });
    await early;
    expect(await invoice(orderId)).toMatchObject(money(350, 0, 0, 350));
  });

  it('about an order that was never placed is parked', async () => {
    const orderId = newId();
    const id = await service.tell(found(orderId, 1, 1));
    const rows = await service.database.query((orm) =>
      orm.execute(sql`select message_id, reason from payments.parked where key = ${orderId}`),
    );
    expect([...rows]).toEqual([{ message_id: id, reason: expect.stringContaining('before the invoice is issued') }]);
  });
});
