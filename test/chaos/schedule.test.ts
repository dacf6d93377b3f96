import fc from 'fast-check';
import { expect, test } from 'vitest';
import { faults } from './faults.ts';
import { schedule, slotMs } from './schedule.ts';

const kinds = faults.map(({ name }) => name);
const seeds = fc.nat();
const slots = fc.integer({ min: 1, max: 200 });

test('the same seed, duration and kinds make the same schedule', () => {
  fc.assert(
    fc.property(seeds, slots, (seed, count) => {
      expect(schedule(seed, count * slotMs, kinds)).toEqual(schedule(seed, count * slotMs, kinds));
    }),
  );
});

test('another seed makes another schedule', () => {
  expect(schedule(1, kinds.length * slotMs, kinds)).not.toEqual(schedule(2, kinds.length * slotMs, kinds));
});

test('every kind comes once before any comes again, so that a run of the default length has all of them', () => {
  fc.assert(
    fc.property(seeds, slots, (seed, count) => {
      const dealt = schedule(seed, count * slotMs, kinds).map(({ fault }) => fault);
      for (let from = 0; from < count; from += kinds.length) {
        const deck = dealt.slice(from, from + kinds.length);
        expect(new Set(deck).size).toBe(deck.length);
      }
    }),
  );
});

test('faults come one after the other, each in the first half of a slot of its own', () => {
  fc.assert(
    fc.property(seeds, slots, (seed, count) => {
      schedule(seed, count * slotMs, kinds).forEach(({ atMs, pick }, slot) => {
        expect(Math.floor(atMs / (slotMs / 2))).toBe(2 * slot);
        expect(pick).toBeGreaterThanOrEqual(0);
        expect(pick).toBeLessThan(1);
      });
    }),
  );
});
