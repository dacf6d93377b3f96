/** Metres from the depot. */
export interface Position {
  readonly x: number;
  readonly y: number;
}

/** Integer in minor units of an ISO 4217 currency. */
export interface Price {
  readonly minor: number;
  readonly currency: string;
}

export interface StoreState {
  readonly storeId: string;
  readonly name: string;
  readonly position: Position;
  readonly participating: boolean;
  /** Grows by one with every change; the first is 1. */
  readonly version: number;
}

export interface ProductState {
  readonly productId: string;
  readonly storeId: string;
  readonly sku: string;
  readonly name: string;
  readonly price: Price;
  /** What the books say. Below zero when shelves held more than the books did: the next count puts it right. */
  readonly stock: number;
  readonly removed: boolean;
  /** Grows by one with every change; the first is 1. */
  readonly version: number;
  /** What it was added with, so that the same AddProduct is known again after prices and stock have moved on. */
  readonly added: { readonly priceMinor: number; readonly stock: number };
}

export type StoreCommand =
  | { readonly type: 'open'; readonly storeId: string; readonly name: string; readonly position: Position }
  | { readonly type: 'setParticipation'; readonly participating: boolean };

export interface AddProduct {
  readonly type: 'add';
  readonly productId: string;
  readonly storeId: string;
  readonly sku: string;
  readonly name: string;
  readonly price: Price;
  readonly stock: number;
}

/** The order line on whose account units move. */
export interface LineRef {
  readonly orderId: string;
  readonly lineId: string;
}

export type ProductCommand =
  | AddProduct
  | { readonly type: 'changePrice'; readonly price: Price }
  | { readonly type: 'setStock'; readonly stock: number }
  | { readonly type: 'remove' }
  | UnitMove;

/**
 * What bots cause; `quantity` is in units and positive.
 *
 * | type       | a bot                                          | books |
 * |------------|------------------------------------------------|-------|
 * | `take`     | has them                                       | less  |
 * | `writeOff` | missed them on the shelf                       | less  |
 * | `recount`  | missed them, and another one looks again       | more  |
 * | `putBack`  | has put back what an attempt had picked        | more  |
 * | `giveUp`   | had picked them, and they will not come back   | same  |
 */
export interface UnitMove {
  readonly type: 'take' | 'writeOff' | 'recount' | 'putBack' | 'giveUp';
  readonly quantity: number;
  readonly line: LineRef;
  /** At the order's list, from 1. */
  readonly attempt: number;
}

/** What one attempt at an order's list did to one line; the books follow it. */
export interface Pick extends LineRef {
  readonly taskId: string;
  readonly attempt: number;
  /** Of the task that brings the goods back, should the attempt come to nothing. */
  readonly returnTaskId: string;
  readonly productId: string;
  /** Units that the bot took, and those of them that are back on the shelf. */
  readonly picked: number;
  readonly returned: number;
  /** Units that it missed, and those of them that the books had and do not have any more. */
  readonly missed: number;
  readonly writtenOff: number;
}

export type PickCommand =
  | { readonly type: 'take'; readonly quantity: number }
  | { readonly type: 'miss'; readonly quantity: number }
  /** The attempt is lost, and another bot will look at the same shelf. */
  | { readonly type: 'lose' }
  | { readonly type: 'putBack'; readonly quantity: number }
  /** Nothing more comes back of what an attempt that came to nothing had picked. */
  | { readonly type: 'settle' };
