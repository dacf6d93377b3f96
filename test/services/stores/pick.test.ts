import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Pick, PickCommand, UnitMove } from '../../../src/services/stores/messages.ts';
import { decidePick } from '../../../src/services/stores/pick.ts';

const pick: Pick = {
  ...{ taskId: 'list', attempt: 1, returnTaskId: 'return', orderId: 'order', lineId: 'line', productId: 'tea' },
  ...{ picked: 0, returned: 0, missed: 0, writtenOff: 0 },
};
const open = { isSettled: false, stock: 10 };
const settled = { isSettled: true, stock: 10 };
const moved = (type: UnitMove['type'], quantity: number) => [
  { type, quantity, attempt: 1, line: { orderId: 'order', lineId: 'line' } },
];

describe('what an attempt did to a line', () => {
  it('is taken out of the books as it is picked, and written off as it is missed', () => {
    const taken = decidePick(pick, { type: 'take', quantity: 2 }, open);
    expect(taken).toEqual({ pick: { ...pick, picked: 2 }, moves: moved('take', 2) });
    expect(decidePick(taken.pick, { type: 'miss', quantity: 3 }, open)).toEqual({
      pick: { ...pick, picked: 2, missed: 3, writtenOff: 3 },
      moves: moved('writeOff', 3),
    });
  });

  it('is written off as far as the books have it', () => {
    const miss = (stock: number) => decidePick(pick, { type: 'miss', quantity: 3 }, { isSettled: false, stock });
    expect(miss(2)).toEqual({ pick: { ...pick, missed: 3, writtenOff: 2 }, moves: moved('writeOff', 2) });
    expect(miss(-4)).toEqual({ pick: { ...pick, missed: 3 }, moves: [] });
  });

  it('is looked for again when it is lost: the goods stay away, the shortage is taken back, once', () => {
    const before = { ...pick, picked: 2, missed: 3, writtenOff: 3 };
    const lost = decidePick(before, { type: 'lose' }, open);
    expect(lost).toEqual({ pick: { ...before, writtenOff: 0 }, moves: moved('recount', 3) });
    expect(decidePick(lost.pick, { type: 'lose' }, open).moves).toEqual([]);
  });

  it('goes back into the books as it comes back, settled or not, and never more than was taken', () => {
    const before = { ...pick, picked: 3, returned: 1 };
    for (const context of [open, settled]) {
      expect(decidePick(before, { type: 'putBack', quantity: 5 }, context)).toEqual({
        pick: { ...before, returned: 3 },
        moves: moved('putBack', 2),
      });
    }
    expect(decidePick(pick, { type: 'putBack', quantity: 5 }, open)).toEqual({ pick, moves: [] });
  });

  it('is given up once, as far as it is not back, also when it is heard of after that', () => {
    const before = { ...pick, picked: 3, returned: 1 };
    expect(decidePick(before, { type: 'settle' }, open)).toEqual({ pick: before, moves: moved('giveUp', 2) });
    expect(decidePick(before, { type: 'settle' }, settled).moves).toEqual([]);
    expect(decidePick(pick, { type: 'take', quantity: 2 }, settled).moves).toEqual([
      ...moved('take', 2),
      ...moved('giveUp', 2),
    ]);
  });
});

/** The commands of one attempt whose order is given by who sends them. */
interface Story {
  /** By the bot of the attempt, then the hub: from bots.events. */
  readonly attempt: readonly PickCommand[];
  /** By the bot that brings back; from bots.events, after the above. */
  readonly back: readonly PickCommand[];
}

const quantity = fc.integer({ min: 1, max: 4 });
const story: fc.Arbitrary<Story> = fc.record({
  attempt: fc
    .array(fc.record({ type: fc.constantFrom('take' as const, 'miss' as const), quantity }), { maxLength: 4 })
    .chain((reports) => fc.constantFrom([...reports, { type: 'lose' } as const], reports)),
  back: fc.array(fc.record({ type: fc.constant('putBack' as const), quantity }), { maxLength: 4 }),
});

describe('books that hear of an attempt from two exchanges', () => {
  it('end the same and add up, wherever Depot’s word comes in between, and whatever else moves the stock', () => {
    fc.assert(
      fc.property(story, fc.nat(10), fc.nat(12), ({ attempt, back }, place, stock) => {
        const reports = [...attempt, ...back];
        const commands: PickCommand[] = reports.toSpliced(Math.min(place, reports.length), 0, { type: 'settle' });
        const inOrder = play([...reports, { type: 'settle' }], stock);
        const end = play(commands, stock);
        expect(end.pick).toEqual(inOrder.pick);
        expect(end.stock).toBe(inOrder.stock);
        expect(end.stock).toBe(stock - (end.pick.picked - end.pick.returned) - end.pick.writtenOff);
        // What was said to be gone is what is not back, and what came back in spite of it.
        const saidGone = end.moved.get('giveUp') ?? 0;
        expect(saidGone).toBeGreaterThanOrEqual(end.pick.picked - end.pick.returned);
        expect(saidGone).toBeLessThanOrEqual(end.pick.picked);
      }),
    );
  });
});

function play(commands: readonly PickCommand[], stockBefore: number) {
  const moved = new Map<UnitMove['type'], number>();
  let state = pick;
  let stock = stockBefore;
  let isSettled = false;
  for (const command of commands) {
    const decision = decidePick(state, command, { isSettled, stock });
    state = decision.pick;
    isSettled ||= command.type === 'settle';
    for (const { type, quantity } of decision.moves) {
      moved.set(type, (moved.get(type) ?? 0) + quantity);
      if (type === 'take' || type === 'writeOff') stock -= quantity;
      if (type === 'recount' || type === 'putBack') stock += quantity;
    }
    expect(state.returned).toBeLessThanOrEqual(state.picked);
    expect(state.writtenOff).toBeLessThanOrEqual(state.missed);
  }
  return { pick: state, stock, moved };
}
