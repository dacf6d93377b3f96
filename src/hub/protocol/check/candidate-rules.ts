import type { DescEnum, DescEnumValue, DescField, DescMessage } from '@bufbuild/protobuf';
import { Edition } from '@bufbuild/protobuf/wkt';
import { bounds } from './bounds.ts';
import { isFieldNumber } from './field-number.ts';
import type { Language } from './language.ts';
import { reservedNames, reservedRanges } from './reserved.ts';
import type { Roots } from './revision.ts';
import { finding } from './rules.ts';
import type { Finding } from './violation.ts';

/** What is wrong with a revision whatever it stands beside; of one that is too large only that, since all else would take its time. Pure. */
export function checkByItself(candidate: Language, roots: Roots): Finding[] {
  const tooLarge = [...checkSize(candidate)];
  if (tooLarge.length > 0) return tooLarge;
  return [
    ...checkFiles(candidate, roots),
    ...checkRoots(candidate, roots),
    ...[...candidate.messages.values()].flatMap((message) => [...checkMessage(message), ...checkNames(message)]),
    ...[...candidate.enums.values()].flatMap((type) => [...checkEnum(type), ...checkNames(type)]),
  ];
}

/** Of google.protobuf, what generated code of every language knows and what keeps all that it is given. */
const wellKnownFiles = new Set(
  ['timestamp', 'duration', 'field_mask', 'empty', 'wrappers'].map((name) => `google/protobuf/${name}.proto`),
);

function* checkFiles({ files, imported }: Language, roots: Roots): Iterable<Finding> {
  for (const file of files) {
    if (file.edition !== Edition.EDITION_PROTO3)
      yield finding('NOT_PROTO3', file, 'the syntax is not proto3', { statement: 'syntax' });
    if (file.proto.package !== roots.package) {
      yield finding(
        'PACKAGE_NOT_OF_KIND',
        file,
        `the package is "${file.proto.package}", and the kind's is "${roots.package}"`,
      );
    }
    for (const service of file.services)
      yield finding('SERVICE_DEFINED', service, `service ${service.name} is declared`);
    for (const extension of file.extensions) {
      yield finding('EXTENSION_DEFINED', extension, `extension ${extension.name} is declared`);
    }
    if (hasCustom(file)) yield finding('CUSTOM_OPTION', file, 'the file has an option that is not of protobuf itself');
    for (const { proto } of file.dependencies) {
      if (!imported.some((known) => known.proto === proto) || wellKnownFiles.has(proto.name)) continue;
      yield finding('WELL_KNOWN_TYPE', file, `${proto.name} is imported`, { statement: { imported: proto.name } });
    }
  }
}

function* checkRoots(
  { messages, files }: Language,
  { package: scope, task, progress, result }: Roots,
): Iterable<Finding> {
  const home = files.find(({ proto }) => proto.package === scope);
  // That the package is another one is said already.
  if (!home) return;
  for (const name of [task, progress, result]) {
    if (!messages.has(name))
      yield finding('ROOT_MISSING', home, `there is no message ${name}`, {
        instead: `declare message ${name.slice(scope.length + 1)} at the top of a file of package ${scope}`,
      });
  }
}

function* checkSize({ files, messages, enums, wireBytes }: Language): Iterable<Finding> {
  const first = files[0]!;
  const types = messages.size + enums.size;
  if (wireBytes > bounds.wireBytes)
    yield finding('TOO_LARGE', first, `it has ${wireBytes} bytes; ${bounds.wireBytes} may be`);
  if (files.length > bounds.files)
    yield finding('TOO_LARGE', first, `it has ${files.length} files; ${bounds.files} may be`);
  if (types > bounds.types)
    yield finding('TOO_LARGE', first, `it has ${types} messages and enums; ${bounds.types} may be`);
  for (const message of messages.values()) {
    yield* checkMembers(message, message.fields, 'fields');
    const depth = depthOf(message);
    if (depth <= bounds.nesting) continue;
    yield finding('TOO_LARGE', message, `${message.name} is declared ${depth} messages deep; ${bounds.nesting} may be`);
  }
  for (const type of enums.values()) yield* checkMembers(type, type.values, 'values');
}

