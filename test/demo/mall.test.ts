import fc from 'fast-check';
import { validate } from 'uuid';
import { describe, expect, it } from 'vitest';
import { drawMall, drawOrders, type Mall, type OrderPlan } from '../../src/demo/mall.ts';

const seeds = fc.integer({ min: 0, max: 2 ** 31 - 1 });
const productsOf = (mall: Mall) => mall.stores.flatMap(({ products }) => products);
const misplacedOf = (mall: Mall) => productsOf(mall).filter(({ misplaced }) => misplaced);
const idsOf = ({ lines }: OrderPlan) => lines.map(({ productId }) => productId);

describe('a drawn mall', () => {
  it('is the same for the same seed, and another for another seed', () => {
    fc.assert(
      fc.property(seeds, seeds, (seed, other) => {
        expect(drawMall(seed)).toEqual(drawMall(seed));
        fc.pre(seed !== other);
        const ids = new Set(productsOf(drawMall(seed)).map(({ productId }) => productId));
        expect(productsOf(drawMall(other)).filter(({ productId }) => ids.has(productId))).toEqual([]);
      }),
    );
  });

  it('has six stores of about eight products, as Stores takes them', () => {
    fc.assert(
      fc.property(seeds, (seed) => {
        const mall = drawMall(seed);
        const products = productsOf(mall);
        expect(mall.stores).toHaveLength(6);
        const ids = [...mall.stores.map(({ storeId }) => storeId), ...products.map(({ productId }) => productId)];
        expect(ids.filter((id) => !validate(id))).toEqual([]);
        expect(new Set(ids).size).toBe(ids.length);
        expect(new Set(products.map(({ sku }) => sku)).size).toBe(products.length);
        for (const store of mall.stores) {
          expect(store.products.length).toBeGreaterThanOrEqual(7);
          expect(store.products.length).toBeLessThanOrEqual(9);
        }
        for (const { sku, priceMinor, stock } of products) {
          expect(sku).toMatch(/^[A-Z]{3}1-\d\d$/);
          expect(Number.isInteger(priceMinor) && priceMinor > 0).toBe(true);
          expect(Number.isInteger(stock) && stock > 0).toBe(true);
        }
      }),
    );
  });

  it('spreads its stores over the floor around the depot', () => {
    fc.assert(
      fc.property(seeds, (seed) => {
        const places = drawMall(seed).stores.map(({ position }) => position);
        for (const [index, { x, y }] of places.entries()) {
          expect(Math.abs(x)).toBeLessThanOrEqual(30);
          expect(Math.abs(y)).toBeLessThanOrEqual(20);
          const others = [{ x: 0, y: 0 }, ...places.slice(0, index)];
          expect(Math.min(...others.map((other) => Math.hypot(other.x - x, other.y - y)))).toBeGreaterThan(3);
        }
      }),
    );
  });

  it('has one misplaced product', () => {
    fc.assert(fc.property(seeds, (seed) => void expect(misplacedOf(drawMall(seed))).toHaveLength(1)));
  });

  it('has branches where it has more stores than there are names', () => {
    const names = drawMall(7, 14).stores.map(({ name }) => name);
    expect(new Set(names).size).toBe(14);
    expect(names[6]).toBe(`${names[0]} 2`);
  });
});

describe('drawn orders', () => {
  it('are the same for the same seed, and the first of many are the same as of few', () => {
    fc.assert(
      fc.property(seeds, fc.integer({ min: 1, max: 60 }), (seed, count) => {
        const mall = drawMall(seed);
        expect(drawOrders(seed, mall, count)).toEqual(drawOrders(seed, mall, 60).slice(0, count));
      }),
    );
  });

  it('have one to five lines of different products, and several stores where they have several lines', () => {
    fc.assert(
      fc.property(seeds, (seed) => {
        const mall = drawMall(seed);
        const storeOf = new Map(mall.stores.flatMap((s) => s.products.map(({ productId }) => [productId, s.storeId])));
        for (const order of drawOrders(seed, mall, 30)) {
          const ids = idsOf(order);
          expect(ids.length).toBeGreaterThanOrEqual(1);
          expect(ids.length).toBeLessThanOrEqual(5);
          expect(new Set(ids).size).toBe(ids.length);
          expect(ids.filter((id) => !storeOf.has(id))).toEqual([]);
          if (ids.length > 2) expect(new Set(ids.map((id) => storeOf.get(id))).size).toBeGreaterThan(1);
        }
      }),
    );
  });

  it('ask for the misplaced product in the first order beside others, and alone in the eighth', () => {
    fc.assert(
      fc.property(seeds, (seed) => {
        const mall = drawMall(seed);
        const [misplaced] = misplacedOf(mall);
        const orders = drawOrders(seed, mall, 30).map(idsOf);
        const withIt = orders.flatMap((ids, index) => (ids.includes(misplaced!.productId) ? [index] : []));
        expect(withIt).toEqual([0, 7]);
        expect(orders[0]!.length).toBeGreaterThan(1);
        expect(orders[7]).toEqual([misplaced!.productId]);
      }),
    );
  });

  it('are paid early by some and late by others, from two orders on', () => {
    fc.assert(
      fc.property(seeds, fc.integer({ min: 2, max: 20 }), (seed, count) => {
        const early = drawOrders(seed, drawMall(seed), count).map(({ paysEarly }) => paysEarly);
        expect(new Set(early).size).toBe(2);
      }),
    );
  });

  it('never ask for more than the stock, and 200 can always be drawn', () => {
    fc.assert(
      fc.property(seeds, (seed) => {
        const mall = drawMall(seed);
        const left = new Map(productsOf(mall).map(({ productId, stock }) => [productId, stock]));
        const orders = drawOrders(seed, mall, 200);
        expect(orders).toHaveLength(200);
        for (const { productId, quantity } of orders.flatMap(({ lines }) => lines)) {
          expect(quantity).toBeGreaterThanOrEqual(1);
          left.set(productId, left.get(productId)! - quantity);
        }
        expect([...left.values()].filter((units) => units < 0)).toEqual([]);
      }),
      { numRuns: 30 },
    );
  });

  it('are refused when the mall is sold out', () => {
    const mall = drawMall(3, 1);
    const sparse = {
      ...mall,
      stores: mall.stores.map((s) => ({ ...s, products: s.products.map((p) => ({ ...p, stock: 4 })) })),
    };
    expect(() => drawOrders(3, sparse, 100)).toThrow('sold out');
  });
});
