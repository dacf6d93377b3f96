import { describe, expect, it } from 'vitest';
import { commitmentChanges } from '../../../src/services/orders/decide.ts';
import type { Catalogue, PlaceOrder } from '../../../src/services/orders/messages.ts';
import { place, requireSameRequest } from '../../../src/services/orders/place.ts';
import { catalogue, now, placing, product } from './examples.ts';

const ids = { order: 'new-order', lines: ['line-0', 'line-1'] };
const two = catalogue([product('socks'), product('hat', { priceMinor: 2_500, stock: 3, committed: 1 })]);
const both = [
  { productId: 'socks', quantity: 4 },
  { productId: 'hat', quantity: 2 },
];

describe('placing an order', () => {
  it('holds what was ordered at the prices of the moment, and tells the others', () => {
    const { order, events } = place(placing(both), two, ids, now);
    expect(order).toMatchObject({ id: 'new-order', state: 'PLACED', paid: false, placedAt: now });
    expect(order.lines).toEqual([
      expect.objectContaining({ id: 'line-0', productId: 'socks', quantity: 4, unitPriceMinor: 100, held: 4 }),
      expect.objectContaining({ id: 'line-1', productId: 'hat', quantity: 2, unitPriceMinor: 2_500, held: 2 }),
    ]);
    expect(commitmentChanges(undefined, order)).toEqual(
      new Map([
        ['socks', 4],
        ['hat', 2],
      ]),
    );
    expect(events).toEqual([
      expect.objectContaining({
        name: 'orders.placed',
        key: 'new-order',
        body: expect.objectContaining({
          orderId: 'new-order',
          shopper: 'Ada',
          total: { minor: 5_400, currency: 'EUR' },
        }),
      }),
    ]);
  });

  const refusals: Array<[string, PlaceOrder, Catalogue, { code: string; detail: object }, RegExp]> = [
    [
      'an unknown product',
      placing([{ productId: 'x', quantity: 1 }]),
      two,
      { code: 'NOT_FOUND', detail: { reason: 'PRODUCT_NOT_FOUND', field: 'lines[0].product_id', value: 'x' } },
      /no product with lines\[0\]\.product_id "x"/,
    ],
    [
      'a removed product',
      placing(both),
      catalogue([product('socks'), product('hat', { removed: true })]),
      { code: 'NOT_FOUND', detail: { reason: 'PRODUCT_NOT_FOUND', field: 'lines[1].product_id' } },
      /lines\[1\]/,
    ],
    [
      'another currency',
      placing(both, { currency: 'USD' }),
      two,
      { code: 'INVALID_ARGUMENT', detail: { reason: 'CURRENCY_MISMATCH', field: 'currency', value: 'USD' } },
      /lines\[0\]\.product_id is priced in EUR/,
    ],
    [
      'a store that does not take part',
      placing(both),
      catalogue([product('socks'), product('hat')], { participating: false }),
      { code: 'FAILED_PRECONDITION', detail: { reason: 'STORE_NOT_PARTICIPATING', field: 'lines[0].product_id' } },
      /store "Sock Shop" does not take part/,
    ],
    [
      'a store that nobody has heard of yet',
      placing(both),
      { ...two, stores: new Map() },
      { code: 'FAILED_PRECONDITION', detail: { reason: 'STORE_NOT_PARTICIPATING', field: 'lines[0].product_id' } },
      /store "store"/,
    ],
    [
      'more than the other orders leave',
      placing([{ productId: 'hat', quantity: 3 }]),
      two,
      { code: 'FAILED_PRECONDITION', detail: { reason: 'SOLD_OUT', field: 'lines[0].quantity', value: '3' } },
      /lines\[0\]\.quantity is 3, but 2 of "Thing hat" .* order at most 2/,
    ],
    [
      'what is sold out, though the books went below what was promised',
      placing([{ productId: 'hat', quantity: 1 }]),
      catalogue([product('hat', { stock: 1, committed: 4 })]),
      { code: 'FAILED_PRECONDITION', detail: { reason: 'SOLD_OUT', field: 'lines[0].quantity' } },
      /but 0 of .* leave it out/,
    ],
    [
      'a total beyond exact integers',
      placing([{ productId: 'gold', quantity: 1_000 }]),
      catalogue([product('gold', { priceMinor: Number.MAX_SAFE_INTEGER, stock: 1_000 })]),
      { code: 'INVALID_ARGUMENT', detail: { reason: 'TOTAL_TOO_LARGE', field: 'lines' } },
      /order less/,
    ],
  ];

  it.each(refusals)('refuses %s and names the field', (_, command, known, { code, detail }, message) => {
    const attempt = () => place(command, known, ids, now);
    expect(attempt).toThrow(message);
    expect(attempt).toThrow(expect.objectContaining({ code, detail: expect.objectContaining(detail) }));
  });
});

describe('an idempotency key', () => {
  const { order } = place(placing(both), two, ids, now);

  it('stands for the same request, whatever the order of its lines and the trace', () => {
    const again = placing(both.toReversed(), { traceparent: '00-1-2-01' });
    expect(() => requireSameRequest(order, again)).not.toThrow();
  });

  it.each([
    placing(both, { shopper: 'Bob' }),
    placing(both, { currency: 'USD' }),
    placing(both.slice(0, 1)),
    placing([both[0]!, { productId: 'hat', quantity: 1 }]),
    placing([both[0]!, { productId: 'scarf', quantity: 2 }]),
  ])('is refused for another request (%#)', (other) => {
    expect(() => requireSameRequest(order, other)).toThrow(
      expect.objectContaining({
        code: 'FAILED_PRECONDITION',
        detail: expect.objectContaining({ reason: 'IDEMPOTENCY_KEY_REUSED', field: 'idempotency_key', value: 'key' }),
      }),
    );
  });
});
