import { v7, validate } from 'uuid';
import { invalid } from './errors.ts';

/** A new UUIDv7: unique everywhere, sorted by the time it was made. */
export const newId = (): string => v7();

/** Whether `value` is a UUID: 8-4-4-4-12 hexadecimal digits of either case, of a version that RFC 9562 knows. */
export const isId = (value: string): boolean => validate(value);

/** Ids that one request may name: what a page has at most. */
const maxIds = 1_000;

/** @throws MallError INVALID_ARGUMENT naming `field` and the place in it */
export function requireIds(field: string, values: readonly string[]): string[] {
  if (values.length > maxIds) throw invalid(field, `${values.length} ids`, 'TOO_MANY_IDS', `give at most ${maxIds}`);
  return values.map((value, index) => requireId(`${field}[${index}]`, value));
}

/**
 * `value` in lower case, when it is a UUID; `remedy` says what to give instead.
 * @throws MallError INVALID_ARGUMENT naming `field` otherwise
 */
export function requireId(
  field: string,
  value: string,
  remedy = 'give a UUID such as 0199c1f0-7c1e-7d0a-8a52-0d6f6f1c2b11',
): string {
  if (!isId(value)) throw invalid(field, value, 'MALFORMED_ID', remedy);
  return value.toLowerCase();
}