function* checkMembers(
  type: DescMessage | DescEnum,
  members: ReadonlyArray<DescField | DescEnumValue>,
  are: string,
): Iterable<Finding> {
  if (members.length > bounds.members) {
    yield finding('TOO_LARGE', type, `${type.name} has ${members.length} ${are}; ${bounds.members} may be`);
  }
  for (const member of members) {
    const { length } = member.name;
    if (length <= bounds.nameChars) continue;
    yield finding('TOO_LARGE', member, `the name has ${length} characters; ${bounds.nameChars} may be`);
  }
}

function* checkMessage(message: DescMessage): Iterable<Finding> {
  const { fields, oneofs, nestedExtensions } = message;
  if (hasCustom(message))
    yield finding('CUSTOM_OPTION', message, `${message.name} has an option that is not of protobuf itself`);
  for (const member of [...fields, ...oneofs]) {
    if (hasCustom(member))
      yield finding('CUSTOM_OPTION', member, `${member.name} has an option that is not of protobuf itself`);
  }
  for (const extension of nestedExtensions)
    yield finding('EXTENSION_DEFINED', extension, `extension ${extension.name} is declared`);
  for (const field of fields) {
    if (!isFieldNumber(field.number))
      yield finding('NUMBER_INVALID', field, `${field.name} has number ${field.number}`);
  }
  // The compiler takes two fields whose JSON names differ only in what JSON keeps of them for a warning, or for nothing.
  const keys = new Map<string, string>();
  for (const field of fields) {
    for (const key of new Set([field.name, field.jsonName])) {
      const other = keys.get(key);
      if (other !== undefined) yield finding('DECLARED_TWICE', field, `"${key}" is ${other} and ${field.name} in JSON`);
      keys.set(key, field.name);
    }
  }
}

function* checkEnum(type: DescEnum): Iterable<Finding> {
  if (hasCustom(type))
    yield finding('CUSTOM_OPTION', type, `${type.name} has an option that is not of protobuf itself`);
  const names = new Map<number, string>();
  for (const value of type.values) {
    if (hasCustom(value))
      yield finding('CUSTOM_OPTION', value, `${value.name} has an option that is not of protobuf itself`);
    const other = names.get(value.number);
    if (other !== undefined) yield finding('ENUM_ALIAS', value, `${value.name} and ${other} are both ${value.number}`);
    names.set(value.number, value.name);
  }
}

/** What a compiler refuses, and a set of descriptors from elsewhere may have. */
function* checkNames(type: DescMessage | DescEnum): Iterable<Finding> {
  const members = type.kind === 'message' ? type.fields : type.values;
  const seen = new Set<string>();
  const numbers = new Set<number>();
  const names = reservedNames(type);
  for (const member of members) {
    if (seen.has(member.name) || (type.kind === 'message' && numbers.has(member.number))) {
      yield finding('DECLARED_TWICE', member, `${member.name} = ${member.number} repeats a name or a number`);
    }
    seen.add(member.name);
    numbers.add(member.number);
    if (names.has(member.name) || reservedRanges(type).has(member.number)) {
      yield finding(
        'RESERVED_REUSED',
        member,
        `${member.name} = ${member.number} is reserved in the same ${type.kind}`,
      );
    }
  }
}

const depthOf = ({ parent }: DescMessage): number => (parent ? 1 + depthOf(parent) : 1);

/** The options that protobuf itself has are read; what is left over is an extension of them. */
const hasCustom = ({
  proto,
}: {
  readonly proto: { readonly options?: { readonly $unknown?: readonly unknown[] } };
}): boolean => (proto.options?.$unknown?.length ?? 0) > 0;
