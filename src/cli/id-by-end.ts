import { invalid } from '../contract/errors.ts';
import { isId } from '../contract/ids.ts';

/** Fewer characters name too many of a kind. */
const minEndChars = 6;

/**
 * The id of a `what` ("order", "task") that `given` stands for: itself, or that of the one of `known` that ends so, which are asked for only then.
 * Undefined when none does.
 * @throws MallError INVALID_ARGUMENT when it is no part of an id, or the end of several
 */
export async function idByEnd(
  what: string,
  given: string,
  known: () => Promise<Iterable<string>>,
): Promise<string | undefined> {
  const wanted = given.toLowerCase();
  if (isId(wanted)) return wanted;
  if (wanted.length < minEndChars || !/^[0-9a-f-]+$/.test(wanted)) {
    const remedy = `give a whole ${what} id, or its last ${minEndChars} characters or more`;
    throw invalid(what, given, 'MALFORMED_ID', remedy);
  }
  const ids = [...new Set(await known())].filter((id) => id.endsWith(wanted));
  if (ids.length > 1) {
    throw invalid(what, given, 'AMBIGUOUS_ID', `several ${what}s end so, give more of one: ${ids.join(', ')}`);
  }
  return ids[0];
}
