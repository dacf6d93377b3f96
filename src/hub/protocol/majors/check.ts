import { isDeepStrictEqual } from 'node:util';
import { type DescMessage, equals, fromBinary, type JsonObject, toJson } from '@bufbuild/protobuf';
import { type ReflectMessage, reflect } from '@bufbuild/protobuf/reflect';
import { samplesOf } from '../check/gate.ts';
import type { Language } from '../check/language.ts';
import { rootsOf } from '../check/revision.ts';
import { finding } from '../check/rules.ts';
import type { Finding } from '../check/violation.ts';
import { readCorpus } from '../corpus/corpus.ts';
import { Untranslatable } from './convert.ts';
import type { FieldRule, Translation } from './document.ts';
import { localName, resolve } from './links.ts';
import { type Part, parts } from './parts.ts';
import { type Flaw, type Plan, Planner } from './planner.ts';

/** The unretired revisions of two majors, newest last; the candidate is the newest of its own. */
export interface Majors {
  readonly older: readonly [...Language[], Language];
  readonly newer: readonly [...Language[], Language];
  /** Which of them the candidate is of. */
  readonly candidate: 'older' | 'newer';
}

/**
 * Whether the rules say of everything in either major what becomes of it in the other, and whether payloads come back: recorded ones, and samples with
 * every field of either side. Of each major the newest revision is looked at: later ones only add to earlier ones. Pure;
 * finds one after the other, so that whoever asks can do something else in between.
 */
export function* checkTranslation(rules: Translation, majors: Majors): Generator<readonly Finding[]> {
  const [older, newer] = [majors.older.at(-1)!, majors.newer.at(-1)!];
  const flaws: Flaw[] = [];
  const pairs = new Map<Part, { newer: DescMessage; older: DescMessage }>();
  const onFlaw = (flaw: Flaw) => flaws.push(flaw);
  const planners = { up: new Planner(rules, 'up', onFlaw), down: new Planner(rules, 'down', onFlaw) };
  for (const part of parts) {
    const [before, now] = [rootOf(older, rules.older, part), rootOf(newer, rules.newer, part)];
    if (!before || !now) continue;
    planners.up.plan(before, now);
    planners.down.plan(now, before);
    pairs.set(part, { newer: now, older: before });
  }
  const found = [...unknownRules(rules, majors, planners.up), ...flaws.map((flaw) => readFlaw(flaw, majors.candidate))];
  yield unique(found);
  // A payload that does not survive what is refused anyway says nothing new.
  if (found.length > 0) return;
  for (const [part, pair] of pairs) {
    const up = planners.up.plan(pair.older, pair.newer);
    const down = planners.down.plan(pair.newer, pair.older);
    const at = pair[majors.candidate];
    yield lossOf({ kind: rules.older, message: pair.older, there: up, back: down }, part, at);
    yield lossOf({ kind: rules.newer, message: pair.newer, there: down, back: up }, part, at);
  }
}

const rootOf = ({ registry }: Language, kind: string, part: Part): DescMessage | undefined =>
  registry.getMessage(rootsOf(kind)[part]);

interface Trip {
  readonly kind: string;
  readonly message: DescMessage;
  readonly there: Plan;
  readonly back: Plan;
}

/** The first payload that does not come back, but for what the rules give up; empty where all do. */
function lossOf({ kind, message, there, back }: Trip, part: Part, at: DescMessage): readonly Finding[] {
  const recorded = readCorpus(kind).filter((entry) => entry.part === part);
  for (const [payload, isReal] of [
    ...recorded.map((entry) => [entry.payload, true] as const),
    ...samplesOf(message).map((sample) => [sample, false] as const),
  ]) {
    const before = reflect(message, fromBinary(message, payload, { readUnknownFields: false }));
    const what = isReal ? `a recorded ${part}` : `a ${part}`;
    try {
      const after = back.run(there.run(before));
      there.strip(before);
      there.strip(after);
      if (equals(message, before.message, after.message)) continue;
      const names = differing(before, after).join(', ') || 'a value';
      const lost = `${what} of ${kind} does not come back as it was: ${names} of ${message.typeName}`;
      return [finding('TRANSLATION_LOSES', at, lost)];
    } catch (error) {
      if (!(error instanceof Untranslatable)) throw error;
      // Said to be possible; but what was recorded has happened.
      if (isReal)
        return [finding('TRANSLATION_FAILS', at, `${what} of ${kind} cannot be translated: ${error.message}`)];
    }
  }
  return [];
}

