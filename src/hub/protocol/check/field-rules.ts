import type { DescField, DescMessage } from '@bufbuild/protobuf';
import { protoCamelCase } from '@bufbuild/protobuf/reflect';
import { checkDeletion } from './deletion.ts';
import type { FreeNumber } from './field-number.ts';
import { cardinalityOf, type Element, elementOf, isWider, typeOf } from './field-type.ts';
import { reservedNames } from './reserved.ts';
import { finding, type RuleId } from './rules.ts';
import type { Finding } from './violation.ts';

/** The fields of one message in two revisions. A field is its number: that is all that bytes have. */
export function* compareFields(before: DescMessage, now: DescMessage, free: FreeNumber): Iterable<Finding> {
  const byNumber = new Map(now.fields.map((field) => [field.number, field]));
  const byName = new Map(now.fields.map((field) => [field.name, field]));
  for (const field of before.fields) {
    const same = byNumber.get(field.number);
    const namesake = byName.get(field.name);
    if (same)
      for (const [rule, what] of changes(field, same)) {
        const instead = rule === 'FIELD_RENAMED' ? otherNumber(field, same, free(now.typeName)) : undefined;
        yield finding(rule, same, what, { instead });
      }
    else if (namesake)
      yield finding('FIELD_RENUMBERED', namesake, `${field.name} is field ${namesake.number}; it was ${field.number}`);
    else yield* checkDeletion(now, field);
  }
  yield* jsonNamesReused(before, now);
}

const fieldRules: ReadonlyArray<(before: DescField, now: DescField) => readonly [RuleId, string] | undefined> = [
  (before, now) =>
    before.name === now.name
      ? undefined
      : ['FIELD_RENAMED', `field ${now.number} is ${now.name}; it was ${before.name}`],
  (before, now) => {
    const [was, is] = [cardinalityOf(before), cardinalityOf(now)];
    return was === is ? undefined : ['FIELD_CARDINALITY_CHANGED', `${now.name} is ${is}; it was ${was}`];
  },
  (before, now) => {
    // Of another cardinality, a map of a list is another element as a matter of course.
    if (cardinalityOf(before) !== cardinalityOf(now)) return;
    const rule = typeRule(elementOf(before), elementOf(now));
    return rule && [rule, `${now.name} is ${typeOf(now)}; it was ${typeOf(before)}`];
  },
  (before, now) => {
    const [was, is] = [before.oneof?.name, now.oneof?.name];
    return was === is ? undefined : ['FIELD_ONEOF_CHANGED', `${now.name} is in ${place(is)}; it was in ${place(was)}`];
  },
  (before, now) => {
    // Another type, or a place in a oneof, is another presence as a matter of course: the label alone is meant here.
    if (before.oneof || now.oneof || before.presence === now.presence) return;
    if (before.proto.proto3Optional === now.proto.proto3Optional) return;
    const label = ({ proto }: DescField) => (proto.proto3Optional ? 'optional' : 'without a label');
    return ['FIELD_PRESENCE_CHANGED', `${now.name} is ${label(now)}; it was ${label(before)}`];
  },
  (before, now) => {
    // A renamed field has the JSON name of its new name as a matter of course.
    if (before.name !== now.name || before.jsonName === now.jsonName) return;
    return ['FIELD_JSON_NAME_CHANGED', `${now.name} is "${now.jsonName}" in JSON; it was "${before.jsonName}"`];
  },
];

/** Two that add a field at the same time take the same number: the second gives way. */
function otherNumber(before: DescField, now: DescField, free: number | undefined): string {
  const such = free === undefined ? '' : `, such as ${free}`;
  return `give field ${now.number} the name ${before.name} back; what ${now.name} says takes another number${such}`;
}

const place = (oneof: string | undefined): string => (oneof === undefined ? 'no oneof' : `oneof ${oneof}`);

const changes = (before: DescField, now: DescField) =>
  fieldRules.map((rule) => rule(before, now)).filter((change) => change !== undefined);

function typeRule(before: Element, now: Element): RuleId | undefined {
  if (before.key !== now.key) return 'FIELD_TYPE_CHANGED';
  if (before.name === now.name) return;
  if (before.kind === 'message' && now.kind === 'message') return 'FIELD_MESSAGE_CHANGED';
  if (before.kind === 'enum' && now.kind === 'enum') return 'FIELD_ENUM_CHANGED';
  return isWider(before, now) ? 'FIELD_TYPE_WIDENED' : 'FIELD_TYPE_CHANGED';
}

/** What stands for a field in JSON, and once stood for another: reserving a name does not cover the names that JSON makes of it. */
function* jsonNamesReused(before: DescMessage, now: DescMessage): Iterable<Finding> {
  const taken = new Map(before.fields.flatMap((field) => keysOf(field).map((key) => [key, field] as const)));
  const reservedAsTheyStand = reservedNames(before);
  const reserved = new Set([...reservedAsTheyStand].map(protoCamelCase));
  const known = new Set(before.fields.map(({ number }) => number));
  const added = now.fields.filter(({ number }) => !known.has(number));
  for (const field of added) {
    // By its own name it is RESERVED_REUSED.
    if (reservedAsTheyStand.has(field.name)) continue;
    for (const key of keysOf(field)) {
      const other = taken.get(key);
      const isAnother = other ? other.name !== field.name : reserved.has(key);
      if (!isAnother) continue;
      const was = other ? `field ${other.number} ${other.name}` : 'that of a reserved name';
      yield finding('FIELD_JSON_NAME_REUSED', field, `"${key}" in JSON was ${was}`);
    }
  }
}

const keysOf = ({ name, jsonName }: DescField): string[] => [...new Set([name, jsonName])];
