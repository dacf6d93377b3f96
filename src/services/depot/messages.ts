/** Metres from the depot. */
export interface Position {
  readonly x: number;
  readonly y: number;
}

/** Depot's copy of a store, as of `version` of Stores. */
export interface KnownStore {
  readonly storeId: string;
  readonly name: string;
  readonly position: Position;
  readonly participating: boolean;
  readonly version: number;
}

/** Depot's copy of a product. `storeId` is unknown of one whose removal is all that has been heard of. */
export interface KnownProduct {
  readonly productId: string;
  readonly storeId: string | null;
  readonly removed: boolean;
  readonly version: number;
}

/** What the plan of one order needs of the catalogue. */
export interface Catalogue {
  readonly stores: ReadonlyMap<string, KnownStore>;
  readonly products: ReadonlyMap<string, KnownProduct>;
}

/** One order line in the plan. */
export interface ListLine {
  readonly lineId: string;
  readonly productId: string;
  readonly sku: string;
  readonly name: string;
  readonly quantity: number;
  readonly storeId: string;
  /** Place of its store in walking order, from 0; in the order of the lines where there is no route. */
  readonly stop: number;
  /** Units, of the attempt under way; final once the list is completed. */
  readonly picked: number;
  readonly short: number;
}

interface ListBase {
  readonly orderId: string;
  readonly lines: readonly ListLine[];
  readonly routeMetres: number;
}

/**
 * A shopping list. How it moves:
 *
 *     (placed) -> created -> assigned -> waiting for bay -> completed      what was picked waits for a bay first, if only for a moment
 *                    ^          |------------------------> completed      nothing was picked
 *                    |- lost ---|
 *     (placed) -> stuck <- failed, cancelled - created | assigned
 *
 * and when the order is called off:
 *
 *     created | assigned -> cancelling -> cancelled <- waiting for bay | completed
 *
 * What a bot had picked when its attempt was lost, failed or cancelled comes back to the stores by a `Return`, and so do goods of a cancelled list
 * that are at the depot.
 */
export type List =
  | (ListBase & { readonly state: 'created'; readonly taskId: string })
  | (ListBase & { readonly state: 'assigned'; readonly taskId: string; readonly botId: string })
  | (ListBase & {
      readonly state: 'waiting_for_bay';
      readonly taskId: string;
      readonly botId: string;
      /** The one that succeeded. */
      readonly attempt: number;
      readonly waitingSince: Date;
    })
  | (ListBase & {
      readonly state: 'completed';
      readonly taskId: string;
      readonly botId: string;
      readonly attempt: number;
    })
  /** The hub was asked to end the task; `botId` is empty while no bot is known to have begun. */
  | (ListBase & {
      readonly state: 'cancelling';
      readonly taskId: string;
      readonly botId: string;
      readonly reason: string;
    })
  | (ListBase & {
      readonly state: 'cancelled';
      readonly taskId: string;
      readonly botId: string;
      readonly reason: string;
    })
  /** Without a task where no route could be planned. */
  | (ListBase & { readonly state: 'stuck'; readonly taskId: string; readonly reason: string });

export interface PlannedLine {
  readonly lineId: string;
  readonly productId: string;
  readonly sku: string;
  readonly name: string;
  readonly storeId: string;
  readonly quantity: number;
}

/** An order that was placed. */
export interface PlanCommand {
  readonly orderId: string;
  readonly lines: readonly PlannedLine[];
}

export interface LineOutcome {
  readonly lineId: string;
  readonly picked: number;
  readonly short: number;
}

/** What bots report about the list's task, and that nobody wants the goods any more. */
export type ListCommand =
  | { readonly type: 'callOff'; readonly reason: string }
  | { readonly type: 'start'; readonly botId: string }
  | { readonly type: 'count'; readonly lineId: string; readonly picked: number; readonly short: number }
  | { readonly type: 'lose' }
  | { readonly type: 'fail'; readonly reason: string }
  | { readonly type: 'cancel'; readonly reason: string }
  | {
      readonly type: 'finish';
      readonly botId: string;
      readonly attempt: number;
      readonly outcomes: readonly LineOutcome[];
    };

/** What an attempt at a list had picked, on its way back to the stores. `decideReturn` says how it moves. */
export interface Return {
  readonly taskId: string;
  readonly orderId: string;
  /** At the list, from 1. */
  readonly attempt: number;
  /** Who has the goods; empty while they wait at the depot. */
  readonly botId: string;
  /** They had arrived there when the order was cancelled, and whoever has the task collects them. */
  readonly fromDepot: boolean;
  readonly state: 'requested' | 'under_way' | 'done' | 'lost';
  readonly lines: readonly ReturnLine[];
  readonly requestedAt: Date;
  /** Why it was lost; else empty. */
  readonly reason: string;
}

export interface ReturnLine {
  readonly lineId: string;
  /** Units that the bot had, and those of them that are back on the shelf. */
  readonly quantity: number;
  readonly returned: number;
}

/** What bots report about a return's task. */
export type ReturnCommand =
  | { readonly type: 'start'; readonly botId: string }
  | { readonly type: 'count'; readonly lineId: string; readonly quantity: number }
  | { readonly type: 'lose' }
  | { readonly type: 'fail'; readonly reason: string }
  | { readonly type: 'finish' };
