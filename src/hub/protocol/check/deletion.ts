import type { DescEnum, DescMessage } from '@bufbuild/protobuf';
import { reservedNames, reservedRanges } from './reserved.ts';
import { finding } from './rules.ts';
import type { Finding } from './violation.ts';

/** A field or an enum value that `now` has no more: allowed, as long as nothing else can take its number or its name. */
export function* checkDeletion(
  now: DescMessage | DescEnum,
  { name, number }: { name: string; number: number },
): Iterable<Finding> {
  const what = `${number} ${name} is deleted`;
  const instead = `write reserved ${number}; and reserved "${name}"; in ${now.name}`;
  const [numberRule, nameRule] =
    now.kind === 'message'
      ? (['FIELD_NUMBER_NOT_RESERVED', 'FIELD_NAME_NOT_RESERVED'] as const)
      : (['ENUM_VALUE_NUMBER_NOT_RESERVED', 'ENUM_VALUE_NAME_NOT_RESERVED'] as const);
  if (!reservedRanges(now).has(number)) {
    yield finding(numberRule, now, `${what}, and the number is not reserved`, { field: name, instead });
  }
  if (!reservedNames(now).has(name)) {
    yield finding(nameRule, now, `${what}, and the name is not reserved`, { field: name, instead });
  }
}
