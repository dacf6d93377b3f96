/** Minor units in the currency's own number of decimals: 1250 EUR is "€12.50", 1250 JPY is "¥1,250". */
export function formatMoney({ minor, currency }: { minor: number; currency: string }): string {
  const format = new Intl.NumberFormat('en', { style: 'currency', currency });
  const decimals = format.resolvedOptions().maximumFractionDigits ?? 0;
  // As a decimal text, which the formatter takes digit by digit: dividing would round large amounts.
  return format.format(`${minor}E-${decimals}` as Intl.StringNumericLiteral);
}
