import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MallError } from '../../../src/contract/errors.ts';
import { decide } from '../../../src/services/payments/decide.ts';
import { dueMinor, foldInvoice, keptMinor } from '../../../src/services/payments/invoice.ts';
import type { Invoice, InvoiceCommand, InvoiceEvent, PricedLine } from '../../../src/services/payments/messages.ts';
import { given } from './given-when-then.ts';

const eur = (minor: number) => ({ minor, currency: 'EUR' });
const priced: readonly PricedLine[] = [
  { lineId: 'a', quantity: 2, unitPrice: eur(100) },
  { lineId: 'b', quantity: 3, unitPrice: eur(250) },
];
const issuedAt = new Date('2026-03-01T10:00:00.000Z');
const issue: InvoiceCommand = { type: 'issue', orderId: 'order', lines: priced, issuedAt };
const pay = (minor: number, currency = 'EUR'): InvoiceCommand => {
  return { type: 'pay', paymentId: 'payment', idempotencyKey: 'key', amount: { minor, currency } };
};
const adjust = (a: number, b: number): InvoiceCommand => ({
  type: 'adjust',
  found: [
    { lineId: 'a', picked: a },
    { lineId: 'b', picked: b },
  ],
});
const cancel: InvoiceCommand = { type: 'cancel', reason: 'stuck' };

const issued: InvoiceEvent = {
  type: 'InvoiceIssued',
  data: {
    orderId: 'order',
    currency: 'EUR',
    lines: [
      { lineId: 'a', quantity: 2, unitPriceMinor: 100 },
      { lineId: 'b', quantity: 3, unitPriceMinor: 250 },
    ],
    totalMinor: 950,
    issuedAt: '2026-03-01T10:00:00.000Z',
  },
};
const adjusted = (totalMinor: number, reductionMinor: number): InvoiceEvent => {
  return { type: 'InvoiceAdjusted', data: { totalMinor, reductionMinor } };
};
const paid = (amountMinor: number): InvoiceEvent => {
  return { type: 'PaymentReceived', data: { paymentId: 'payment', idempotencyKey: 'key', amountMinor } };
};
const refunded = (amountMinor: number, reason: string): InvoiceEvent => {
  return { type: 'RefundIssued', data: { amountMinor, reason } };
};
const giveBack = (minor?: number, currency = 'EUR'): InvoiceCommand => ({
  ...{ type: 'refund', refundId: 'refund', idempotencyKey: 'key', reason: 'broken cup' },
  amount: minor === undefined ? undefined : { minor, currency },
});
const givenBack = (amountMinor: number, totalMinor: number): InvoiceEvent[] => [
  { type: 'AllowanceGranted', data: { totalMinor, reductionMinor: amountMinor, reason: 'broken cup' } },
  { type: 'RefundIssued', data: { amountMinor, reason: 'broken cup', refundId: 'refund', idempotencyKey: 'key' } },
];
const cancelled: InvoiceEvent = { type: 'InvoiceCancelled', data: { reason: 'stuck' } };

describe('issuing', () => {
  it('sums the lines', () => given().when(issue).thenEvents(issued));
  it('happens once', () => given(issued).when(issue).thenEvents());
  it('refuses lines in several currencies', () => {
    const lines = [...priced, { lineId: 'c', quantity: 1, unitPrice: { minor: 1, currency: 'USD' } }];
    given()
      .when({ ...issue, lines } as InvoiceCommand)
      .thenThrows(/several currencies/);
  });
  it('refuses an order without lines', () => {
    given()
      .when({ ...issue, lines: [] } as InvoiceCommand)
      .thenThrows(/no priced line/);
  });
  it('refuses a total beyond exact integers', () => {
    const lines = [{ lineId: 'a', quantity: 2, unitPrice: eur(Number.MAX_SAFE_INTEGER) }];
    given()
      .when({ ...issue, lines } as InvoiceCommand)
      .thenThrows(/more than an invoice can hold/);
  });
});

