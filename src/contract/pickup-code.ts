import { timingSafeEqual } from 'node:crypto';
import { invalid } from './errors.ts';

/**
 * What a shopper shows at the desk: "K7P4-Q9T". The first four characters find the order among those that wait, the last three prove that it is
 * theirs: of 28^3 = 21,952 possible ones five can be tried, and a slip of the finger cannot use up the tries of somebody else's order unnoticed.
 *
 * No 0, O, 1, I, L, which look alike, and no vowels, so that no word comes out. It begins with a letter that no hexadecimal number has: the end
 * of an order's id is never taken for a code.
 */
const firstCharacters = 'GHJKMNPQRSTVWXYZ';
const characters = '23456789BCDFGHJKMNPQRSTVWXYZ';
const findingChars = 4;
const provingChars = 3;
const codeChars = findingChars + provingChars;
const pattern = new RegExp(`^[${firstCharacters}][${characters}]{${codeChars - 1}}$`);

/** After so many wrong codes an order is handed over for its shopper's identity only: five are for people who mistype. */
export const maxWrongCodes = 5;

/** `randomBelow` has to be one that nobody can foretell. */
export function drawPickupCode(randomBelow: (max: number) => number): string {
  const first = firstCharacters[randomBelow(firstCharacters.length)]!;
  return first + Array.from({ length: codeChars - 1 }, () => characters[randomBelow(characters.length)]).join('');
}

const plain = (typed: string): string => typed.replaceAll(/[\s-]/g, '').toUpperCase();

/** Whether `typed` has the form of a code, in either case, with or without its hyphen. */
export const isPickupCode = (typed: string): boolean => pattern.test(plain(typed));

/**
 * The code that `typed` is, without its hyphen.
 * @throws MallError INVALID_ARGUMENT, which does not repeat what was typed: it may be a code with a slip of the finger
 */
export function requirePickupCode(typed: string): string {
  if (isPickupCode(typed)) return plain(typed);
  const remedy = `a code has ${codeChars} letters and digits, such as K7P4-Q9T: the first is a letter from G on, and none is a vowel, L, 0 or 1`;
  throw invalid('pickup_code', typed === '' ? '' : '***', typed === '' ? 'MISSING' : 'MALFORMED_CODE', remedy);
}

/** The part that finds the order, which is no secret. */
export const findingPart = (code: string): string => code.slice(0, findingChars);

/** As it is shown to the shopper. */
export const shownCode = (code: string): string => `${findingPart(code)}-${code.slice(findingChars)}`;

/** As messages and logs may name it. */
export const maskedCode = (code: string): string => `${findingPart(code)}-***`;

/** How long it takes says nothing about how much of it was right. */
export function isSameCode(one: string, other: string): boolean {
  const [left, right] = [Buffer.from(one), Buffer.from(other)];
  return left.length === right.length && timingSafeEqual(left, right);
}
