import type { Language } from './language.ts';
import { type Range, Ranges, rangesOf, reservedRanges } from './reserved.ts';

/** Of a field: three bits of the 32 of its tag are its type. */
const last = 536_870_911;
/** What protobuf keeps for itself. */
const ofProtobuf: Range = { from: 19_000, to: 19_999 };

export const isFieldNumber = (number: number): boolean =>
  number >= 1 && number <= last && !(number >= ofProtobuf.from && number <= ofProtobuf.to);

/** A number that a message has for one more field; undefined when it has none. */
export type FreeNumber = (typeName: string) => number | undefined;

/** Numbers that all of `languages` have free: behind the last field, where no field has been, else the first there is. Each is looked for once. */
export function freeNumbers(languages: readonly Language[]): FreeNumber {
  const known = new Map<string, number | undefined>();
  return (typeName) => {
    if (!known.has(typeName)) known.set(typeName, freeNumber(languages, typeName));
    return known.get(typeName);
  };
}

function freeNumber(languages: readonly Language[], typeName: string): number | undefined {
  const messages = languages.flatMap(({ messages }) => messages.get(typeName) ?? []);
  const used = messages.flatMap(({ fields }) => fields.map(({ number }) => number));
  const taken = new Ranges([
    ...rangesOf(used),
    ...messages.flatMap((message) => [...reservedRanges(message)]),
    ofProtobuf,
  ]);
  const behind = used.reduce((most, number) => Math.max(most, number), 0) + 1;
  return [behind, 1].map((from) => taken.firstFree(from)).find((number) => number <= last);
}
