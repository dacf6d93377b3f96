import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { routes } from '../../src/broker/routing.ts';

describe('routing', () => {
  test.each([
    ['orders.*', 'orders.placed', true],
    ['orders.*', 'orders', false],
    ['orders.*', 'orders.a.b', false],
    ['orders.#', 'orders', true],
    ['orders.#', 'orders.a.b', true],
    ['#.ready', 'ready', true],
    ['#.ready', 'a.b.ready', true],
    ['#.ready', 'a.b.ready.c', false],
    ['*.#.b', 'b', false],
    ['*.#.b', 'a.x.b', true],
    ['#', '', true],
    ['', 'a', false],
  ])('topic %s takes %s: %s', (pattern, key, expected) => {
    expect(routes('topic', pattern, key)).toBe(expected);
  });

  test('direct takes the key itself', () => {
    expect(['a.b', 'a.c'].map((key) => routes('direct', 'a.b', key))).toEqual([true, false]);
    expect(routes('direct', '#', 'a')).toBe(false);
  });

  test('agrees with the regular expression that a pattern stands for', () => {
    const word = fc.constantFrom('a', 'b');
    const key = fc.array(word, { minLength: 1, maxLength: 5 });
    const pattern = fc.array(fc.constantFrom('a', 'b', '*', '#'), { minLength: 1, maxLength: 5 });
    const asRegExp = (words: string[]) =>
      new RegExp(`^${words.map((w) => ({ '*': '\\w\\.', '#': '(?:\\w\\.)*' })[w] ?? `${w}\\.`).join('')}$`);
    fc.assert(
      fc.property(pattern, key, (words, keyWords) => {
        const expected = asRegExp(words).test(keyWords.map((w) => `${w}.`).join(''));
        expect(routes('topic', words.join('.'), keyWords.join('.'))).toBe(expected);
      }),
    );
  });
});
