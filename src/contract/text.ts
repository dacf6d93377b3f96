import { invalid } from './errors.ts';

/** ISO 4217 by its form; whether anything is priced in it is for the services to say. */
const currencyPattern = /^[A-Z]{3}$/;
/** Also those that turn the writing direction of what follows them: "gnp.exe" is read as "exe.png". */
const controlCharacters = /[\p{Cc}\u202a-\u202e\u2066-\u2069]/u;
/** Characters: a UUID and room for a prefix. */
export const maxIdempotencyKeyChars = 100;

/**
 * `value` itself, when it is 1 to `maxChars` characters that are not all blank and of which none is a control character
 * (PostgreSQL takes no NUL, a terminal and a header no line feed) or half of one.
 * @throws MallError INVALID_ARGUMENT naming `field` otherwise
 */
export function requireText(field: string, value: string, maxChars: number): string {
  if (value.trim() === '') throw invalid(field, value, 'MISSING', `give 1 to ${maxChars} characters`);
  if ([...value].length > maxChars) {
    throw invalid(field, value, 'TOO_LONG', `it has ${[...value].length} characters, at most ${maxChars} are allowed`);
  }
  if (!value.isWellFormed()) {
    throw invalid(field, value, 'MALFORMED_TEXT', 'leave out surrogates that stand alone');
  }
  if (controlCharacters.test(value)) {
    throw invalid(field, value, 'CONTROL_CHARACTER', 'leave out control characters such as line feeds');
  }
  return value;
}

/** @throws MallError INVALID_ARGUMENT as `requireText` does */
export const requireIdempotencyKey = (value: string): string =>
  requireText('idempotency_key', value, maxIdempotencyKeyChars);

/**
 * `value` itself, when it has the form of a currency code.
 * @throws MallError INVALID_ARGUMENT naming `field` otherwise
 */
export function requireCurrency(field: string, value: string): string {
  if (currencyPattern.test(value)) return value;
  throw invalid(field, value, 'MALFORMED_CURRENCY', 'give an ISO 4217 code such as EUR');
}
