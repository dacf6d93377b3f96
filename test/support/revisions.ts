import { createHash } from 'node:crypto';
import {
  create,
  createFileRegistry,
  fromBinary,
  fromJson,
  type JsonObject,
  type MessageInitShape,
  toBinary,
  toJson,
} from '@bufbuild/protobuf';
import {
  type DescriptorProto,
  FieldDescriptorProto_Label,
  FieldDescriptorProto_Type,
  type FieldDescriptorProtoSchema,
  type FileDescriptorProtoSchema,
  type FileDescriptorSet,
  FileDescriptorSetSchema,
} from '@bufbuild/protobuf/wkt';
import type { Revision } from '../../src/gen/fleet/v1/fleet.ts';
import { kinds } from '../../src/gen/kinds.ts';

type FileInit = MessageInitShape<typeof FileDescriptorProtoSchema>;
type FieldInit = MessageInitShape<typeof FieldDescriptorProtoSchema>;
type MessageNames = Pick<Revision, 'taskMessage' | 'progressMessage' | 'resultMessage'>;

const { OPTIONAL, REPEATED } = FieldDescriptorProto_Label;

/** Of a call that checks a revision: buf is a process of its own, and others may run beside it. */
export const checkDeadlineMs = 60_000;

export const digestOf = (bytes: Uint8Array): string => `sha256:${createHash('sha256').update(bytes).digest('hex')}`;

/** A revision as a hub offers it. */
export function revisionOf(kind: string, revision: number, set: FileDescriptorSet, names: MessageNames): Revision {
  const fileDescriptorSet = Buffer.from(toBinary(FileDescriptorSetSchema, set));
  const { taskMessage, progressMessage, resultMessage } = names;
  const schema = { kind, revision, digest: digestOf(fileDescriptorSet) };
  return { schema, fileDescriptorSet, taskMessage, progressMessage, resultMessage };
}

const builtIn = (kind: keyof typeof kinds): FileDescriptorSet =>
  fromBinary(FileDescriptorSetSchema, Buffer.from(kinds[kind].fileDescriptorSet, 'base64'));

export const field = (
  name: string,
  number: number,
  type: keyof typeof FieldDescriptorProto_Type,
  more: FieldInit = {},
): FieldInit => ({
  name,
  jsonName: name.replaceAll(/_([a-z])/g, (_, letter: string) => letter.toUpperCase()),
  number,
  type: FieldDescriptorProto_Type[type],
  label: OPTIONAL,
  ...more,
});

export const list = { label: REPEATED };

/** The kind's built-in revision after `edit`, which is given its messages by name. */
export function edited(
  kind: keyof typeof kinds,
  revision: number,
  edit: (message: (name: string) => DescriptorProto, file: FileDescriptorSet['file'][number]) => void,
): Revision {
  const set = builtIn(kind);
  const file = set.file[0]!;
  edit((name) => file.messageType.find((message) => message.name === name)!, file);
  return revisionOf(kind, revision, set, kinds[kind]);
}

/** One more field on the way down, `Item.gift_note`, and the same on the way up in `ItemPicked`. */
export const giftNotes = (revision = 2): Revision =>
  edited('shop', revision, (message) => {
    message('Item').field.push(...fields(field('gift_note', 6, 'STRING')));
    message('ItemPicked').field.push(...fields(field('gift_note', 5, 'STRING')));
    message('ShopTask').field.push(...fields(field('gift_note', 4, 'STRING')));
    message('ShopResult').field.push(...fields(field('notes_read', 3, 'UINT32')));
  });

export const fields = (...given: FieldInit[]) =>
  create(FileDescriptorSetSchema, { file: [{ messageType: [{ field: given }] }] }).file[0]!.messageType[0]!.field;

/** A kind that nothing was generated for: look at shelves, and say what they look like. Another `further` message makes it another revision. */
export const inspect = (revision = 1, further = 'Further'): Revision =>
  revisionOf('inspect', revision, create(FileDescriptorSetSchema, { file: [inspectFile(further)] }), {
    taskMessage: 'kinds.inspect.v1.InspectTask',
    progressMessage: 'kinds.inspect.v1.InspectProgress',
    resultMessage: 'kinds.inspect.v1.InspectResult',
  });

const inspectFile = (further: string): FileInit => ({
  name: 'kinds/inspect/v1/inspect.proto',
  package: 'kinds.inspect.v1',
  syntax: 'proto3',
  messageType: [
    {
      name: 'InspectTask',
      field: [
        field('shelf', 1, 'STRING'),
        field('place', 2, 'MESSAGE', { typeName: '.kinds.inspect.v1.Place' }),
        field('photos', 3, 'UINT32'),
        field('priority', 4, 'ENUM', { typeName: '.kinds.inspect.v1.Priority' }),
        field('serial', 5, 'UINT64'),
      ],
    },
    { name: 'Place', field: [field('x', 1, 'DOUBLE'), field('y', 2, 'DOUBLE')] },
    { name: 'InspectProgress', field: [field('seen', 1, 'STRING'), field('metres', 2, 'DOUBLE')] },
    { name: 'InspectResult', field: [field('is_tidy', 1, 'BOOL'), field('findings', 2, 'STRING', list)] },
    { name: further },
  ],
  enumType: [
    {
      name: 'Priority',
      value: [
        { name: 'PRIORITY_UNSPECIFIED', number: 0 },
        { name: 'PRIORITY_URGENT', number: 1 },
      ],
    },
  ],
});

type Part = keyof MessageNames;

/** Payloads of a set of descriptors by the names of their fields. */
export function payloadsOf(fileDescriptorSet: Uint8Array) {
  const registry = createFileRegistry(fromBinary(FileDescriptorSetSchema, fileDescriptorSet));
  return {
    write: (message: string, json: JsonObject): Buffer => {
      const type = registry.getMessage(message)!;
      return Buffer.from(toBinary(type, fromJson(type, json)));
    },
    read: (message: string, bytes: Uint8Array): JsonObject => {
      const type = registry.getMessage(message)!;
      return toJson(type, fromBinary(type, bytes)) as JsonObject;
    },
  };
}

/** A payload as somebody writes it who was built with the revision. */
export const written = (revision: Revision, part: Part, json: JsonObject): Buffer =>
  payloadsOf(revision.fileDescriptorSet).write(revision[part], json);

export const read = (revision: Revision, part: Part, bytes: Uint8Array): JsonObject =>
  payloadsOf(revision.fileDescriptorSet).read(revision[part], bytes);
