import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { backoffMs, pause } from '../../src/kit/backoff.ts';

const policy = { firstMs: 100, maxMs: 5_000, factor: 3 };

describe('back-off', () => {
  test('grows by its factor up to its limit', () => {
    const longest = [1, 2, 3, 4, 5, 100].map((attempt) => backoffMs(policy, attempt, 1));
    expect(longest).toEqual([100, 300, 900, 2_700, 5_000, 5_000]);
  });

  test('stays within the upper half of its ceiling, and spreads over it', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 10_000 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (attempt, random) => {
          const wait = backoffMs(policy, attempt, random);
          const ceiling = backoffMs(policy, attempt, 1);
          expect(wait).toBeGreaterThanOrEqual(ceiling / 2);
          expect(wait).toBeLessThanOrEqual(ceiling);
        },
      ),
    );
    expect(backoffMs(policy, 1, 0)).toBe(50);
  });
});

describe('pause', () => {
  test('ends at once when its signal aborts, before or during', async () => {
    const aborting = new AbortController();
    const during = pause(2 ** 30, aborting.signal);
    aborting.abort();
    await during;
    await pause(2 ** 30, aborting.signal);
  });
});
