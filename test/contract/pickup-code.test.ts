import { randomInt } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import {
  drawPickupCode,
  isPickupCode,
  isSameCode,
  maskedCode,
  requirePickupCode,
  shownCode,
} from '../../src/contract/pickup-code.ts';

describe('a pickup code', () => {
  test('has seven characters that nobody mistakes for others, and makes no word', () => {
    for (let draws = 0; draws < 2_000; draws += 1) {
      expect(drawPickupCode(randomInt)).toMatch(/^[GHJKMNPQRSTVWXYZ][2-9BCDFGHJKMNPQRSTVWXYZ]{6}$/);
    }
  });

  test('uses every character that there is', () => {
    const drawn = new Set(Array.from({ length: 2_000 }, () => drawPickupCode(randomInt).slice(1)).join(''));
    expect([...drawn].sort().join('')).toBe('23456789BCDFGHJKMNPQRSTVWXYZ');
  });

  test.each([...'AEIOUL01'])('is none with %s in it', (wrong) => {
    expect(isPickupCode(`K7P4-Q9${wrong}`)).toBe(false);
  });

  test.each(['K7P4-Q9T', 'k7p4q9t', ' k7p4 q9t '])('is taken as people type it: "%s"', (typed) => {
    expect(requirePickupCode(typed)).toBe('K7P4Q9T');
    expect(isPickupCode(typed)).toBe(true);
  });

  test.each(['K7P4-Q9', 'K7P4-Q9TT', 'K0P4-Q9T', 'KIP4-Q9T', 'KAP4-Q9T', 'B7P4-Q9T', '27P4-Q9T', 'AAAA-AA2'])(
    'is not "%s", which no message repeats',
    (typed) => {
      expect(isPickupCode(typed)).toBe(false);
      expect(() => requirePickupCode(typed)).toThrow(
        'pickup_code is "***"; a code has 7 letters and digits, such as K7P4-Q9T: the first is a letter from G on, and none is a vowel, L, 0 or 1',
      );
    },
  );

  test('that is missing is said to be', () => {
    expect(() => requirePickupCode('')).toThrow(
      expect.objectContaining({ detail: expect.objectContaining({ reason: 'MISSING', field: 'pickup_code' }) }),
    );
  });

  test.each(['6f1c2b11', 'abcdef', '1234567', '0d6f6f1c2b11', '0199c1f0-7c1e-7d0a-8a52-0d6f6f1c2b11'])(
    'is not what ends an order id: %s',
    (id) => expect(isPickupCode(id)).toBe(false),
  );

  test('is shown in two groups, and named in messages by the first', () => {
    expect(shownCode('K7P4Q9T')).toBe('K7P4-Q9T');
    expect(maskedCode('K7P4Q9T')).toBe('K7P4-***');
  });

  test('is the same or not, whatever the lengths', () => {
    expect(isSameCode('K7P4Q9T', 'K7P4Q9T')).toBe(true);
    expect(isSameCode('K7P4Q9T', 'K7P4Q9V')).toBe(false);
    expect(isSameCode('', 'K7P4Q9T')).toBe(false);
  });
});
