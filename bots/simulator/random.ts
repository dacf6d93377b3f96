/** mulberry32 (Tommy Ettinger's public domain generator): 32 bits of state, good enough for faults, the same everywhere. */
export function mulberry32(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

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
