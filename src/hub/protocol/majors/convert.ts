import { type DescEnum, type DescField, type DescMessage, fromBinary, ScalarType, toBinary } from '@bufbuild/protobuf';
import { type ReflectList, type ReflectMap, type ReflectMessage, reflect } from '@bufbuild/protobuf/reflect';
import { scalarName } from '../check/field-type.ts';
import { asInteger, isInteger, isNumeric, mayNotFit, type Numeric, scaled } from './numbers.ts';

/** Why a payload cannot be brought into another major; names the field and its value. */
export class Untranslatable extends Error {
  readonly path: string;
  readonly why: string;

  constructor(path: string, why: string) {
    super(`${path} ${why}`);
    this.path = path;
    this.why = why;
  }

  /** As seen from the message around. */
  within(name: string): Untranslatable {
    const joined = this.path === '' || this.path.startsWith('[') ? `${name}${this.path}` : `${name}.${this.path}`;
    return new Untranslatable(joined, this.why);
  }
}

/** @throws Untranslatable */
export type Convert = (value: unknown) => unknown;

/** How values of one field become those of another. */
export interface Conversion {
  readonly convert: Convert;
  /** There are values that it throws for. */
  readonly isPartial: boolean;
}

/** What a conversion is given beside the fields. */
export interface Meaning {
  /** Of numbers: times `factor`, over `divisor`. */
  readonly factor: number;
  readonly divisor: number;
  messageOf(source: DescMessage, target: DescMessage): (value: ReflectMessage) => ReflectMessage;
  /** By number; undefined where the target has no such value. */
  valueOf(source: DescEnum, target: DescEnum): (number: number) => number | undefined;
}

/** Undefined: values of `source` cannot be those of `target`. */
export function conversionOf(source: DescField, target: DescField, meaning: Meaning): Conversion | undefined {
  const element = elementConversion(source, target, meaning);
  if (!element) return undefined;
  const { convert, isPartial } = element;
  const each = (values: Iterable<unknown>) => Array.from(values, (value, index) => at(`[${index}]`, convert, value));
  if (source.fieldKind === 'map' || target.fieldKind === 'map') {
    if (source.fieldKind !== 'map' || target.fieldKind !== 'map' || source.mapKey !== target.mapKey) return undefined;
    const entries = (map: ReflectMap) => Array.from(map, ([key, value]) => [key, at(`[${key}]`, convert, value)]);
    return { convert: (map) => entries(map as ReflectMap), isPartial };
  }
  const fromList = source.fieldKind === 'list';
  if (target.fieldKind === 'list') {
    return { convert: (value) => each(fromList ? (value as ReflectList) : [value]), isPartial };
  }
  if (!fromList) return element;
  const only = (list: unknown) => {
    const { size } = list as ReflectList;
    if (size > 1) throw new Untranslatable('', `has ${size} elements, and one is all that there is room for`);
    return at('[0]', convert, (list as ReflectList).get(0));
  };
  return { convert: only, isPartial: true };
}

function at(place: string, convert: Convert, value: unknown): unknown {
  try {
    return convert(value);
  } catch (error) {
    throw error instanceof Untranslatable ? error.within(place) : error;
  }
}

function elementConversion(source: DescField, target: DescField, meaning: Meaning): Conversion | undefined {
  if (source.message || target.message) {
    if (!source.message || !target.message) return undefined;
    return messageConversion(source.message, target.message, meaning);
  }
  if (source.enum && target.enum) return enumConversion(source.enum, target.enum, meaning);
  if (source.enum) return target.scalar === ScalarType.STRING ? enumToText(source.enum) : undefined;
  if (target.enum) return source.scalar === ScalarType.STRING ? textToEnum(target.enum) : undefined;
  return scalarConversion(source.scalar!, target.scalar!, meaning);
}

export const isWellKnown = ({ typeName: name }: DescMessage): boolean => name.startsWith('google.protobuf.');

function messageConversion(source: DescMessage, target: DescMessage, meaning: Meaning): Conversion | undefined {
  if (!isWellKnown(source) && !isWellKnown(target)) {
    return { convert: meaning.messageOf(source, target) as Convert, isPartial: false };
  }
  if (source.typeName !== target.typeName) return undefined;
  // Each side has descriptors of its own for the same bytes.
  const copy = ({ message }: ReflectMessage) => reflect(target, fromBinary(target, toBinary(source, message)));
  return { convert: copy as Convert, isPartial: false };
}

function enumConversion(source: DescEnum, target: DescEnum, meaning: Meaning): Conversion {
  const of = meaning.valueOf(source, target);
  const convert = (number: unknown) => {
    const value = of(number as number);
    if (value === undefined)
      throw new Untranslatable('', `is ${nameOf(source, number as number)}, which ${target.name} has not`);
    return value;
  };
  return { convert, isPartial: false };
}

const nameOf = (type: DescEnum, number: number): string => type.value[number]?.name ?? `${number} of ${type.name}`;

const enumToText = (source: DescEnum): Conversion => ({
  convert: (number) => {
    const value = source.value[number as number];
    if (!value) throw new Untranslatable('', `is ${number}, which ${source.name} has no name for`);
    return value.name;
  },
  isPartial: false,
});

const textToEnum = (target: DescEnum): Conversion => ({
  convert: (text) => {
    const value = target.values.find(({ name }) => name === text);
    if (!value) throw new Untranslatable('', `is ${quote(text)}, which is no value of ${target.name}`);
    return value.number;
  },
  isPartial: true,
});

const maxShownChars = 40;
const quote = (value: unknown): string => {
  const text = String(value);
  return `"${text.length > maxShownChars ? `${text.slice(0, maxShownChars)}…` : text}"`;
};

function scalarConversion(
  source: ScalarType,
  target: ScalarType,
  { factor, divisor }: Meaning,
): Conversion | undefined {
  const isScaled = factor !== divisor;
  if (source === target && !isScaled) return { convert: (value) => value, isPartial: false };
  const unfit = (value: unknown) => new Untranslatable('', `is ${quote(value)}, which is no ${scalarName(target)}`);
  if (isNumeric(source) && isNumeric(target)) {
    const convert = (value: unknown) => {
      const number = scaled(value as Numeric, factor, divisor, target);
      if (number === undefined) throw unfit(value);
      return number;
    };
    return { convert, isPartial: mayNotFit(source, target, isScaled) };
  }
  if (isScaled) return undefined;
  if (isInteger(source) && target === ScalarType.STRING) return { convert: String, isPartial: false };
  if (source !== ScalarType.STRING || !isInteger(target)) return undefined;
  const convert = (text: unknown) => {
    // As it would be written: what is read as a number comes back as the same text.
    const number = /^(0|-?[1-9]\d{0,19})$/.test(text as string) ? asInteger(BigInt(text as string), target) : undefined;
    if (number === undefined) throw unfit(text);
    return number;
  };
  return { convert, isPartial: true };
}
