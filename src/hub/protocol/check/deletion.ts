import type { DescEnum, DescEnumValue, DescField, DescMessage } from '@bufbuild/protobuf';
import { protoCamelCase } from '@bufbuild/protobuf/reflect';
import { typeOf } from './field-type.ts';
import { reservedNames, reservedRanges } from './reserved.ts';
import { finding } from './rules.ts';
import type { Finding } from './violation.ts';

/**
 * A field or an enum value that `now` has no more: allowed, as long as nothing else can take its number or its name. Who has not deleted it has not
 * seen it: another publisher was faster.
 */
export function* checkDeletion(now: DescMessage | DescEnum, before: DescField | DescEnumValue): Iterable<Finding> {
  const { name, number } = before;
  const what = `${number} ${name} is deleted`;
  const instead = `if somebody else has added it, take it over, ${declared(before)}; if it is to go, write reserved ${number}; and reserved "${name}"; in ${now.name}`;
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

/** As it is written in a file of its package. */
const declared = (before: DescField | DescEnumValue): string => {
  const { name, number } = before;
  if (before.kind === 'enum_value') return `${name} = ${number}`;
  const type = typeOf(before).replaceAll(`${before.parent.file.proto.package}.`, '');
  const label = before.proto.proto3Optional ? 'optional ' : '';
  const place = before.oneof ? ` in oneof ${before.oneof.name}` : '';
  const { jsonName } = before;
  const option = jsonName === protoCamelCase(name) ? '' : ` [json_name = ${JSON.stringify(jsonName)}]`;
  return `${label}${type} ${name} = ${number}${option}${place}`;
};
