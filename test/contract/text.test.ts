import { describe, expect, test } from 'vitest';
import { quoted } from '../../src/contract/errors.ts';
import { requireText } from '../../src/contract/text.ts';

describe('a text', () => {
  test.each(['Ada', '👩‍🚀 Ada', '名前', 'עדה', "Robert'); DROP TABLE orders;--", '👩'.repeat(10)])(
    'may be %s',
    (value) => {
      expect(requireText('shopper', value, 30)).toBe(value);
    },
  );

  test.each([
    ['empty', '', 'MISSING'],
    ['blank', ' \t ', 'MISSING'],
    ['long', 'x'.repeat(31), 'TOO_LONG'],
    ['a NUL', 'a\0b', 'CONTROL_CHARACTER'],
    ['a line feed', 'a\nb', 'CONTROL_CHARACTER'],
    ['an escape sequence', '\u001b[31mred', 'CONTROL_CHARACTER'],
    ['written backwards', '\u202egnp.exe', 'CONTROL_CHARACTER'],
    ['half a character', 'A\ud800', 'MALFORMED_TEXT'],
  ])('may not be %s', (_what, value, reason) => {
    expect(() => requireText('shopper', value, 30)).toThrow(
      expect.objectContaining({
        code: 'INVALID_ARGUMENT',
        detail: expect.objectContaining({ field: 'shopper', reason }),
      }),
    );
  });
});

describe('a quoted value', () => {
  test.each([
    [Number.NaN, '"NaN"'],
    [Number.POSITIVE_INFINITY, '"Infinity"'],
    [1.5, '"1.5"'],
    [null, '"null"'],
    [undefined, '"undefined"'],
    [{ a: 1 }, '"{"a":1}"'],
  ])('%s is %s', (value, shown) => {
    expect(quoted(value)).toBe(shown);
  });
});
