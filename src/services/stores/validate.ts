import { invalid } from '../../contract/errors.ts';
import { requireCurrency } from '../../contract/text.ts';
import type { Money, Position } from '../../gen/common/v1/common.ts';
import type { Price } from './messages.ts';

/** Characters: what fits on a shelf label and a kiosk's line. */
export const maxNameChars = 100;
/** Minor units: ten million in most currencies, far from where sums leave the exact integers. */
const maxPriceMinor = 1_000_000_000;
/** Units of one product: more than any shelf and storeroom of a mall holds. */
const maxStock = 1_000_000;
/** Metres in each direction from the depot: larger than any mall, so what is beyond is a mistake in the unit. */
const maxDistanceMetres = 1_000;

const skuPattern = /^[A-Za-z0-9][A-Za-z0-9._-]{0,31}$/;

// Each of these answers with the value itself, or throws MallError INVALID_ARGUMENT naming the field.

export function requireSku(field: string, value: string): string {
  if (!skuPattern.test(value)) {
    const remedy = 'give 1 to 32 of A-Z, a-z, 0-9, ".", "_" and "-", beginning with a letter or digit';
    throw invalid(field, value, 'MALFORMED_SKU', remedy);
  }
  return value;
}

export function requirePrice(field: string, value: Money | undefined): Price {
  if (!value) throw invalid(field, '', 'PRICE_MISSING', 'give a price in minor units with its currency');
  const { minor } = value;
  if (!Number.isInteger(minor) || minor < 0 || minor > maxPriceMinor) {
    throw invalid(`${field}.minor`, minor, 'PRICE_OUT_OF_RANGE', `give minor units from 0 to ${maxPriceMinor}`);
  }
  return { minor, currency: requireCurrency(`${field}.currency`, value.currency) };
}

export function requireStock(field: string, value: number): number {
  if (!Number.isInteger(value) || value < 0 || value > maxStock) {
    throw invalid(field, value, 'STOCK_OUT_OF_RANGE', `give units from 0 to ${maxStock}`);
  }
  return value;
}

export function requirePosition(field: string, value: Position | undefined): { x: number; y: number } {
  if (!value) throw invalid(field, '', 'POSITION_MISSING', 'give x and y in metres from the depot');
  const { x, y } = value;
  for (const [axis, metres] of Object.entries({ x, y })) {
    if (!(Math.abs(metres) <= maxDistanceMetres)) {
      const remedy = `give metres from -${maxDistanceMetres} to ${maxDistanceMetres}`;
      throw invalid(`${field}.${axis}`, metres, 'POSITION_OUT_OF_RANGE', remedy);
    }
  }
  return { x, y };
}
