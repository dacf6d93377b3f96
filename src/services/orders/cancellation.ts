import { type Draft, draft } from '../../contract/message.ts';
import type { Cancellation, CancellationInput, CancelledBy } from './messages.ts';

/**
 * Payments and Depot answer within a second; both are asked again when they have not, in case that a message of theirs or ours was dropped by hand: after
 * this, then after twice as long each time, up to an hour.
 */
export const askAgainMs = 60_000;
const maxAskAgainMs = 60 * 60_000;

/**
 * How long the order waits for its goods: twice what a bot has for bringing them back once the hub has ended its task. What takes longer (goods at the depot that
 * no bot is free for, a bot that goes on and on) ends without the order; Depot and Stores still count it.
 */
export const goodsWithinMs = 60 * 60_000;

/** The order that is cancelled, as its events name it. */
export interface About {
  readonly orderId: string;
  readonly reason: string;
}

export interface CancellationDecision {
  /** The very same object when nothing changed. */
  readonly cancellation: Cancellation;
  readonly events: readonly Draft[];
}

/** The process begins: Payments and Depot are asked, both at once. */
export function beginCancellation(about: About, requestedBy: CancelledBy, now: Date): CancellationDecision {
  return ask(
    about,
    {
      requestedBy,
      requestedAt: now,
      refunded: false,
      goods: 'RECALLED',
      returnTaskIds: [],
      asks: 0,
      askAgainAt: null,
      goodsBy: later(now, goodsWithinMs),
    },
    now,
  );
}

/**
 * What brings a cancellation on. The money and the goods go their ways side by side, and the order is cancelled when both are there (`isOver`):
 *
 * | goods     | list cancelled                  | return ended            | `goodsBy` has passed |
 * |-----------|---------------------------------|-------------------------|----------------------|
 * | RECALLED  | RETURNING; SETTLED without returns | same                 | OVERDUE              |
 * | RETURNING | as it says now                  | one less; SETTLED after the last | OVERDUE     |
 * | SETTLED, OVERDUE | same                     | same                    | same                 |
 *
 * Who has not answered is asked again and again: the goods are waited for until `goodsBy`, the money for as long as it takes.
 */
export function decideCancellation(
  about: About,
  before: Cancellation,
  input: CancellationInput,
  now: Date,
): CancellationDecision {
  switch (input.type) {
    case 'moneyReturned':
      return settled(before.refunded ? before : { ...before, refunded: true });
    case 'listCancelled':
      return isWaitingForGoods(before) ? settled(awaiting(before, input.returnTaskIds)) : same(before);
    case 'returnEnded': {
      if (before.goods !== 'RETURNING' || !before.returnTaskIds.includes(input.taskId)) return same(before);
      return settled(
        awaiting(
          before,
          before.returnTaskIds.filter((id) => id !== input.taskId),
        ),
      );
    }
    case 'tick': {
      const isLate = isWaitingForGoods(before) && before.goodsBy <= now;
      const cancellation: Cancellation = isLate ? { ...before, goods: 'OVERDUE' } : before;
      if (!before.askAgainAt || before.askAgainAt > now) return settled(cancellation);
      return hasAnswers(cancellation) ? settled(cancellation) : ask(about, cancellation, now);
    }
    default:
      return input satisfies never;
  }
}

/** Nothing is owed to the shopper, and nothing of the order is anywhere but in its store, as far as anybody can know. */
export const isOver = (cancellation: Cancellation): boolean =>
  cancellation.refunded && !isWaitingForGoods(cancellation);

/** Units may still be picked for the order: no bot is known to have stopped. */
export const mayStillPick = ({ goods }: Cancellation): boolean => goods === 'RECALLED';

/** When a tick has something to do; null when only news brings it on. */
export function wakesAt(cancellation: Cancellation): Date | null {
  const { askAgainAt, goodsBy } = cancellation;
  const goodsAt = isWaitingForGoods(cancellation) ? goodsBy : null;
  if (!askAgainAt || !goodsAt) return askAgainAt ?? goodsAt;
  return askAgainAt < goodsAt ? askAgainAt : goodsAt;
}

const same = (cancellation: Cancellation): CancellationDecision => ({ cancellation, events: [] });

const isWaitingForGoods = ({ goods }: Cancellation): boolean => goods === 'RECALLED' || goods === 'RETURNING';

const hasAnswers = ({ refunded, goods }: Cancellation): boolean => refunded && goods !== 'RECALLED';

const awaiting = (before: Cancellation, returnTaskIds: readonly string[]): Cancellation => ({
  ...before,
  goods: returnTaskIds.length > 0 ? 'RETURNING' : 'SETTLED',
  returnTaskIds,
});

/** Nobody is asked again who has answered. */
function settled(cancellation: Cancellation): CancellationDecision {
  const isDone = hasAnswers(cancellation) && cancellation.askAgainAt !== null;
  return same(isDone ? { ...cancellation, askAgainAt: null } : cancellation);
}

function ask({ orderId, reason }: About, before: Cancellation, now: Date): CancellationDecision {
  const asks = before.asks + 1;
  const waitMs = Math.min(maxAskAgainMs, askAgainMs * 2 ** Math.min(before.asks, 10));
  const requestedBy = before.requestedBy.toLowerCase();
  return {
    cancellation: { ...before, asks, askAgainAt: later(now, waitMs) },
    events: [draft('orders.cancellation_requested', orderId, { orderId, reason, requestedBy })],
  };
}

const later = (now: Date, ms: number): Date => new Date(now.getTime() + ms);
