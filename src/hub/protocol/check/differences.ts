import type { DescEnum, DescField, DescMessage } from '@bufbuild/protobuf';
import { checkBetween } from './between.ts';
import { typeOf } from './field-type.ts';
import type { Language } from './language.ts';
import { type Declared, placeOf } from './place.ts';
import { inWords, rangesOf, reservedNames, reservedRanges } from './reserved.ts';
import { finding, type RuleId } from './rules.ts';

/** One thing that two revisions say differently. */
export interface Difference {
  readonly file: string;
  /** In the newer one; undefined where the descriptors have no source info. */
  readonly line: number | undefined;
  readonly column: number | undefined;
  readonly message: string;
  readonly what: string;
  /** The rule that keeps the two from standing side by side; undefined where they may. */
  readonly rule: RuleId | undefined;
}

/** What is different in meaning: not comments, not the order of declarations, not which file has them. Pure. */
export function differences(older: Language, newer: Language): Difference[] {
  const found = [...packageDifferences(older, newer), ...compatible(older, newer)];
  for (const { file, line, column, message, what, rule } of checkBetween(older, newer)) {
    found.push({ file, line, column, message, what, rule: rule as RuleId });
  }
  return found.sort((a, b) => a.file.localeCompare(b.file) || (a.line ?? 0) - (b.line ?? 0));
}

function* packageDifferences(older: Language, newer: Language): Iterable<Difference> {
  const packages = new Set(older.files.map(({ proto }) => proto.package));
  for (const file of newer.files.filter(({ proto }) => !packages.has(proto.package))) {
    const what = `the package is "${file.proto.package}"; it was "${[...packages].join('", "')}"`;
    yield { ...placeOf(file), message: '', what, rule: finding('PACKAGE_NOT_OF_KIND', file, what).rule as RuleId };
  }
}

/** Additions, deletions that are reserved as they should be, and marks. */
function* compatible(older: Language, newer: Language): Iterable<Difference> {
  for (const now of [...newer.messages.values(), ...newer.enums.values()]) {
    const before = now.kind === 'message' ? older.messages.get(now.typeName) : older.enums.get(now.typeName);
    if (before) yield* within(before, now);
    else yield said(now, now, `${now.kind} ${now.name} is new`);
  }
}

function* within(before: DescMessage | DescEnum, now: DescMessage | DescEnum): Iterable<Difference> {
  const [were, are] = [membersOf(before), membersOf(now)];
  for (const member of are.values()) {
    const known = were.get(member.number);
    if (!known) yield said(member, now, `${describe(member)} is new`);
    else yield* marks(known, member, now);
  }
  const [names, numbers] = [reservedNames(now), reservedRanges(now)];
  const deleted = [...were.values()].filter(({ number }) => !are.has(number));
  for (const { name, number } of deleted) {
    if (!names.has(name) || !numbers.has(number)) continue;
    yield said(now, now, `${name} = ${number} is deleted, and both are reserved`);
  }
  // What is deleted is reserved as a matter of course.
  const known = new Set([...reservedNames(before), ...deleted.map(({ name }) => name)]);
  for (const name of names) if (!known.has(name)) yield said(now, now, `the name ${name} is reserved`);
  const used = rangesOf(deleted.map(({ number }) => number));
  for (const range of numbers.without(reservedRanges(before)).without(used)) {
    yield said(now, now, `${inWords(range)} reserved`);
  }
  if (before.deprecated !== now.deprecated) yield said(now, now, deprecation(now));
}

function* marks(before: Member, member: Member, now: DescMessage | DescEnum): Iterable<Difference> {
  if (before.deprecated !== member.deprecated) yield said(member, now, deprecation(member));
  const [was, is] = [isPacked(before), isPacked(member)];
  // Readers take both; of another type it says nothing.
  if (was !== undefined && is !== undefined && was !== is) {
    yield said(member, now, `${member.name} is ${is ? 'packed' : 'not packed any more'}`);
  }
}

const isPacked = (member: Member): boolean | undefined =>
  member.kind === 'field' && member.fieldKind === 'list' ? member.packed : undefined;

type Member = DescField | DescEnum['values'][number];

const membersOf = (type: DescMessage | DescEnum): ReadonlyMap<number, Member> =>
  new Map<number, Member>(
    (type.kind === 'message' ? type.fields : type.values).map((member) => [member.number, member]),
  );

const describe = (member: Member): string =>
  member.kind === 'enum_value'
    ? `value ${member.name} = ${member.number}`
    : `field ${member.name} = ${member.number}, ${typeOf(member)}${member.oneof ? ` in oneof ${member.oneof.name}` : ''},`;

const deprecation = ({ name, deprecated }: { name: string; deprecated: boolean }): string =>
  `${name} is ${deprecated ? '' : 'not '}deprecated${deprecated ? '' : ' any more'}`;

const said = (at: Declared, { typeName }: DescMessage | DescEnum, what: string): Difference => ({
  ...placeOf(at),
  message: typeName,
  what,
  rule: undefined,
});
