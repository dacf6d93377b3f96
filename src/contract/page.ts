import type { z } from 'zod';
import { invalid } from './errors.ts';

/** Entries of one page: when the request does not say, and at most. An answer of so many stays far below what a client takes (4 MB). */
const defaultPageSize = 100;
export const maxPageSize = 1_000;

export interface Page<K> {
  readonly size: number;
  /** Of the last entry of the page before; undefined for the first page. */
  readonly after: K | undefined;
}

/**
 * The page that a list request asks for; `key` is what `pageToken` was made of.
 * @throws MallError INVALID_ARGUMENT naming page_size or page_token
 */
export function readPage<K>(
  { pageSize, pageToken }: { readonly pageSize: number; readonly pageToken: string },
  key: z.ZodType<K>,
): Page<K> {
  if (pageSize > maxPageSize) throw invalid('page_size', pageSize, 'OUT_OF_RANGE', `give at most ${maxPageSize}`);
  return { size: pageSize || defaultPageSize, after: pageToken === '' ? undefined : readToken(pageToken, key) };
}

function readToken<K>(token: string, key: z.ZodType<K>): K {
  const read = key.safeParse(parsed(Buffer.from(token, 'base64url').toString()));
  if (read.success) return read.data;
  const remedy = 'repeat the next_page_token of the answer before, or leave it empty for the first page';
  throw invalid('page_token', token, 'MALFORMED_PAGE_TOKEN', remedy);
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Of `found`, which was asked for one more than a page has: the page, and the token for what follows; '' when nothing does. */
export function pageOf<T>(
  found: readonly T[],
  size: number,
  keyOf: (entry: T) => unknown,
): { page: readonly T[]; nextPageToken: string } {
  if (found.length <= size) return { page: found, nextPageToken: '' };
  const page = found.slice(0, size);
  return { page, nextPageToken: Buffer.from(JSON.stringify(keyOf(page.at(-1)!))).toString('base64url') };
}
