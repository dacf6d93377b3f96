import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { drawMall } from '../../../src/demo/mall.ts';
import { type Place, planRoute, uncross, walkMetres } from '../../../src/services/depot/route.ts';

const metres = fc.double({ min: -100, max: 100, noNaN: true });
const places = fc.uniqueArray(fc.record({ id: fc.uuid(), position: fc.record({ x: metres, y: metres }) }), {
  maxLength: 14,
  selector: ({ id }) => id,
});
const ids = (stops: readonly Place[]) => stops.map(({ id }) => id);
const at = (id: string, x: number, y: number): Place => ({ id, position: { x, y } });

/** The length of the shortest walk, by trying all of them. */
function shortestMetres(left: readonly Place[], walked: readonly Place[] = []): number {
  if (left.length === 0) return walkMetres(walked);
  return Math.min(
    ...left.map((next) =>
      shortestMetres(
        left.filter((place) => place !== next),
        [...walked, next],
      ),
    ),
  );
}

describe('a planned route', () => {
  it('visits each stop once', () => {
    fc.assert(
      fc.property(places, (some) => {
        expect(ids(planRoute(some).stops).toSorted()).toEqual(ids(some).toSorted());
      }),
    );
  });

  it('is the same whatever order the stops come in', () => {
    fc.assert(
      fc.property(
        places.chain((some) => fc.tuple(fc.constant(some), fc.shuffledSubarray(some, { minLength: some.length }))),
        ([some, shuffled]) => {
          expect(planRoute(shuffled)).toEqual(planRoute(some));
        },
      ),
    );
  });

  it('is as long as its legs, from the depot and back', () => {
    expect(planRoute([])).toEqual({ stops: [], metres: 0 });
    const route = planRoute([at('b', 3, 4), at('a', 3, 0)]);
    expect(route.metres).toBe(3 + 4 + 5);
  });

  it('undoes the crossing that going to the nearest makes', () => {
    // Nearest first would be left, right, far left, far right.
    const row = [at('right', 1.5, 0), at('left', -1, 0), at('far right', 5, 0), at('far left', -4.5, 0)];
    expect(planRoute(row).metres).toBe(2 * (5 + 4.5));
  });

  it('is hardly longer than the shortest through all the stores of a mall', () => {
    const excess = Array.from({ length: 40 }, (_, seed) => {
      const all = drawMall(seed).stores.map(({ storeId: id, position }) => ({ id, position }));
      return planRoute(all).metres / shortestMetres(all);
    });
    expect(excess.reduce((sum, ratio) => sum + ratio) / excess.length).toBeLessThan(1.02);
    expect(Math.max(...excess)).toBeLessThan(1.15);
  });
});

describe('uncrossing', () => {
  it('never makes a walk longer, and finds nothing to do in its own result', () => {
    fc.assert(
      fc.property(places, (some) => {
        const walk = uncross(some);
        expect(ids(walk).toSorted()).toEqual(ids(some).toSorted());
        expect(walkMetres(walk)).toBeLessThanOrEqual(walkMetres(some) + 1e-9);
        expect(ids(uncross(walk))).toEqual(ids(walk));
      }),
    );
  });
});
