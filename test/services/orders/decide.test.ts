import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MallError } from '../../../src/contract/errors.ts';
import { commitmentChanges, decide } from '../../../src/services/orders/decide.ts';
import { type Order, type OrderCommand, orderStates } from '../../../src/services/orders/messages.ts';
import { handOver, line, now, order } from './examples.ts';

const completeList: OrderCommand = {
  type: 'completeList',
  lines: [
    { lineId: 'a', picked: 2, short: 0 },
    { lineId: 'b', picked: 1, short: 2 },
  ],
  bay: 'B1',
};
const nothingFound: OrderCommand = { ...completeList, lines: [{ lineId: 'a', picked: 0, short: 2 }] };

/** All of `commands`, one after the other. */
function run(start: Order, commands: readonly OrderCommand[]) {
  const events: string[] = [];
  let state = start;
  for (const command of commands) {
    const decision = decide(state, command, now);
    state = decision.order;
    events.push(...decision.events.map(({ name }) => name));
  }
  return { order: state, events };
}

describe('the list of an order', () => {
  it('makes it ready with what was found, in its bay', () => {
    const { order: ready, events } = decide(order(), completeList, now);
    expect(ready).toMatchObject({ state: 'READY', readyAt: now, closedAt: null, bay: 'B1' });
    expect(ready.lines.map(({ picked, short }) => [picked, short])).toEqual([
      [2, 0],
      [1, 2],
    ]);
    expect(events).toEqual([
      expect.objectContaining({ name: 'orders.ready', key: 'order', body: { orderId: 'order', bay: 'B1' } }),
    ]);
  });

  it('replaces what bots counted before', () => {
    const counted = run(order(), [{ type: 'count', line: { lineId: 'b', picked: 3, short: 0 } }]).order;
    expect(decide(counted, completeList, now).order.lines[1]).toMatchObject({ picked: 1, short: 2 });
  });

  it('takes as short what it does not name, and never more than was ordered', () => {
    const lines = [{ lineId: 'a', picked: 7, short: 0 }];
    const { order: ready } = decide(order(), { ...completeList, lines }, now);
    expect(ready.lines.map(({ picked, short }) => [picked, short])).toEqual([
      [2, 0],
      [0, 3],
    ]);
  });

  it('cancels the order when nothing was found, paid or not', () => {
    for (const paid of [false, true]) {
      const { order: cancelled, events } = decide(order({ paid }), nothingFound, now);
      expect(cancelled).toMatchObject({
        state: 'CANCELLED',
        closedAt: now,
        readyAt: null,
        reason: 'nothing was found',
      });
      expect(cancelled.lines.map(({ held, short }) => [held, short])).toEqual([
        [0, 2],
        [0, 3],
      ]);
      expect(events.map(({ name }) => name)).toEqual(['orders.cancelled']);
    }
  });

  it('may be completed without a bay, and keeps a bay that is known', () => {
    expect(decide(order(), { ...completeList, bay: '' }, now).order.bay).toBe('');
    expect(decide(order({ bay: 'B9' }), { ...completeList, bay: '' }, now).order.bay).toBe('B9');
  });

  it.each([
    ['reject', 'REJECTED', 'orders.rejected'],
    ['cancel', 'CANCELLED', 'orders.cancelled'],
  ] as const)('that is stuck: %s closes the order and lets go of the stock', (type, state, event) => {
    const { order: closed, events } = decide(order(), { type, reason: 'no way there' }, now);
    expect(closed).toMatchObject({ state, reason: 'no way there', closedAt: now });
    expect(closed.lines.map(({ held }) => held)).toEqual([0, 0]);
    expect(events).toEqual([
      expect.objectContaining({ name: event, body: { orderId: 'order', reason: 'no way there' } }),
    ]);
  });
});

describe('counts while a bot collects', () => {
  it('add up per line and never exceed its quantity', () => {
    const count = (picked: number, short: number): OrderCommand => ({
      type: 'count',
      line: { lineId: 'b', picked, short },
    });
    const { order: counted } = run(order(), [count(1, 0), count(1, 0), count(0, 5)]);
    expect(counted.lines[1]).toMatchObject({ picked: 2, short: 1 });
    expect(counted.lines[0]).toMatchObject({ picked: 0, short: 0 });
  });

  it('begin anew when the attempt is lost', () => {
    const { order: forgotten, events } = run(order(), [
      { type: 'count', line: { lineId: 'b', picked: 2, short: 1 } },
      { type: 'beginAnew', attempt: 2 },
    ]);
    const [a, b] = order().lines;
    expect(forgotten).toEqual({
      ...order(),
      lines: [
        { ...a, attempt: 2 },
        { ...b, attempt: 2 },
      ],
    });
    expect(events).toEqual([]);
  });
});

