import { invalid } from './errors.ts';

/** Minor units in the currency's own number of decimals: 1250 EUR is "€12.50", 1250 JPY is "¥1,250". */
export function formatMoney({ minor, currency }: { minor: number; currency: string }): string {
  const format = new Intl.NumberFormat('en', { style: 'currency', currency });
  const decimals = format.resolvedOptions().maximumFractionDigits ?? 0;
  // As a decimal text, which the formatter takes digit by digit: dividing would round large amounts.
  return format.format(`${minor}E-${decimals}` as Intl.StringNumericLiteral);
}

/** A sum as people type it: digits, and decimals behind a point. */
const sumPattern = /^(\d{1,12})(?:\.(\d+))?$/;

/**
 * The minor units of `currency` that a text such as "12.50" says.
 * @throws MallError INVALID_ARGUMENT naming `field`: no such sum, or more decimals than the currency has
 */
export function parseMoney(field: string, text: string, currency: string): { minor: number; currency: string } {
  const decimals = decimalsOf(currency);
  const [, whole, fraction = ''] = sumPattern.exec(text) ?? [];
  if (whole === undefined || fraction.length > decimals) {
    const example = decimals === 0 ? '12' : `12.${'50'.padEnd(decimals, '0').slice(0, decimals)}`;
    throw invalid(field, text, 'MALFORMED_AMOUNT', `give a sum in ${currency} such as ${example}`);
  }
  return { minor: Number(whole + fraction.padEnd(decimals, '0')), currency };
}

const decimalsOf = (currency: string): number =>
  new Intl.NumberFormat('en', { style: 'currency', currency }).resolvedOptions().maximumFractionDigits ?? 0;
