import type { DescEnum } from '@bufbuild/protobuf';
import { checkDeletion } from './deletion.ts';
import { finding } from './rules.ts';
import type { Finding } from './violation.ts';

/** The values of one enum in two revisions. A value is its number in bytes and its name in JSON; no number has two names (ENUM_ALIAS). */
export function* compareEnums(before: DescEnum, now: DescEnum): Iterable<Finding> {
  const byName = new Map(now.values.map((value) => [value.name, value]));
  const byNumber = new Map(now.values.map((value) => [value.number, value]));
  for (const value of before.values) {
    const { name, number } = value;
    const namesake = byName.get(name);
    const successor = byNumber.get(number);
    if (namesake?.number === number) continue;
    if (namesake) {
      yield finding('ENUM_VALUE_RENUMBERED', namesake, `${name} is ${namesake.number}; it was ${number}`);
    } else if (successor) {
      yield finding('ENUM_VALUE_RENAMED', successor, `${number} is ${successor.name}; it was ${name}`);
    } else yield* checkDeletion(now, value);
  }
}
