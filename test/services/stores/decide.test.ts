import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { BodyOf } from '../../../src/contract/events.ts';
import { StockReason } from '../../../src/gen/events/stores/v1/events.ts';
import { decideAddition, decideProduct, decideStore } from '../../../src/services/stores/decide.ts';
import type { AddProduct, ProductState, StoreState, UnitMove } from '../../../src/services/stores/messages.ts';

const position = { x: 3, y: 4 };
const open = { type: 'open', storeId: 'store', name: 'Leaf & Kettle', position } as const;
const store: StoreState = { storeId: 'store', name: 'Leaf & Kettle', position, participating: true, version: 1 };

const add: AddProduct = {
  type: 'add',
  productId: 'tea',
  storeId: 'store',
  sku: 'LEA-01',
  name: 'Tea',
  price: { minor: 690, currency: 'EUR' },
  stock: 10,
};
const tea = decideAddition(undefined, add, undefined).state;
const line = { orderId: 'order', lineId: '1' };
const move = (type: UnitMove['type'], quantity: number): UnitMove => ({ type, quantity, line, attempt: 2 });
const taken = (field: string, value: string) =>
  expect.objectContaining({ code: 'ALREADY_EXISTS', detail: expect.objectContaining({ field, value }) });

describe('a store', () => {
  it('takes part from the moment it opens', () => {
    const { state, events } = decideStore(undefined, open);
    expect(state).toEqual(store);
    expect(events).toMatchObject([
      { name: 'stores.participation_changed', key: 'store', correlationId: 'store', body: store },
    ]);
  });

  it('opens again with the same content without anything happening', () => {
    const withdrawn = { ...store, participating: false, version: 2 };
    expect(decideStore(withdrawn, open)).toEqual({ state: withdrawn, events: [] });
  });

  it.each([
    ['name', { ...open, name: 'Another' }],
    ['place', { ...open, position: { x: 3, y: 5 } }],
  ])('does not open under an id whose store has another %s', (_, other) => {
    expect(() => decideStore(store, other)).toThrow(taken('store_id', 'store'));
  });

  it('withdraws and comes back, each with a higher version; saying it twice says nothing', () => {
    const withdrawn = decideStore(store, { type: 'setParticipation', participating: false });
    expect(withdrawn.state).toEqual({ ...store, participating: false, version: 2 });
    expect(withdrawn.events).toMatchObject([
      { body: { participating: false, version: 2, name: 'Leaf & Kettle', position } },
    ]);
    expect(decideStore(withdrawn.state, { type: 'setParticipation', participating: false }).events).toEqual([]);
    const back = decideStore(withdrawn.state, { type: 'setParticipation', participating: true });
    expect(back.events).toMatchObject([{ body: { participating: true, version: 3 } }]);
  });
});

