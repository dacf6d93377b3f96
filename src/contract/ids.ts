import { v7, validate } from 'uuid';
import { invalid } from './errors.ts';

/** A new UUIDv7: unique everywhere, sorted by the time it was made. */
export const newId = (): string => v7();

/** Whether `value` is a UUID: 8-4-4-4-12 hexadecimal digits of either case, of a version that RFC 9562 knows. */
export const isId = (value: string): boolean => validate(value);

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
