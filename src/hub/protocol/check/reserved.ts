import type { DescEnum, DescMessage } from '@bufbuild/protobuf';

export const reservedNames = ({ proto }: DescMessage | DescEnum): ReadonlySet<string> => new Set(proto.reservedName);

/** Numbers from `from` to `to`, both included. */
export interface Range {
  readonly from: number;
  readonly to: number;
}

/** Reserved numbers, as ranges: "5 to max" is half a billion numbers. */
export class Ranges {
  readonly #ranges: readonly Range[];

  constructor(ranges: readonly Range[]) {
    this.#ranges = ranges
      .toSorted((a, b) => a.from - b.from)
      .reduce<Range[]>((joined, range) => {
        const last = joined.at(-1);
        if (last && range.from <= last.to + 1) joined[joined.length - 1] = { ...last, to: Math.max(last.to, range.to) };
        else joined.push(range);
        return joined;
      }, []);
  }

  has(number: number): boolean {
    return this.#ranges.some(({ from, to }) => number >= from && number <= to);
  }

  /** Those of this that `other` does not have in one piece. */
  notIn(other: Ranges): readonly Range[] {
    return this.#ranges.filter(({ from, to }) => !other.#ranges.some((range) => range.from <= from && range.to >= to));
  }
}

/** In descriptors the end of a message's range is not part of it, and that of an enum's is. */
export const reservedRanges = (type: DescMessage | DescEnum): Ranges =>
  new Ranges(
    type.proto.reservedRange.map(({ start = 0, end = 0 }) => ({
      from: start,
      to: type.kind === 'message' ? end - 1 : end,
    })),
  );