describe('ready and paid', () => {
  it('without a bay is collectable all the same, and the bay follows', () => {
    const { order: collectable, events } = run(order(), [
      { type: 'markPaid' },
      { ...completeList, bay: '' },
      { type: 'assignBay', bay: 'B2' },
    ]);
    expect(collectable).toMatchObject({ state: 'COLLECTABLE', bay: 'B2', paid: true });
    expect(events).toEqual(['orders.ready', 'orders.collectable']);
  });

  it('says in which bay the goods are', () => {
    const { order: ready } = decide(order(), completeList, now);
    const { events } = decide(ready, { type: 'markPaid' }, now);
    expect(events).toEqual([
      expect.objectContaining({ name: 'orders.collectable', body: { orderId: 'order', bay: 'B1' } }),
    ]);
  });

  it('joins exactly once, whatever the order of what happens', () => {
    const noise: OrderCommand[] = [
      { type: 'count', line: { lineId: 'a', picked: 1, short: 1 } },
      { type: 'beginAnew', attempt: 2 },
      { type: 'assignBay', bay: 'B1' },
      { type: 'takeStock', lineId: 'b', attempt: 1, quantity: 2 },
      { type: 'returnStock', lineId: 'b', attempt: 1 },
      { type: 'markPaid' },
      completeList,
    ];
    const steps = fc.shuffledSubarray([...noise, ...noise]);
    fc.assert(
      fc.property(steps, (commands) => {
        const { order: end, events } = run(order(), commands);
        const isReady = commands.includes(completeList);
        const isPaid = commands.some(({ type }) => type === 'markPaid');
        expect(end.paid).toBe(isPaid);
        expect(end.state).toBe(isReady ? (isPaid ? 'COLLECTABLE' : 'READY') : 'PLACED');
        expect(events).toEqual([
          ...(isReady ? ['orders.ready'] : []),
          ...(isReady && isPaid ? ['orders.collectable'] : []),
        ]);
        if (isReady) expect(end.lines.every(({ picked, short, quantity }) => picked + short === quantity)).toBe(true);
      }),
    );
  });
});

describe('handing over', () => {
  const collectable = order({ state: 'COLLECTABLE', paid: true });

  it('completes a collectable order and lets go of what is still held', () => {
    const { order: completed, events } = decide(collectable, handOver, now);
    expect(completed).toMatchObject({ state: 'COMPLETED', closedAt: now });
    expect(completed.lines.every(({ held }) => held === 0)).toBe(true);
    expect(events).toEqual([expect.objectContaining({ name: 'orders.completed', body: { orderId: 'order' } })]);
  });

  it('answers with the same order when it was handed over before', () => {
    const completed = order({ state: 'COMPLETED', paid: true, closedAt: new Date('2026-03-01T09:30:00Z') });
    const decision = decide(completed, handOver, now);
    expect(decision.order).toBe(completed);
    expect(decision.events).toEqual([]);
  });

  it.each([
    [order(), 'ORDER_NOT_READY', /PLACED and not paid; wait/],
    [order({ paid: true }), 'ORDER_NOT_READY', /PLACED; wait until its goods are at the depot$/],
    [order({ state: 'READY' }), 'ORDER_NOT_PAID', /READY but not paid; take the payment first/],
    [order({ state: 'CANCELLED', reason: 'nothing was found' }), 'ORDER_CANCELLED', /CANCELLED \(nothing was found\)/],
    [order({ state: 'REJECTED', reason: 'no route' }), 'ORDER_REJECTED', /REJECTED \(no route\)/],
  ])('refuses what is not collectable (%#) and says why', (state, reason, message) => {
    const attempt = () => decide(state, handOver, now);
    expect(attempt).toThrow(message);
    expect(attempt).toThrow(
      expect.objectContaining({
        code: 'FAILED_PRECONDITION',
        detail: expect.objectContaining({ reason, field: 'order_id', value: 'order' }),
      }),
    );
  });
});

