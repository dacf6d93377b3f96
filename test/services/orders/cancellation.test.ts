import { describe, expect, it } from 'vitest';
import { askAgainMs, goodsWithinMs, wakesAt } from '../../../src/services/orders/cancellation.ts';
import { decide } from '../../../src/services/orders/decide.ts';
import type { Order, OrderCommand } from '../../../src/services/orders/messages.ts';
import { handOver, line, now, order } from './examples.ts';

const wish: OrderCommand = { type: 'requestCancellation', requestedBy: 'SHOPPER', reason: 'changed my mind' };
const moneyReturned: OrderCommand = { type: 'moneyReturned' };
const listCancelled = (...returnTaskIds: string[]): OrderCommand => ({ type: 'listCancelled', returnTaskIds });
const returnEnded = (taskId: string): OrderCommand => ({ type: 'returnEnded', taskId });
const tick: OrderCommand = { type: 'tick' };
const later = (ms: number) => new Date(now.getTime() + ms);
const open = ['PLACED', 'READY', 'COLLECTABLE'] as const;

function run(start: Order, ...commands: OrderCommand[]) {
  const events: string[] = [];
  let state = start;
  for (const command of commands) {
    const decision = decide(state, command, now);
    state = decision.order;
    events.push(...decision.events.map(({ name }) => name));
  }
  return { order: state, events };
}
const cancelling = (more: Partial<Order> = {}) => run(order(more), wish).order;
const held = ({ lines }: Order) => lines.map((each) => each.held);

describe('the wish to cancel', () => {
  it.each(open)('ends an order that is %s for whoever would hand it over, and asks for money and goods', (state) => {
    const { order: cancelled, events } = decide(order({ state, paid: true }), wish, now);
    expect(cancelled).toMatchObject({ state: 'CANCELLING', reason: 'changed my mind', closedAt: null });
    expect(cancelled.cancellation).toEqual({
      ...{ requestedBy: 'SHOPPER', requestedAt: now, refunded: false, goods: 'RECALLED', returnTaskIds: [], asks: 1 },
      ...{ askAgainAt: later(askAgainMs), goodsBy: later(goodsWithinMs) },
    });
    expect(events).toEqual([
      expect.objectContaining({
        name: 'orders.cancellation_requested',
        key: 'order',
        body: { orderId: 'order', reason: 'changed my mind', requestedBy: 'shopper' },
      }),
    ]);
    expect(() => decide(cancelled, handOver, now)).toThrow(
      expect.objectContaining({ detail: expect.objectContaining({ reason: 'ORDER_CANCELLING' }) }),
    );
  });

  it.each(['CANCELLED', 'REJECTED'] as const)('is fulfilled already where the order is %s', (state) => {
    const ended = order({ state, reason: 'nothing was found' });
    expect(decide(ended, wish, now)).toEqual({ order: ended, events: [] });
  });

  it('is asked once: who comes second changes nothing, not even the reason', () => {
    const first = cancelling();
    const again = decide(first, { type: 'requestCancellation', requestedBy: 'STAFF', reason: 'too slow' }, now);
    expect(again).toEqual({ order: first, events: [] });
  });

  it('comes too late for goods that were handed over, and says when', () => {
    const done = order({ state: 'COMPLETED', paid: true, closedAt: now });
    expect(() => decide(done, wish, now)).toThrow(
      /^order order cannot be cancelled: its goods were handed over at 2026-03-01T10:00:00.000Z; bring them to the desk$/,
    );
    expect(() => decide(done, wish, now)).toThrow(
      expect.objectContaining({
        code: 'FAILED_PRECONDITION',
        detail: expect.objectContaining({ reason: 'ORDER_COMPLETED' }),
      }),
    );
  });
});