describe('a product', () => {
  it('is added with its first version', () => {
    const { events } = decideAddition(undefined, add, undefined);
    const { type: _, ...content } = add;
    expect(events).toMatchObject([{ name: 'stores.product_added', key: 'tea', correlationId: 'tea' }]);
    expect(events[0]!.body).toEqual({ ...content, version: 1 });
  });

  it('is known again after its price and stock have moved on', () => {
    const later = decideProduct(decideProduct(tea, { type: 'setStock', stock: 3 }).state, {
      type: 'changePrice',
      price: { minor: 700, currency: 'EUR' },
    }).state;
    expect(decideAddition(later, add, 'tea')).toEqual({ state: later, events: [] });
  });

  it.each([
    ['store', { storeId: 'other' }],
    ['SKU', { sku: 'LEA-02' }],
    ['name', { name: 'Coffee' }],
    ['price', { price: { minor: 1, currency: 'EUR' } }],
    ['currency', { price: { minor: 690, currency: 'USD' } }],
    ['stock', { stock: 11 }],
  ])('is not added under an id that was added with another %s', (_, other) => {
    expect(() => decideAddition(tea, { ...add, ...other }, undefined)).toThrow(taken('product_id', 'tea'));
  });

  it('is not added under the SKU of another product of its store', () => {
    expect(() => decideAddition(undefined, { ...add, productId: 'mate' }, 'tea')).toThrow(taken('sku', 'LEA-01'));
  });

  it('changes its price, in its own currency only', () => {
    const price = { minor: 0, currency: 'EUR' };
    const { state, events } = decideProduct(tea, { type: 'changePrice', price });
    expect(state).toEqual({ ...tea, price, version: 2 });
    expect(events).toMatchObject([
      { name: 'stores.price_changed', key: 'tea', body: { productId: 'tea', price, version: 2 } },
    ]);
    expect(decideProduct(state, { type: 'changePrice', price }).events).toEqual([]);
    expect(() => decideProduct(tea, { type: 'changePrice', price: { minor: 690, currency: 'USD' } })).toThrow(
      expect.objectContaining({
        code: 'FAILED_PRECONDITION',
        detail: expect.objectContaining({ field: 'price.currency', value: 'USD' }),
      }),
    );
  });

  it('is counted: the event says the difference', () => {
    const { state, events } = decideProduct(tea, { type: 'setStock', stock: 4 });
    expect(state).toEqual({ ...tea, stock: 4, version: 2 });
    expect(events).toMatchObject([{ name: 'stores.stock_changed', key: 'tea', correlationId: 'tea' }]);
    expect(events[0]!.body).toEqual({
      productId: 'tea',
      stock: 4,
      delta: -6,
      reason: StockReason.SET,
      orderId: '',
      lineId: '',
      version: 2,
      attempt: 0,
    });
    expect(decideProduct(state, { type: 'setStock', stock: 4 }).events).toEqual([]);
  });

  it('is removed once', () => {
    const { state, events } = decideProduct(tea, { type: 'remove' });
    expect(state).toEqual({ ...tea, removed: true, version: 2 });
    expect(events).toMatchObject([{ name: 'stores.product_removed', body: { productId: 'tea', version: 2 } }]);
    expect(decideProduct(state, { type: 'remove' })).toEqual({ state, events: [] });
  });

  it.each([
    ['take', StockReason.PICKED, -3],
    ['writeOff', StockReason.SHORT, -3],
    ['recount', StockReason.SHORT, 3],
    ['putBack', StockReason.RETURNED, 3],
  ] as const)('moves units on account of an order line (%s)', (type, reason, delta) => {
    const { state, events } = decideProduct(tea, move(type, 3));
    expect(state.stock).toBe(10 + delta);
    expect(events).toMatchObject([{ name: 'stores.stock_changed', key: 'tea', correlationId: 'order' }]);
    expect(events[0]!.body).toEqual({
      productId: 'tea',
      stock: 10 + delta,
      delta,
      reason,
      ...line,
      version: 2,
      attempt: 2,
    });
  });

  it('that will not come back is said to be gone, and leaves books that it has left before as they are', () => {
    const { state, events } = decideProduct(tea, move('giveUp', 3));
    expect(state).toEqual(tea);
    expect(events).toMatchObject([{ name: 'stores.units_gone', key: 'tea', correlationId: 'order' }]);
    expect(events[0]!.body).toEqual({ productId: 'tea', quantity: 3, ...line, attempt: 2 });
  });

  it('keeps a shelf that held more than the books as it is: below zero', () => {
    expect(decideProduct(tea, move('take', 12)).state.stock).toBe(-2);
  });

  it('has a stock that is the sum of what its events say, and a version for each', () => {
    const commands = fc.oneof(
      fc.record({ type: fc.constant('setStock' as const), stock: fc.nat(50) }),
      fc
        .tuple(fc.constantFrom('take' as const, 'writeOff' as const, 'recount' as const, 'putBack' as const), fc.nat(9))
        .map((args) => move(...args)),
    );
    fc.assert(
      fc.property(fc.array(commands), (all) => {
        const events: Array<BodyOf<'stores.stock_changed'>> = [];
        let state: ProductState = tea;
        for (const command of all) {
          const decision = decideProduct(state, command);
          state = decision.state;
          events.push(...decision.events.map(({ body }) => body as BodyOf<'stores.stock_changed'>));
        }
        expect(state.stock).toBe(events.reduce((sum, { delta }) => sum + delta, tea.stock));
        expect(events.map(({ version }) => version)).toEqual(events.map((_, index) => index + 2));
        expect(events.filter(({ delta }) => delta === 0)).toEqual([]);
      }),
    );
  });
});