describe('what comes too late', () => {
  const late: OrderCommand[] = [
    { type: 'count', line: { lineId: 'a', picked: 1, short: 0 } },
    { type: 'beginAnew', attempt: 2 },
    completeList,
    nothingFound,
    { type: 'reject', reason: 'late' },
    { type: 'cancel', reason: 'late' },
    { type: 'markPaid' },
    { type: 'assignBay', bay: 'B7' },
    { type: 'takeStock', lineId: 'a', attempt: 1, quantity: 1 },
    { type: 'returnStock', lineId: 'a', attempt: 1 },
  ];
  const closed = orderStates.filter((state) => ['COMPLETED', 'CANCELLED', 'REJECTED'].includes(state));

  it.each(closed)('changes nothing in an order that is %s', (state) => {
    const before = order({ state, lines: [line('a', { held: 0 })] });
    for (const command of late) expect(decide(before, command, now)).toEqual({ order: before, events: [] });
  });

  it('changes no counts and no state once the goods are at the depot', () => {
    const ready = decide(order(), completeList, now).order;
    for (const command of late.slice(0, 6)) expect(decide(ready, command, now)).toEqual({ order: ready, events: [] });
  });
});

describe('the units that an order holds', () => {
  const take = (attempt: number, quantity: number, lineId = 'b'): OrderCommand => ({
    ...{ type: 'takeStock', lineId },
    attempt,
    quantity,
  });
  const held = ({ lines }: Order) => lines.map((line) => line.held);

  it('fall as Stores takes them off its books, and are all held again as soon as another bot has to begin anew', () => {
    const taken = run(order(), [take(1, 1), take(1, 1)]).order;
    expect(held(taken)).toEqual([2, 1]);
    expect(commitmentChanges(order(), taken)).toEqual(new Map([['product-b', -2]]));

    const again = decide(taken, { type: 'beginAnew', attempt: 2 }, now).order;
    expect(commitmentChanges(taken, again)).toEqual(new Map([['product-b', 2]]));
  });

  it('are not touched by what a lost attempt took, when the books tell of it late', () => {
    const anew = decide(order(), { type: 'beginAnew', attempt: 2 }, now).order;
    expect(run(anew, [take(1, 3), { type: 'returnStock', lineId: 'b', attempt: 1 }]).order).toBe(anew);
    expect(held(run(anew, [take(1, 3), take(2, 1)]).order)).toEqual([2, 2]);
  });

  it('are those of the next attempt when the books tell of that before the loss is heard of', () => {
    const ahead = run(order(), [take(1, 3), take(2, 1)]).order;
    expect(held(ahead)).toEqual([2, 2]);
    const heard = decide(ahead, { type: 'beginAnew', attempt: 2 }, now).order;
    expect(held(heard)).toEqual([2, 2]);
    expect(held(decide(heard, take(2, 2), now).order)).toEqual([2, 0]);
  });

  it('are all held again when units of an attempt come back, which means that it is lost', () => {
    const back = run(order(), [take(1, 3), { type: 'returnStock', lineId: 'b', attempt: 1 }]).order;
    expect(held(back)).toEqual([2, 3]);
    expect(decide(back, { type: 'beginAnew', attempt: 2 }, now).order.lines[1]).toBe(back.lines[1]);
  });

  it('change nothing for a line that the order does not have', () => {
    const before = order();
    expect(decide(before, take(1, 1, 'x'), now).order).toBe(before);
    expect(decide(before, { type: 'returnStock', lineId: 'x', attempt: 1 }, now).order).toBe(before);
  });

  it('stay between 0 and the quantity, are counted once in the commitments, and end at 0 when the order is closed', () => {
    const lineId = fc.constantFrom('a', 'b');
    const attempt = fc.integer({ min: 1, max: 4 });
    const command: fc.Arbitrary<OrderCommand> = fc.oneof(
      fc.record({ type: fc.constant('takeStock' as const), lineId, attempt, quantity: fc.integer({ min: 0, max: 5 }) }),
      fc.record({ type: fc.constant('returnStock' as const), lineId, attempt }),
      fc.record({ type: fc.constant('beginAnew' as const), attempt }),
      fc.constantFrom<OrderCommand>(completeList, nothingFound, { type: 'markPaid' }, handOver, {
        type: 'cancel',
        reason: 'stuck',
      }),
    );
    fc.assert(
      fc.property(fc.array(command, { maxLength: 30 }), (commands) => {
        const committed = new Map(commitmentChanges(undefined, order()));
        let state = order();
        for (const next of commands) {
          const before = state;
          try {
            state = decide(before, next, now).order;
          } catch (error) {
            expect(error).toBeInstanceOf(MallError);
          }
          for (const [id, change] of commitmentChanges(before, state)) committed.set(id, committed.get(id)! + change);
          for (const { productId, held, quantity } of state.lines) {
            expect(held).toBeGreaterThanOrEqual(0);
            expect(held).toBeLessThanOrEqual(quantity);
            expect(committed.get(productId)).toBe(held);
          }
        }
        if (state.closedAt) expect([...committed.values()]).toEqual([0, 0]);
      }),
    );
  });
});
