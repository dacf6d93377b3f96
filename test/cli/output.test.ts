import { describe, expect, test, vi } from 'vitest';
import { formatAge, writeTable } from '../../src/cli/output.ts';
import { formatMoney, parseMoney } from '../../src/contract/money.ts';

describe('money', () => {
  test.each([
    [1250, 'EUR', '€12.50'],
    [5, 'EUR', '€0.05'],
    [0, 'EUR', '€0.00'],
    [-300, 'EUR', '-€3.00'],
    [1250, 'JPY', '¥1,250'],
    [1250, 'BHD', 'BHD 1.250'],
    [Number.MAX_SAFE_INTEGER, 'EUR', '€90,071,992,547,409.91'],
  ])('%i minor units of %s are %s', (minor, currency, shown) => {
    expect(formatMoney({ minor, currency }).replaceAll('\u00a0', ' ')).toBe(shown);
  });
});

describe('a sum that somebody types', () => {
  test.each([
    ['12.50', 'EUR', 1250],
    ['12.5', 'EUR', 1250],
    ['12', 'EUR', 1200],
    ['0.05', 'EUR', 5],
    ['1250', 'JPY', 1250],
    ['1.25', 'BHD', 1250],
  ])('as %s %s is %i minor units', (typed, currency, minor) => {
    expect(parseMoney('--amount', typed, currency)).toEqual({ minor, currency });
  });

  test.each([
    ['12,50', 'EUR', '12.50'],
    ['-1', 'EUR', '12.50'],
    ['', 'EUR', '12.50'],
    ['1e3', 'EUR', '12.50'],
    ['€12.50', 'EUR', '12.50'],
    ['0.005', 'EUR', '12.50'],
    ['1.5', 'JPY', '12'],
    ['9999999999999', 'EUR', '12.50'],
  ])('as "%s" %s is refused with an example', (typed, currency, example) => {
    expect(() => parseMoney('--amount', typed, currency)).toThrow(
      `--amount is "${typed}"; give a sum in ${currency} such as ${example}`,
    );
  });
});

describe('an age', () => {
  const since = new Date('2026-01-05T10:00:00Z');
  test.each([
    [0, '0s'],
    [59, '59s'],
    [192, '3m 12s'],
    [3_600, '1h 0m'],
    [90_061, '1d 1h'],
    [-5, '0s'],
  ])('of %i s is %s', (seconds, shown) => {
    expect(formatAge(since, new Date(since.getTime() + seconds * 1_000))).toBe(shown);
  });
});

describe('a table', () => {
  function written(rows: string[][]): string[] {
    const write = vi.spyOn(process.stdout, 'write').mockReturnValue(true);
    try {
      writeTable(['bay', 'shopper'], rows);
      return String(write.mock.calls[0]?.[0]).trimEnd().split('\n');
    } finally {
      write.mockRestore();
    }
  }

  test('has one line for each row', () => {
    expect(
      written([
        ['B1', 'Ada'],
        ['B2', 'Bob'],
      ]),
    ).toHaveLength(2 + 4);
  });

  test('is whole on a terminal that does not know its width', () => {
    const { columns } = process.stdout;
    Object.assign(process.stdout, { columns: 0 });
    try {
      expect(written([['B1', 'Ada Byron of Lovelace']]).join('\n')).toMatch(/ shopper .* Ada Byron of Lovelace /s);
    } finally {
      Object.assign(process.stdout, { columns });
    }
  });

  test('cuts what somebody made long, between characters as people see them', () => {
    const [line] = written([['B1', '👩‍🚀'.repeat(30)]]).slice(3);

    expect(line).toContain(`${'👩‍🚀'.repeat(12)}…`);
    expect(line).not.toContain('👩‍🚀'.repeat(13));
  });
});
