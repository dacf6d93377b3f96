import { mulberry32 } from '../../src/kit/mulberry32.ts';

/** FNV-1a, 32 bits. */
function hash(text: string): number {
  let digest = 0x811c9dc5;
  for (let index = 0; index < text.length; index += 1) {
    digest = Math.imul(digest ^ text.charCodeAt(index), 0x01000193);
  }
  return digest >>> 0;
}

/** A number in [0, 1) that depends on the seed and the facts alone, not on what was drawn before. */
export const draw = (seed: number, ...facts: readonly (string | number)[]): number =>
  mulberry32(hash(`${seed}|${facts.join('|')}`))();
