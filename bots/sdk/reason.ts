import { format } from 'node:util';

/** What was thrown, in words. Anything can be thrown: null, too, and an object that no string can be made of. */
export const reasonOf = (thrown: unknown): string =>
  thrown instanceof Error ? thrown.message || thrown.name : format('%s', thrown);
