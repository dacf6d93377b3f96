import type { DescEnum, DescMessage } from '@bufbuild/protobuf';
import { compareEnums } from './enum-rules.ts';
import { type FreeNumber, freeNumbers } from './field-number.ts';
import { compareFields } from './field-rules.ts';
import type { Language } from './language.ts';
import { inWords, rangesOf, reservedNames, reservedRanges } from './reserved.ts';
import { finding } from './rules.ts';
import type { Finding } from './violation.ts';

/**
 * What keeps `candidate` from standing beside `older`: every type that the older one has, looked at for readers of both sides. Types that only the
 * candidate has are nobody's business yet. Pure.
 * @param free where there are other revisions, what all of them have free
 */
export function checkBetween(
  older: Language,
  candidate: Language,
  free: FreeNumber = freeNumbers([older, candidate]),
): Finding[] {
  const packages = new Set(older.files.map(({ proto }) => proto.package));
  // Without a file of the package everything is missing, which is one finding and not hundreds (PACKAGE_NOT_OF_KIND).
  if (!candidate.files.some(({ proto }) => packages.has(proto.package))) return [];
  return [
    ...[...older.messages.values()].flatMap((before) => {
      const now = candidate.messages.get(before.typeName);
      return now
        ? [...compareReserved(before, now), ...compareFields(before, now, free)]
        : [removed(before, candidate)];
    }),
    ...[...older.enums.values()].flatMap((before) => {
      const now = candidate.enums.get(before.typeName);
      return now ? [...compareReserved(before, now), ...compareEnums(before, now)] : [removed(before, candidate)];
    }),
  ];
}

function removed(before: DescMessage | DescEnum, { files, messages, enums }: Language): Finding {
  const types = [...(before.kind === 'message' ? messages : enums).values()];
  const moved = types.find(({ name }) => name === before.name);
  const place = files.find(({ proto }) => proto.name === before.file.proto.name) ?? files[0]!;
  const rule = before.kind === 'message' ? 'MESSAGE_REMOVED' : 'ENUM_REMOVED';
  const what = `${before.kind} ${before.typeName} is not there${moved ? `; ${moved.typeName} is another name` : ''}`;
  return { ...finding(rule, moved ?? place, what), message: before.typeName };
}

/** What was reserved stays so, and stays unused. */
function* compareReserved(before: DescMessage | DescEnum, now: DescMessage | DescEnum): Iterable<Finding> {
  const members = now.kind === 'message' ? now.fields : now.values;
  const byName = new Map(members.map((member) => [member.name, member] as const));
  const names = reservedNames(now);
  for (const name of reservedNames(before)) {
    const user = byName.get(name);
    if (user) yield finding('RESERVED_REUSED', user, `the name ${name} was reserved`);
    else if (!names.has(name))
      yield finding('RESERVED_DROPPED', now, `the name ${name} is not reserved any more`, { field: name });
  }
  const lost = reservedRanges(before).without(reservedRanges(now));
  const users = members.filter(({ number }) => lost.has(number));
  for (const user of users) yield finding('RESERVED_REUSED', user, `the number ${user.number} was reserved`);
  for (const range of lost.without(rangesOf(users.map(({ number }) => number)))) {
    yield finding('RESERVED_DROPPED', now, `${inWords(range)} not reserved any more`);
  }
}
