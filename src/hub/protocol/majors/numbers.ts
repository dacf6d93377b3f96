import { ScalarType } from '@bufbuild/protobuf';

/** A value of a numeric field as protobuf-es has it. */
export type Numeric = number | bigint;

/** Bounds of the integer types. */
const integers = new Map<ScalarType, { readonly least: bigint; readonly most: bigint; readonly isLong: boolean }>();
const add = (types: readonly ScalarType[], least: bigint, most: bigint, isLong: boolean) => {
  for (const type of types) integers.set(type, { least, most, isLong });
};
add([ScalarType.INT32, ScalarType.SINT32, ScalarType.SFIXED32], -(2n ** 31n), 2n ** 31n - 1n, false);
add([ScalarType.UINT32, ScalarType.FIXED32], 0n, 2n ** 32n - 1n, false);
add([ScalarType.INT64, ScalarType.SINT64, ScalarType.SFIXED64], -(2n ** 63n), 2n ** 63n - 1n, true);
add([ScalarType.UINT64, ScalarType.FIXED64], 0n, 2n ** 64n - 1n, true);

export const isInteger = (type: ScalarType): boolean => integers.has(type);
export const isNumeric = (type: ScalarType): boolean =>
  isInteger(type) || type === ScalarType.DOUBLE || type === ScalarType.FLOAT;

/** Whether a number of `source` may not fit into `target`. */
export function mayNotFit(source: ScalarType, target: ScalarType, isScaled: boolean): boolean {
  const [from, to] = [integers.get(source), integers.get(target)];
  if (!to) return target === ScalarType.FLOAT && (source === ScalarType.DOUBLE || isScaled);
  return isScaled || !from || from.least < to.least || from.most > to.most;
}

/** `value` as an integer of `target`; undefined when it does not fit. */
export function asInteger(value: bigint, target: ScalarType): Numeric | undefined {
  const { least, most, isLong } = integers.get(target)!;
  if (value < least || value > most) return undefined;
  return isLong ? value : Number(value);
}

/** `value` times `factor` over `divisor`, as a number of `target`, rounded where that has no fractions; undefined when it does not fit. */
export function scaled(value: Numeric, factor: number, divisor: number, target: ScalarType): Numeric | undefined {
  const isPlain = factor === divisor;
  if (isInteger(target)) {
    if (isPlain && typeof value === 'bigint') return asInteger(value, target);
    const rounded = Math.round(isPlain ? Number(value) : (Number(value) * factor) / divisor);
    return Number.isFinite(rounded) ? asInteger(BigInt(rounded), target) : undefined;
  }
  const number = isPlain ? Number(value) : (Number(value) * factor) / divisor;
  if (target !== ScalarType.FLOAT) return number;
  const single = Math.fround(number);
  return Number.isFinite(number) && !Number.isFinite(single) ? undefined : single;
}
