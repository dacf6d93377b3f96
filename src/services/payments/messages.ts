/** What an invoice's stream says and what can be asked of it. Amounts are minor units of the invoice's currency. */

/** What happened, for ever: these are stored as they stand, so a field is only ever added, and as an optional one. */
export type InvoiceEvent =
  | {
      readonly type: 'InvoiceIssued';
      readonly data: {
        readonly orderId: string;
        readonly currency: string;
        readonly lines: readonly InvoiceLine[];
        readonly totalMinor: number;
        /** ISO 8601. */
        readonly issuedAt: string;
      };
    }
  /** Items were short. `totalMinor` is what is owed now. */
  | {
      readonly type: 'InvoiceAdjusted';
      readonly data: { readonly totalMinor: number; readonly reductionMinor: number };
    }
  | {
      readonly type: 'PaymentReceived';
      readonly data: { readonly paymentId: string; readonly idempotencyKey: string; readonly amountMinor: number };
    }
  /** Staff let the shopper off part of the price. `totalMinor` is what is owed now. */
  | {
      readonly type: 'AllowanceGranted';
      readonly data: { readonly totalMinor: number; readonly reductionMinor: number; readonly reason: string };
    }
  /** With an id and a key where staff gave it back; the rest follows from what became of the goods. */
  | {
      readonly type: 'RefundIssued';
      readonly data: {
        readonly amountMinor: number;
        readonly reason: string;
        readonly refundId?: string;
        readonly idempotencyKey?: string;
      };
    }
  /** Nothing is owed any more. */
  | { readonly type: 'InvoiceCancelled'; readonly data: { readonly reason: string } };

export interface InvoiceLine {
  readonly lineId: string;
  readonly quantity: number;
  readonly unitPriceMinor: number;
}

/** The fold of a stream's events. */
export interface Invoice {
  readonly orderId: string;
  readonly currency: string;
  readonly lines: readonly InvoiceLine[];
  readonly issuedAt: Date;
  readonly state: 'OPEN' | 'PAID' | 'CANCELLED';
  /** What the goods cost, shortages and allowances taken off; 0 once cancelled. */
  readonly totalMinor: number;
  /** What the shopper was let off, whatever the goods cost. */
  readonly allowedMinor: number;
  readonly paidMinor: number;
  readonly refundedMinor: number;
  /** The parts of `refundedMinor`, in their order. */
  readonly refunds: ReadonlyArray<{ readonly amountMinor: number; readonly reason: string }>;
}

export interface Amount {
  readonly minor: number;
  readonly currency: string;
}

/** A line as the order placed it. */
export interface PricedLine {
  readonly lineId: string;
  readonly quantity: number;
  readonly unitPrice: Amount;
}

export type InvoiceCommand =
  | { readonly type: 'issue'; readonly orderId: string; readonly lines: readonly PricedLine[]; readonly issuedAt: Date }
  /** What the bot brought; a line that it does not name was not brought. */
  | { readonly type: 'adjust'; readonly found: ReadonlyArray<{ readonly lineId: string; readonly picked: number }> }
  | { readonly type: 'pay'; readonly paymentId: string; readonly idempotencyKey: string; readonly amount: Amount }
  | RefundCommand
  | { readonly type: 'cancel'; readonly reason: string };

export interface RefundCommand {
  readonly type: 'refund';
  readonly refundId: string;
  readonly idempotencyKey: string;
  /** Undefined: all that was paid and not given back. */
  readonly amount: Amount | undefined;
  readonly reason: string;
}
