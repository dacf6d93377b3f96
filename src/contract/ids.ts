import { v7, validate } from 'uuid';
import { invalid } from './errors.ts';

/** A new UUIDv7: unique everywhere, sorted by the time it was made. */
export const newId = (): string => v7();

/**
 * The id itself, when `value` is a UUID in canonical form.
 * @throws MallError INVALID_ARGUMENT naming `field` otherwise
 */
export function requireId(field: string, value: string): string {
  if (!validate(value)) {
    throw invalid(field, value, 'MALFORMED_ID', 'give a UUID such as 0199c1f0-7c1e-7d0a-8a52-0d6f6f1c2b11');
  }
  return value.toLowerCase();
}
