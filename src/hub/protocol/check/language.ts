import {
  clone,
  createFileRegistry,
  type DescEnum,
  type DescFile,
  type DescMessage,
  type FileRegistry,
  fromBinary,
  toBinary,
} from '@bufbuild/protobuf';
import { type DescriptorProto, type FileDescriptorSet, FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt';
import { invalid } from '../../../contract/errors.ts';
import { bounds } from './bounds.ts';
import type { Revision } from './revision.ts';

/** A revision, read: what its own files declare, by full name. */
export interface Language {
  readonly label: string;
  readonly registry: FileRegistry;
  readonly files: readonly DescFile[];
  /** What it imports of google.protobuf. */
  readonly imported: readonly DescFile[];
  readonly messages: ReadonlyMap<string, DescMessage>;
  readonly enums: ReadonlyMap<string, DescEnum>;
  /** Bytes without comments and positions: what a bot is sent. */
  readonly wireBytes: number;
}

const isWellKnown = ({ proto }: DescFile): boolean => proto.name.startsWith('google/protobuf/');

/** @throws MallError INVALID_ARGUMENT when the bytes are no set of descriptors that fit together */
export function readLanguage({ label, fileDescriptorSet }: Revision): Language {
  const unreadable = (why: string) =>
    invalid('file_descriptor_set', label, 'DESCRIPTORS_UNREADABLE', `${why}; give what "buf build" makes of the files`);
  // Before anything is built of it: a set that is too large has to cost nothing.
  if (fileDescriptorSet.byteLength > bounds.sourceBytes) {
    throw unreadable(`it has ${fileDescriptorSet.byteLength} bytes, and may have ${bounds.sourceBytes}`);
  }
  let set: FileDescriptorSet;
  let registry: FileRegistry;
  try {
    set = fromBinary(FileDescriptorSetSchema, fileDescriptorSet);
    const chars = sum(
      set.file,
      (file) => charsWithin(file, file.package.length, file.messageType) + charsOf(file.service, file.package.length),
    );
    if (chars > bounds.fullNamesChars)
      throw new Error(`the full names of its types have ${chars} characters, and may have ${bounds.fullNamesChars}`);
    registry = createFileRegistry(set);
  } catch (error) {
    throw unreadable((error as Error).message || 'its types do not fit together');
  }
  const all = [...registry.files];
  if (all.length !== set.file.length) throw unreadable('it has a file twice');
  const files = all.filter((file) => !isWellKnown(file));
  if (files.length === 0) throw unreadable('it has no file');
  const messages = files.flatMap((file) => file.messages.flatMap(withNested));
  const enums = [...files.flatMap((file) => file.enums), ...messages.flatMap(({ nestedEnums }) => nestedEnums)];
  return {
    label,
    registry,
    files,
    imported: all.filter(isWellKnown),
    messages: new Map(messages.map((message) => [message.typeName, message])),
    enums: new Map(enums.map((type) => [type.typeName, type])),
    wireBytes: sizeOnTheWire(set),
  };
}

const sum = <T>(of: readonly T[], count: (one: T) => number): number => of.reduce((all, one) => all + count(one), 0);

const charsOf = (declared: ReadonlyArray<{ readonly name: string }>, scope: number): number =>
  sum(declared, ({ name }) => scope + 1 + name.length);

/**
 * Of the full names of what is declared within a package or a message whose own has `scope` characters. Every type has those of its package and its
 * parents, so that some bytes in 240 kB could be gigabytes.
 */
const charsWithin = (
  { enumType, extension }: Pick<DescriptorProto, 'enumType' | 'extension'>,
  scope: number,
  messages: readonly DescriptorProto[],
): number =>
  charsOf([...messages, ...enumType, ...extension], scope) +
  sum(messages, (message) => charsWithin(message, scope + 1 + message.name.length, message.nestedType));

const withNested = (message: DescMessage): DescMessage[] => [message, ...message.nestedMessages.flatMap(withNested)];

function sizeOnTheWire(set: FileDescriptorSet): number {
  const bare = clone(FileDescriptorSetSchema, set);
  for (const file of bare.file) file.sourceCodeInfo = undefined;
  return toBinary(FileDescriptorSetSchema, bare).byteLength;
}
