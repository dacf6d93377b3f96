/** What an order is and what can happen to it. Pure data: the tables and the decisions are written in these words. */

/**
 * PLACED → READY → COLLECTABLE → COMPLETED, or out of PLACED into CANCELLED or REJECTED; on somebody's wish, out of any of the first three by way of
 * CANCELLING into CANCELLED. `paid` is a flag beside the state: payment and goods come in either order, and the second of them makes the order
 * COLLECTABLE.
 */
export const orderStates = [
  'PLACED',
  'READY',
  'COLLECTABLE',
  'COMPLETED',
  'CANCELLED',
  'REJECTED',
  'CANCELLING',
] as const;
export type OrderState = (typeof orderStates)[number];

export interface Order {
  readonly id: string;
  readonly idempotencyKey: string;
  readonly shopper: string;
  /** ISO 4217, of every price in the order. */
  readonly currency: string;
  readonly state: OrderState;
  readonly paid: boolean;
  /** Where the goods wait; empty until the depot has found a bay for them, which may be after they are collectable. */
  readonly bay: string;
  readonly lines: readonly OrderLine[];
  readonly placedAt: Date;
  readonly readyAt: Date | null;
  /** When it was completed, cancelled or rejected. */
  readonly closedAt: Date | null;
  /** Why it is cancelled or was rejected; else empty. */
  readonly reason: string;
  /** W3C context of the request that placed it. */
  readonly traceparent: string;
  /** Of an order that somebody wanted to be cancelled; null of one that ended, or goes on, by itself. */
  readonly cancellation: Cancellation | null;
  /** What its shopper shows at the desk, without hyphen; empty where the order was placed before there were any. */
  readonly pickupCode: string;
  /** Wrong ones that were tried since the last right one, and the newest of them. */
  readonly wrongCodes: number;
  readonly lastWrongCode: string;
}

export const cancelledBy = ['SHOPPER', 'STAFF'] as const;
export type CancelledBy = (typeof cancelledBy)[number];

/** How far the cancellation of an order is. `decideCancellation` says how it moves. */
export interface Cancellation {
  readonly requestedBy: CancelledBy;
  readonly requestedAt: Date;
  /** Payments has voided the invoice, and given back what was paid. */
  readonly refunded: boolean;
  /** RECALLED until Depot says that no bot has the list, RETURNING while bots bring something back. */
  readonly goods: 'RECALLED' | 'RETURNING' | 'SETTLED' | 'OVERDUE';
  /** Tasks that bring something back, while RETURNING. */
  readonly returnTaskIds: readonly string[];
  /** How often Payments and Depot were asked, and when they are asked again; null when both have answered. */
  readonly asks: number;
  readonly askAgainAt: Date | null;
  /** The goods are not waited for after this. */
  readonly goodsBy: Date;
}

export type CancellationInput =
  | { readonly type: 'moneyReturned' }
  /** No bot has the list any more. */
  | { readonly type: 'listCancelled'; readonly returnTaskIds: readonly string[] }
  | { readonly type: 'returnEnded'; readonly taskId: string }
  /** Time has passed. */
  | { readonly type: 'tick' };

export interface OrderLine {
  readonly id: string;
  readonly productId: string;
  readonly storeId: string;
  readonly sku: string;
  readonly name: string;
  readonly quantity: number;
  readonly unitPriceMinor: number;
  /** So far by the bot's word, and for good once the list is completed; then `picked + short` is `quantity`. */
  readonly picked: number;
  readonly short: number;
  /**
   * Units of the store's books that are still promised to this line: `quantity` when placed, less as Stores takes them off its books,
   * 0 once the order is closed, and all of it again when another bot has to begin anew. A product's `committed` is the sum of these.
   */
  readonly held: number;
  /** The newest attempt at the list that is known of, from 1: what earlier ones took of the books is not for this line any more. */
  readonly attempt: number;
}

/** Orders' own copy of a product, with what open orders have been promised of it. */
export interface Product {
  readonly id: string;
  readonly storeId: string;
  readonly sku: string;
  readonly name: string;
  readonly priceMinor: number;
  readonly currency: string;
  /** What the store's books say. */
  readonly stock: number;
  readonly committed: number;
  readonly removed: boolean;
}

export interface Store {
  readonly id: string;
  readonly name: string;
  readonly participating: boolean;
}

/** The products and stores that a shopper's lines name; absent is what is not known. */
export interface Catalogue {
  readonly products: ReadonlyMap<string, Product>;
  readonly stores: ReadonlyMap<string, Store>;
}

export interface PlaceOrder {
  readonly idempotencyKey: string;
  readonly shopper: string;
  readonly currency: string;
  /** No product twice. */
  readonly lines: ReadonlyArray<{ readonly productId: string; readonly quantity: number }>;
  readonly traceparent: string;
}

export interface LineCount {
  readonly lineId: string;
  readonly picked: number;
  readonly short: number;
}

/** Why whoever takes the goods is the order's shopper. */
export type Proof =
  | { readonly type: 'code'; readonly code: string }
  /** Staff have made sure otherwise; `reason` says how. */
  | { readonly type: 'identity'; readonly reason: string };

/** What can happen to an order that is there. */
export type OrderCommand =
  /** A bot picked units, or found them missing: adds to the line's counts. */
  | { readonly type: 'count'; readonly line: LineCount }
  /** Another bot begins anew with this attempt. */
  | { readonly type: 'beginAnew'; readonly attempt: number }
  /** The goods are at the depot. `lines` is what was found, for good. */
  | { readonly type: 'completeList'; readonly lines: readonly LineCount[]; readonly bay: string }
  | { readonly type: 'assignBay'; readonly bay: string }
  | { readonly type: 'reject'; readonly reason: string }
  /** The mall cannot go on with it. */
  | { readonly type: 'cancel'; readonly reason: string }
  /** Somebody does not want it any more. */
  | { readonly type: 'requestCancellation'; readonly requestedBy: CancelledBy; readonly reason: string }
  | CancellationInput
  | { readonly type: 'markPaid' }
  /** Somebody at the desk shows this code. */
  | { readonly type: 'tryCode'; readonly code: string }
  | { readonly type: 'handOver'; readonly proof: Proof }
  /** Stores took units off its books for what this attempt does to the line: they are promised no longer. */
  | { readonly type: 'takeStock'; readonly lineId: string; readonly attempt: number; readonly quantity: number }
  /** Stores has put units of this attempt back, so it came to nothing: the next one needs all of the line again. */
  | { readonly type: 'returnStock'; readonly lineId: string; readonly attempt: number };
