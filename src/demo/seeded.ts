import { createHash } from 'node:crypto';
import { stringify } from 'uuid';
import { mulberry32 } from '../kit/mulberry32.ts';

/** Draws that look random and are the same for the same seed. */
export class SeededRandom {
  /** In [0, 1). */
  readonly next: () => number;

  constructor(seed: number) {
    this.next = mulberry32(seed);
  }

  between(low: number, high: number): number {
    return low + this.next() * (high - low);
  }

  /** A whole number from `low` to `high`, both possible. */
  whole(low: number, high: number): number {
    return low + Math.floor(this.next() * (high - low + 1));
  }

  /** `count` different ones of `items`, or all where there are fewer, in random order. */
  some<T>(items: readonly T[], count: number): T[] {
    const left = [...items];
    const chosen: T[] = [];
    while (chosen.length < count && left.length > 0) chosen.push(...left.splice(this.whole(0, left.length - 1), 1));
    return chosen;
  }
}

/** The UUID (RFC 9562 version 8: its content is the maker's own) that `name` has under `seed`. */
export function seededId(seed: number, name: string): string {
  const bytes = createHash('sha256').update(`mallbots ${seed} ${name}`).digest().subarray(0, 16);
  bytes[6] = 0x80 | (bytes[6]! & 0x0f);
  bytes[8] = 0x80 | (bytes[8]! & 0x3f);
  return stringify(bytes);
}
