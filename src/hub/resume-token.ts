import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';

/** Nobody guesses 256 bits. */
const tokenBytes = 32;

/** What a Welcome gives a bot to find its session again with. Never logged; the table has its digest only. */
export const drawResumeToken = (): Buffer => randomBytes(tokenBytes);

export const digestOf = (token: Uint8Array): Buffer => createHash('sha256').update(token).digest();

/** Whether `token` is the one with that digest; takes as long when it is not. */
export const isTokenOf = (digest: Uint8Array | null, token: Uint8Array): boolean =>
  digest !== null && timingSafeEqual(digest, digestOf(token));
