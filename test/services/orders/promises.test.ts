import fc from 'fast-check';
import { expect, it } from 'vitest';
import { decide } from '../../../src/services/orders/decide.ts';
import type { OrderCommand } from '../../../src/services/orders/messages.ts';
import { line, now, order } from './examples.ts';

const quantity = 6;
const lineId = 'a';

/** What Stores' books do on account of the line: units leave them, or a lost attempt's come back. */
interface BookEntry {
  readonly attempt: number;
  readonly delta: number;
}

/**
 * A line through several attempts, all but the last of them lost: the hub tells of the losses in order, and Stores of what its books do. Units
 * of a lost attempt come back whenever its robot is there, be it long after.
 */
const story = fc
  .array(fc.record({ takes: fc.array(fc.integer({ min: 1, max: 3 }), { maxLength: 2 }), backAfter: fc.nat(4) }), {
    minLength: 1,
    maxLength: 4,
  })
  .map((attempts) => {
    const books: BookEntry[] = [];
    const late: Array<BookEntry & { after: number }> = [];
    for (const [index, { takes, backAfter }] of attempts.entries()) {
      const attempt = index + 1;
      books.push(...takes.map((units) => ({ attempt, delta: -units })));
      const taken = takes.reduce((sum, units) => sum + units, 0);
      if (attempt < attempts.length && taken > 0) late.push({ attempt, delta: taken, after: books.length + backAfter });
    }
    for (const { after, ...entry } of late) books.splice(after, 0, entry);
    const losses = attempts.slice(1).map((_, index): OrderCommand => ({ type: 'beginAnew', attempt: index + 2 }));
    return { books, losses };
  });

const commandOf = ({ attempt, delta }: BookEntry): OrderCommand =>
  delta < 0 ? { type: 'takeStock', lineId, attempt, quantity: -delta } : { type: 'returnStock', lineId, attempt };

/** What the line still has to get by what the books say: all of it, less what the newest attempt that they know of took. */
function needed(books: readonly BookEntry[]): number {
  const newest = Math.max(1, ...books.map(({ attempt, delta }) => (delta < 0 ? attempt : attempt + 1)));
  const taken = books.filter(({ attempt, delta }) => attempt === newest && delta < 0);
  return Math.max(0, quantity + taken.reduce((sum, { delta }) => sum + delta, 0));
}

it('never promises to others what a line still needs, and in the end no more than that, however the hub’s and Stores’ news interleave', () => {
  fc.assert(
    fc.property(story, fc.array(fc.boolean()), ({ books, losses }, turns) => {
      let state = order({ lines: [line(lineId, { quantity })] });
      let [told, lost] = [0, 0];
      while (told < books.length || lost < losses.length) {
        const isBooksTurn = lost >= losses.length || (told < books.length && (turns[told + lost] ?? true));
        const command = isBooksTurn ? commandOf(books[told++]!) : losses[lost++]!;
        state = decide(state, command, now).order;
        expect(state.lines[0]!.held).toBeGreaterThanOrEqual(needed(books.slice(0, told)));
      }
      const last = losses.length + 1;
      const taken = books.filter(({ attempt, delta }) => attempt === last && delta < 0);
      expect(state.lines[0]).toMatchObject({
        attempt: last,
        held: Math.max(0, quantity + taken.reduce((sum, { delta }) => sum + delta, 0)),
      });
    }),
    { numRuns: 500 },
  );
});