/** Names, as JSON has them, of what is not the same in both. */
function differing(a: ReflectMessage, b: ReflectMessage): string[] {
  const [one, other] = [a, b].map(({ desc, message }) => toJson(desc, message) as JsonObject) as [
    JsonObject,
    JsonObject,
  ];
  const names = new Set([...Object.keys(one), ...Object.keys(other)]);
  return [...names].filter((name) => !isDeepStrictEqual(one[name], other[name]));
}

/** Rules about what no revision has: slips of the pen, which would say nothing for ever. */
function unknownRules({ fields, values }: Translation, majors: Majors, planner: Planner): Finding[] {
  const at = majors[majors.candidate].at(-1)!.files[0]!;
  const olderNames = planner.pairs;
  const has = (rule: FieldRule, side: 'newer' | 'older') => {
    const path = rule[side];
    if (path === undefined) return true;
    const types =
      side === 'newer' ? messagesNamed(majors.newer, rule.in) : pairedWith(olderNames, rule.in, majors.older);
    return types.some((message) => resolve(message, path) !== undefined);
  };
  const sides = ['newer', 'older'] as const;
  const ofFields = fields.flatMap((rule, index) =>
    sides
      .filter((side) => !has(rule, side))
      .map((side) =>
        finding(
          'TRANSLATION_UNKNOWN',
          at,
          `fields[${index}]: no ${side} message that stands for ${rule.in} has a field ${rule[side]}`,
        ),
      ),
  );
  const ofValues = values.flatMap((rule, index) =>
    majors.newer.some(({ enums }) =>
      [...enums.values()].some(
        (type) => localName(type) === rule.in && type.values.some(({ name }) => name === rule.newer),
      ),
    )
      ? []
      : [finding('TRANSLATION_UNKNOWN', at, `values[${index}]: no newer enum ${rule.in} has a value ${rule.newer}`)],
  );
  return [...ofFields, ...ofValues];
}

const messagesNamed = (languages: readonly Language[], name: string): DescMessage[] =>
  languages.flatMap(({ messages }) => [...messages.values()].filter((message) => localName(message) === name));

const pairedWith = (
  pairs: ReadonlyArray<{ newer: DescMessage; older: DescMessage }>,
  name: string,
  languages: readonly Language[],
): DescMessage[] =>
  pairs
    .filter(({ newer }) => localName(newer) === name)
    .flatMap(({ older }) => languages.flatMap(({ messages }) => messages.get(older.typeName) ?? []));

function readFlaw(flaw: Flaw, candidate: 'older' | 'newer'): Finding {
  const at = flaw[candidate];
  const within = localName(flaw.newer);
  if (flaw.type === 'unlinked') {
    const { side, path, field } = flaw;
    const what = `${field.parent.typeName}.${field.name} has no counterpart in the ${side === 'newer' ? 'older' : 'newer'} major`;
    const other = side === 'newer' ? 'older' : 'newer';
    const instead = `say which field it is, or that the other side has none: {"in": "${within}", "${side}": "${path}", "${other}": "…"}, or a "default" in the place of "${other}"`;
    return finding('TRANSLATION_INCOMPLETE', at, what, { field: field.name, instead });
  }
  const { link, why, type } = flaw;
  const rule = { types: 'TRANSLATION_TYPES', partial: 'TRANSLATION_PARTIAL', default: 'TRANSLATION_DEFAULT' } as const;
  const field = (link[candidate] ?? link.newer ?? link.older)?.map(({ name }) => name).join('.') ?? '';
  return finding(rule[type], at, `${within}: ${why}`, { field });
}

const unique = (found: readonly Finding[]): Finding[] => [
  ...new Map(found.map((each) => [`${each.rule} ${each.message} ${each.field} ${each.what}`, each])).values(),
];