describe('paying', () => {
  it('takes exactly what is due', () => given(issued).when(pay(950)).thenEvents(paid(950)));
  it('takes what is due after a shortage', () =>
    given(issued, adjusted(700, 250)).when(pay(700)).thenEvents(paid(700)));
  it('takes nothing for what costs nothing, so that the order can be handed over', () => {
    given(issued, adjusted(0, 950)).when(pay(0)).thenEvents(paid(0));
  });
  it.each([0, -950, 949, 951, 950.5])('refuses %d for 950', (minor) => {
    given(issued)
      .when(pay(minor))
      .thenThrows({
        code: 'INVALID_ARGUMENT',
        detail: { reason: 'AMOUNT_MISMATCH', field: 'amount.minor', value: String(minor) },
      });
    given(issued)
      .when(pay(minor))
      .thenThrows(/950 EUR \(minor units\) are due/);
  });
  it('refuses another currency', () => {
    given(issued)
      .when(pay(950, 'USD'))
      .thenThrows({
        code: 'INVALID_ARGUMENT',
        detail: { reason: 'CURRENCY_MISMATCH', field: 'amount.currency', value: 'USD' },
      });
  });
  it('refuses a second time, also when part of the first was refunded', () => {
    const alreadyPaid = { code: 'FAILED_PRECONDITION', detail: { reason: 'ALREADY_PAID', field: 'order_id' } };
    given(issued, paid(950)).when(pay(950)).thenThrows(alreadyPaid);
    given(issued, paid(950), adjusted(700, 250), refunded(250, 'items were short'))
      .when(pay(0))
      .thenThrows(alreadyPaid);
  });
  it('refuses after a cancellation', () => {
    const voided = { code: 'FAILED_PRECONDITION', detail: { reason: 'INVOICE_CANCELLED', field: 'order_id' } };
    given(issued, cancelled).when(pay(950)).thenThrows(voided);
    given(issued, paid(950), refunded(950, 'stuck'), cancelled).when(pay(0)).thenThrows(voided);
  });
});

describe('a shortage', () => {
  it('reduces what is owed', () => given(issued).when(adjust(1, 2)).thenEvents(adjusted(600, 350)));
  it('refunds the difference when it was paid already', () => {
    given(issued, paid(950)).when(adjust(2, 1)).thenEvents(adjusted(450, 500), refunded(500, 'items were short'));
  });
  it('changes nothing when all is there', () => given(issued).when(adjust(2, 3)).thenEvents());
  it('changes nothing the second time', () => given(issued, adjusted(600, 350)).when(adjust(1, 2)).thenEvents());
  it('never raises what is owed', () => {
    given(issued, adjusted(600, 350)).when(adjust(2, 3)).thenEvents();
    given(issued).when(adjust(9, 9)).thenEvents();
  });
  it('counts a line that nobody names as short', () => {
    given(issued)
      .when({ type: 'adjust', found: [{ lineId: 'a', picked: 2 }] })
      .thenEvents(adjusted(200, 750));
  });
  it('is of no interest after a cancellation', () => given(issued, cancelled).when(adjust(0, 0)).thenEvents());
});

describe('cancelling', () => {
  it('voids what was not paid', () => given(issued).when(cancel).thenEvents(cancelled));
  it('refunds what was paid', () =>
    given(issued, paid(950)).when(cancel).thenEvents(refunded(950, 'stuck'), cancelled));
  it('refunds only what was not refunded yet', () => {
    given(issued, paid(950), adjusted(450, 500), refunded(500, 'items were short'))
      .when(cancel)
      .thenEvents(refunded(450, 'stuck'), cancelled);
    given(issued, paid(950), adjusted(0, 950), refunded(950, 'items were short')).when(cancel).thenEvents(cancelled);
  });
  it('happens once', () => given(issued, cancelled).when(cancel).thenEvents());
});

