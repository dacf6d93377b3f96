import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Ranges } from '../../../src/hub/protocol/check/reserved.ts';

const max = 536_870_911;
const most = 40;
const numbers = Array.from({ length: most + 2 }, (_, number) => number);
const ranges = fc.array(
  fc.record({ from: fc.nat(most), to: fc.nat(most) }).map(({ from, to }) => ({ from, to })),
  { maxLength: 6 },
);

describe('ranges of numbers', () => {
  it('say of each number what the numbers one by one would', () => {
    fc.assert(
      fc.property(ranges, (given) => {
        const [all, oneByOne] = [new Ranges(given), (n: number) => given.some(({ from, to }) => n >= from && n <= to)];
        for (const number of numbers) {
          expect(all.has(number)).toBe(oneByOne(number));
          expect(all.firstFree(number)).toBe(numbers.find((free) => free >= number && !oneByOne(free)));
        }
      }),
    );
  });

  it('without others are the numbers that only the first have', () => {
    fc.assert(
      fc.property(ranges, ranges, (given, taken) => {
        const [all, others] = [new Ranges(given), new Ranges(taken)];
        const left = all.without(others);
        for (const number of numbers) expect(left.has(number)).toBe(all.has(number) && !others.has(number));
      }),
    );
  });

  it('end behind the last number without a walk there', () => {
    expect(new Ranges([{ from: 21, to: max }]).firstFree(21)).toBe(max + 1);
  });
});
