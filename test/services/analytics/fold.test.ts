import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { open, type Received } from '../../../src/contract/message.ts';
import { type Counted, fold } from '../../../src/services/analytics/fold.ts';
import { books, history, toys } from './history.ts';

const counted: Counted[] = history().map((message, position) => ({ position, event: open(message) as Received }));
const of = (entries: readonly Counted[]) => fold(entries as [Counted, ...Counted[]]);

describe('what the journal adds up to', () => {
  it('is each order, each attempt, what each was short of and the newest name of each store', () => {
    const facts = of(counted);
    expect([...facts.orders.values()].map(({ outcome }) => outcome)).toEqual(['completed', null, 'cancelled']);
    expect([...facts.attempts.values()].map(({ botId, outcome }) => [botId, outcome])).toEqual([
      ['bot-1', 'lost'],
      ['bot-2', 'succeeded'],
      ['bot-2', 'succeeded'],
      ['bot-1', 'succeeded'],
    ]);
    expect([...facts.shorts.values()].map(({ storeId, quantity }) => [storeId, quantity])).toEqual([
      [toys, 7],
      [toys, 1],
      [toys, 2],
      [books, 1],
    ]);
    expect(facts.stores.get(toys)?.name).toBe('Little Orbit Toys');
    expect(facts.position).toBe(counted.length - 1);
  });

  it('is the same when entries come twice, anywhere behind their first', () => {
    const repeated = fc.array(fc.tuple(fc.nat(counted.length - 1), fc.nat(counted.length)), { maxLength: 20 });
    fc.assert(
      fc.property(repeated, (again) => {
        const entries = [...counted];
        for (const [which, where] of again) {
          const first = entries.indexOf(counted[which]!);
          entries.splice(Math.max(first + 1, where), 0, counted[which]!);
        }
        const { orders, attempts, shorts, stores, happenings } = of(entries);
        const once = of(counted);
        expect([orders, attempts, shorts, stores, happenings]).toEqual([
          ...[once.orders, once.attempts, once.shorts, once.stores],
          once.happenings,
        ]);
      }),
    );
  });
});
