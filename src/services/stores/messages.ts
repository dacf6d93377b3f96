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

/** What bots cause; `quantity` is in units and positive. */
export type UnitMove = {
  /** `take`: a bot has them. `writeOff`: a bot missed them on the shelf. `putBack`: a bot's attempt came to nothing. */
  readonly type: 'take' | 'writeOff' | 'putBack';
  readonly quantity: number;
  readonly line: LineRef;
};

/** What one attempt (a fence) at a task did to one line; the books follow it. */
export interface Pick extends LineRef {
  readonly taskId: string;
  readonly fence: number;
  readonly productId: string;
  readonly picked: number;
  readonly short: number;
}