describe('giving back', () => {
  it('takes a part off the total, so that it is not due again', () =>
    given(issued, paid(950))
      .when(giveBack(200))
      .thenEvents(...givenBack(200, 750)));
  it('gives back all that is left when no amount is said', () => {
    given(issued, paid(950))
      .when(giveBack())
      .thenEvents(...givenBack(950, 0));
    given(issued, paid(950), adjusted(450, 500), refunded(500, 'items were short'))
      .when(giveBack())
      .thenEvents(...givenBack(450, 0));
    given(issued, paid(950), ...givenBack(200, 750))
      .when(giveBack())
      .thenEvents(...givenBack(750, 0));
  });
  it.each([0, -1, 951, 0.5, Number.NaN])('refuses %d of 950', (minor) => {
    const out = { code: 'INVALID_ARGUMENT', detail: { reason: 'AMOUNT_OUT_OF_RANGE', field: 'amount.minor' } };
    given(issued, paid(950)).when(giveBack(minor)).thenThrows(out);
  });
  it('gives back no more than was kept, however often', () => {
    given(issued, paid(950), ...givenBack(200, 750))
      .when(giveBack(751))
      .thenThrows(/give 1 to 750 EUR/);
    given(issued, paid(950), ...givenBack(950, 0))
      .when(giveBack(1))
      .thenThrows({ code: 'FAILED_PRECONDITION', detail: { reason: 'NOTHING_LEFT', field: 'order_id' } });
  });
  it('refuses another currency', () => {
    given(issued, paid(950))
      .when(giveBack(1, 'USD'))
      .thenThrows({ code: 'INVALID_ARGUMENT', detail: { reason: 'CURRENCY_MISMATCH', field: 'amount.currency' } });
  });
  it('refuses what was not paid, or is cancelled', () => {
    given(issued)
      .when(giveBack(1))
      .thenThrows({ code: 'FAILED_PRECONDITION', detail: { reason: 'NOT_PAID', field: 'order_id' } });
    given(issued, paid(950), refunded(950, 'stuck'), cancelled)
      .when(giveBack())
      .thenThrows({ code: 'FAILED_PRECONDITION', detail: { reason: 'INVOICE_CANCELLED', field: 'order_id' } });
  });
  it('before the goods are there stays off what they turn out to cost', () => {
    given(issued, paid(950), ...givenBack(200, 750))
      .when(adjust(2, 1))
      .thenEvents(adjusted(250, 500), refunded(500, 'items were short'));
    // More than they cost: nothing is owed, and nothing is kept.
    given(issued, paid(950), ...givenBack(700, 250))
      .when(adjust(2, 1))
      .thenEvents(adjusted(0, 250), refunded(250, 'items were short'));
  });
  it('leaves the rest for a cancellation', () => {
    given(issued, paid(950), ...givenBack(200, 750))
      .when(cancel)
      .thenEvents(refunded(750, 'stuck'), cancelled);
  });
});

it.each([pay(950), adjust(0, 0), giveBack(1), cancel])(
  '$type before the invoice is issued is an error, to be tried again',
  (command) => {
    given()
      .when(command)
      .thenThrows(/before the invoice is issued/);
  },
);

it('refuses a stream that begins in the middle', () => {
  expect(() => foldInvoice([paid(1)])).toThrow(/begins with PaymentReceived/);
});

describe('the money', () => {
  const payWhatIsDue = 'pay what is due';
  const command = fc.oneof(
    fc.tuple(fc.nat(3), fc.nat(4)).map(([a, b]) => adjust(a, b)),
    fc.option(fc.integer({ min: 1, max: 950 }), { nil: undefined }).map((minor) => giveBack(minor)),
    fc.constantFrom<InvoiceCommand | typeof payWhatIsDue>(cancel, issue, payWhatIsDue),
  );
  /** What is refused changes nothing. */
  const tried = (invoice: Invoice, next: InvoiceCommand): readonly InvoiceEvent[] => {
    try {
      return decide(invoice, next);
    } catch (error) {
      if (next.type === 'refund' && error instanceof MallError) return [];
      throw error;
    }
  };

  it('that was kept is what is owed, once paid, whatever the order of shortages, payment, refunds and cancellation', () => {
    fc.assert(
      fc.property(fc.array(command, { maxLength: 12 }), (commands) => {
        const stream: InvoiceEvent[] = [...decide(undefined, issue)];
        for (const next of commands) {
          const invoice = foldInvoice(stream)!;
          if (next !== payWhatIsDue) stream.push(...tried(invoice, next));
          else if (invoice.state === 'OPEN') stream.push(...decide(invoice, pay(dueMinor(invoice))));
        }
        const invoice = foldInvoice(stream)!;
        expect(invoice.totalMinor).toBeGreaterThanOrEqual(0);
        expect(invoice.refundedMinor).toBeLessThanOrEqual(invoice.paidMinor);
        expect(invoice.refunds.reduce((sum, { amountMinor }) => sum + amountMinor, 0)).toBe(invoice.refundedMinor);
        expect(keptMinor(invoice)).toBe(invoice.state === 'OPEN' ? 0 : invoice.totalMinor);
        expect(dueMinor(invoice)).toBe(invoice.state === 'OPEN' ? invoice.totalMinor : 0);
        expect(stream.filter(({ type }) => type === 'PaymentReceived').length).toBeLessThanOrEqual(1);
      }),
    );
  });
});
