import { SeededRandom } from '../../src/demo/seeded.ts';

/** Time for one fault, for the mall to recover, and for it to come to rest so that it can be checked, ms. */
export const slotMs = 15_000;

export interface Scheduled {
  /** From the first order on; a fault that is late holds up the next ones. */
  readonly atMs: number;
  readonly fault: string;
  /** In [0, 1): which process or crash is meant, where the fault leaves a choice. */
  readonly pick: number;
}

/**
 * Which fault comes when: the same for the same seed, duration and kinds. One a slot, dealt like cards: no kind comes a second time before
 * all have come once.
 */
export function schedule(seed: number, durationMs: number, kinds: readonly string[]): Scheduled[] {
  const random = new SeededRandom(seed);
  let deck: string[] = [];
  return Array.from({ length: Math.max(1, Math.floor(durationMs / slotMs)) }, (_, slot) => {
    if (deck.length === 0) deck = random.some(kinds, kinds.length);
    const atMs = Math.round(slot * slotMs + random.between(0.1, 0.4) * slotMs);
    return { atMs, fault: deck.shift()!, pick: random.next() };
  });
}