describe('a cancellation', () => {
  it.each([
    ['the money first', [moneyReturned, listCancelled('r1', 'r2'), returnEnded('r2'), returnEnded('r1')]],
    ['the goods first', [listCancelled('r1'), returnEnded('r1'), moneyReturned]],
    ['nothing to bring back', [listCancelled(), moneyReturned]],
    ['an answer said again', [listCancelled('r1', 'r2'), listCancelled('r2'), moneyReturned, returnEnded('r2')]],
    [
      'a return of before that nobody waits for',
      [returnEnded('r0'), listCancelled('r1'), moneyReturned, returnEnded('r1')],
    ],
  ])('is over when the money and every return are there: %s', (_, news) => {
    for (let count = 0; count < news.length; count += 1) {
      expect(run(cancelling(), ...news.slice(0, count)).order.state).toBe('CANCELLING');
    }
    const { order: ended, events } = run(cancelling(), ...news, ...news);
    expect(ended).toMatchObject({ state: 'CANCELLED', reason: 'changed my mind', closedAt: now });
    expect(ended.cancellation).toMatchObject({ refunded: true, goods: 'SETTLED', askAgainAt: null });
    expect(wakesAt(ended.cancellation!)).toBeNull();
    expect(events).toEqual(['orders.cancelled']);
  });

  it('keeps units from others as long as a bot may pick them, and no longer', () => {
    const lines = [line('a'), line('b', { quantity: 3, held: 1 })];
    const recalled = cancelling({ lines });
    expect(held(recalled)).toEqual([2, 1]);
    const picking: OrderCommand[] = [
      { type: 'takeStock', lineId: 'a', attempt: 1, quantity: 1 },
      { type: 'count', line: { lineId: 'a', picked: 1, short: 0 } },
    ];
    const counted = run(recalled, ...picking).order;
    expect(held(counted)).toEqual([1, 1]);
    expect(counted.lines[0]).toMatchObject({ picked: 1 });
    expect(held(run(counted, { type: 'beginAnew', attempt: 2 }).order)).toEqual([2, 3]);

    const free = run(counted, listCancelled('r1')).order;
    expect(held(free)).toEqual([0, 0]);
    // What comes back is for others.
    const late: OrderCommand[] = [
      ...picking,
      { type: 'beginAnew', attempt: 2 },
      { type: 'returnStock', lineId: 'a', attempt: 1 },
    ];
    expect(run(free, ...late).order).toBe(free);
  });

  it('is not stopped by the list, which may be done, stuck or unplannable by then', () => {
    const outcomes: OrderCommand[] = [
      { type: 'completeList', lines: [{ lineId: 'a', picked: 2, short: 0 }], bay: 'B1' },
      { type: 'completeList', lines: [], bay: '' },
      { type: 'cancel', reason: 'cancelled: by staff' },
      { type: 'reject', reason: 'no way there' },
      { type: 'assignBay', bay: 'B1' },
    ];
    for (const outcome of outcomes) {
      const { order: after, events } = run(cancelling(), outcome);
      expect(after).toMatchObject({ state: 'CANCELLING', bay: '', readyAt: null });
      expect(events).toEqual([]);
    }
    const counted = run(cancelling(), outcomes[0]!).order.lines.map(({ picked, short }) => [picked, short]);
    expect(counted).toEqual([
      [2, 0],
      [0, 3],
    ]);
  });

  it('takes note of a payment that was under way', () => {
    const { order: paid, events } = run(cancelling(), { type: 'markPaid' });
    expect(paid).toMatchObject({ state: 'CANCELLING', paid: true });
    expect(events).toEqual([]);
  });
});

describe('who does not answer', () => {
  const at = (state: Order, ms: number) => decide(state, tick, later(ms));

  it('is asked again, after twice as long each time', () => {
    let state = cancelling();
    let dueMs = 0;
    for (const waitMs of [60_000, 120_000, 240_000]) {
      dueMs += waitMs;
      expect(wakesAt(state.cancellation!)).toEqual(later(dueMs));
      expect(at(state, dueMs - 1)).toEqual({ order: state, events: [] });
      const asked = at(state, dueMs);
      expect(asked.events.map(({ name }) => name)).toEqual(['orders.cancellation_requested']);
      expect(at(asked.order, dueMs).events).toEqual([]);
      state = asked.order;
    }
    expect(state.cancellation).toMatchObject({ asks: 4 });
  });

  it('is not asked again once both have answered; then only the goods are waited for, until their time', () => {
    const returning = run(cancelling(), moneyReturned, listCancelled('r1')).order;
    expect(wakesAt(returning.cancellation!)).toEqual(later(goodsWithinMs));
    expect(at(returning, goodsWithinMs - 1)).toEqual({ order: returning, events: [] });
    const { order: ended, events } = at(returning, goodsWithinMs);
    expect(ended).toMatchObject({ state: 'CANCELLED', cancellation: { goods: 'OVERDUE', refunded: true } });
    expect(events.map(({ name }) => name)).toEqual(['orders.cancelled']);
    expect(run(ended, returnEnded('r1')).order).toBe(ended);
  });

  it('holds up no money: a bot that never stops ends nothing but the wait for its goods', () => {
    const waiting = run(cancelling(), moneyReturned).order;
    expect(at(waiting, goodsWithinMs).order).toMatchObject({ state: 'CANCELLED', cancellation: { goods: 'OVERDUE' } });
  });

  it('is waited for as long as it takes where that is Payments: an order is not over before its money is back', () => {
    const owed = run(cancelling(), listCancelled()).order;
    const muchLater = at(owed, 100 * goodsWithinMs);
    expect(muchLater.order.state).toBe('CANCELLING');
    expect(muchLater.events.map(({ name }) => name)).toEqual(['orders.cancellation_requested']);
    const unanswered = at(cancelling(), goodsWithinMs).order;
    expect(unanswered.cancellation).toMatchObject({ goods: 'OVERDUE', refunded: false, askAgainAt: expect.any(Date) });
    expect(held(unanswered)).toEqual([0, 0]);
    expect(run(unanswered, moneyReturned).order.state).toBe('CANCELLED');
  });
});
