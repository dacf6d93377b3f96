import type { DescEnum, DescMessage } from '@bufbuild/protobuf';

/** Numbers from `from` to `to`, both included. */
export interface Range {
  readonly from: number;
  readonly to: number;
}

/** Numbers as ranges, never one by one: "5 to max" is half a billion of them. */
export class Ranges implements Iterable<Range> {
  /** In order, with a number between any two of them. */
  readonly #ranges: readonly Range[];

  constructor(ranges: readonly Range[]) {
    this.#ranges = ranges
      .filter(({ from, to }) => from <= to)
      .sort((a, b) => a.from - b.from)
      .reduce<Range[]>((joined, range) => {
        const last = joined.at(-1);
        if (last && range.from <= last.to + 1) joined[joined.length - 1] = { ...last, to: Math.max(last.to, range.to) };
        else joined.push(range);
        return joined;
      }, []);
  }

  [Symbol.iterator](): Iterator<Range> {
    return this.#ranges.values();
  }

  has(number: number): boolean {
    return this.#rangeOf(number) !== undefined;
  }

  /** The first number from `from` on that this does not have. */
  firstFree(from: number): number {
    const taken = this.#rangeOf(from);
    return taken ? taken.to + 1 : from;
  }

  /** The numbers of this that `other` does not have. */
  without(other: Ranges): Ranges {
    const left: Range[] = [];
    for (const { from, to } of this.#ranges) {
      let next = from;
      for (let at = other.#indexOf(from); (other.#ranges[at]?.from ?? Number.POSITIVE_INFINITY) <= to; at += 1) {
        left.push({ from: next, to: other.#ranges[at]!.from - 1 });
        next = other.#ranges[at]!.to + 1;
      }
      left.push({ from: next, to });
    }
    return new Ranges(left);
  }

  #rangeOf(number: number): Range | undefined {
    const range = this.#ranges[this.#indexOf(number)];
    return range && range.from <= number ? range : undefined;
  }

  /** Of the first range that does not end before the number. */
  #indexOf(number: number): number {
    let [low, high] = [0, this.#ranges.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#ranges[middle]!.to < number) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

export const rangesOf = (numbers: readonly number[]): Ranges =>
  new Ranges(numbers.map((number) => ({ from: number, to: number })));

/** Up to the verb. */
export const inWords = ({ from, to }: Range): string =>
  from === to ? `the number ${from} is` : `the numbers ${from} to ${to} are`;

/** `read`, once for each type: what is reserved is asked for each member, and a hostile set may have ten thousand of both. */
function onceForEach<T extends object>(read: (type: DescMessage | DescEnum) => T): (type: DescMessage | DescEnum) => T {
  const known = new WeakMap<DescMessage | DescEnum, T>();
  return (type) => {
    const value = known.get(type) ?? read(type);
    known.set(type, value);
    return value;
  };
}

export const reservedNames = onceForEach(({ proto }): ReadonlySet<string> => new Set(proto.reservedName));

/** In descriptors the end of a message's range is not part of it, and that of an enum's is. */
export const reservedRanges = onceForEach(
  ({ kind, proto }) =>
    new Ranges(
      proto.reservedRange.map(({ start = 0, end = 0 }) => ({ from: start, to: kind === 'message' ? end - 1 : end })),
    ),
);
