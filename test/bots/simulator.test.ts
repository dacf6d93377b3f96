import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { charged, chargeMs, drained, needsCharge } from '../../bots/simulator/battery.ts';
import { type FaultOptions, noFaults, planTour, unitsOnShelf } from '../../bots/simulator/faults.ts';
import { metresBetween, pickMs, positionOn, walkMs } from '../../bots/simulator/floor.ts';
import { draw } from '../../bots/simulator/random.ts';
import type { ShopTask } from '../../src/gen/kinds/shop/v1/shop.ts';

const item = (sku: string, quantity: number) => ({ lineId: sku, productId: sku, sku, name: sku, quantity });
const task = (orderId: string, ...skus: string[]): ShopTask => ({
  orderId,
  stops: [{ storeId: 's', storeName: 'Greens', place: { x: 1, y: 1 }, items: skus.map((sku) => item(sku, 3)) }],
  depot: { x: 0, y: 0 },
});
const half: FaultOptions = { ...noFaults, shortRate: 0.5, slowRate: 0.5, crashRate: 0.5, disconnectRate: 0.5 };

describe('walking', () => {
  it('goes at 1.4 m/s of the floor’s time', () => {
    expect(walkMs(metresBetween({ x: 0, y: 0 }, { x: 30, y: 40 }), 1, 1)).toBeCloseTo(35_714.3, 0);
    expect(walkMs(14, 1, 10)).toBeCloseTo(1_000);
    expect(walkMs(14, 1 / 3, 10)).toBeCloseTo(3_000);
  });

  it('shows the robot on its way', () => {
    const leg = { from: { x: 0, y: 0 }, to: { x: 10, y: -20 }, startedAtMs: 1_000, durationMs: 200 };
    expect([900, 1_000, 1_050, 1_200, 9_000].map((now) => positionOn(leg, now))).toEqual([
      { x: 0, y: 0 },
      { x: 0, y: 0 },
      { x: 2.5, y: -5 },
      { x: 10, y: -20 },
      { x: 10, y: -20 },
    ]);
  });

  it('is followed by picking that takes longer the more there is', () => {
    expect([0, 1, 2].map((units) => pickMs(units, 10))).toEqual([200, 500, 800]);
  });
});

describe('the battery', () => {
  it('drains by the metre, asks for the socket in time, and is full after the time it names', () => {
    const after = drained(1, 2_400);
    expect(after).toBeCloseTo(0.2);
    expect([needsCharge(1), needsCharge(drained(1, 1_500)), needsCharge(after)]).toEqual([false, false, true]);
    expect(charged(after, chargeMs(after, 10), 10)).toBeCloseTo(1);
    expect(charged(after, chargeMs(after, 10) / 2, 10)).toBeCloseTo(0.6);
    expect(drained(0.1, 1_000_000)).toBe(0);
  });
});

describe('faults', () => {
  it('are the same for the same seed and task, whatever ids the order has', () => {
    fc.assert(
      fc.property(
        fc.nat(),
        fc.array(fc.string(), { minLength: 1 }),
        fc.integer({ min: 1, max: 5 }),
        (seed, skus, attempt) => {
          expect(planTour(seed, half, task('order-1', ...skus), attempt)).toEqual(
            planTour(seed, half, task('order-2', ...skus), attempt),
          );
        },
      ),
    );
  });

  it('differ between seeds and between attempts at one task', () => {
    const plans = (of: (n: number) => unknown) => new Set(Array.from({ length: 50 }, (_, n) => JSON.stringify(of(n))));
    expect(plans((seed) => planTour(seed, half, task('o', 'tea'), 1)).size).toBeGreaterThan(3);
    expect(plans((attempt) => planTour(7, half, task('o', 'tea'), attempt)).size).toBeGreaterThan(3);
  });

  it('have another luck on the way back than on the tour with the same goods', () => {
    const plans = (errand: 'shop' | 'return') =>
      Array.from({ length: 50 }, (_, seed) => planTour(seed, half, task('o', 'tea'), 1, errand));
    expect(plans('return')).not.toEqual(plans('shop'));
    expect(plans('return')).toEqual(plans('return'));
  });

  it('strike as often as their rates say', () => {
    const tours = Array.from({ length: 2_000 }, (_, n) => task('o', `sku-${n}`));
    const rates: FaultOptions = { ...noFaults, crashRate: 0.1, slowRate: 0.3 };
    const plans = tours.map((tour) => planTour(1, rates, tour, 1));
    // Three standard deviations of the binomial: 40 and 61 of 2,000.
    const crashes = plans.filter(({ crashOnLeg }) => crashOnLeg !== undefined).length;
    const limps = plans.filter(({ pace }) => pace < 1).length;
    expect(Math.abs(crashes - 200)).toBeLessThanOrEqual(40);
    expect(Math.abs(limps - 600)).toBeLessThanOrEqual(61);
    expect(plans.every(({ disconnectOnLeg }) => disconnectOnLeg === undefined)).toBe(true);
  });

  it('empty the shelves of short skus, and take one unit from others by rate', () => {
    const found = (sku: string, faults: Partial<FaultOptions>) =>
      unitsOnShelf(1, { ...noFaults, ...faults }, task('o', sku), item(sku, 3));
    expect(found('tea', {})).toBe(3);
    expect(found('tea', { shortSkus: ['tea'], shortRate: 0 })).toBe(0);
    expect(found('tea', { shortSkus: ['milk'], shortRate: 1 })).toBe(2);
  });

  it('never find less than nothing, nor more than was asked for', () => {
    fc.assert(
      fc.property(
        fc.nat(),
        fc.nat({ max: 20 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (seed, quantity, shortRate) => {
          const units = unitsOnShelf(seed, { ...noFaults, shortRate }, task('o', 'tea'), item('tea', quantity));
          expect(units).toBeGreaterThanOrEqual(Math.max(0, quantity - 1));
          expect(units).toBeLessThanOrEqual(quantity);
        },
      ),
    );
  });
});

describe('draws', () => {
  it('are pinned, so that a seed means the same in every version', () => {
    expect([draw(7, 'crash', 'a'), draw(7, 'crash', 'b'), draw(8, 'crash', 'a')].map((x) => x.toFixed(6))).toEqual([
      '0.061868',
      '0.001382',
      '0.983114',
    ]);
  });
});
