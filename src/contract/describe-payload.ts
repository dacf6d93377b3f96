import {
  createFileRegistry,
  type DescMessage,
  fromBinary,
  type JsonObject,
  type JsonValue,
  type Message,
  toJson,
} from '@bufbuild/protobuf';
import { type ReflectMessage, reflect } from '@bufbuild/protobuf/reflect';
import { BinaryReader, WireType } from '@bufbuild/protobuf/wire';
import { FileDescriptorSetSchema } from '@bufbuild/protobuf/wkt';
import { invalid } from './errors.ts';
import type { MessageName } from './events.ts';

type UnknownField = NonNullable<Message['$unknown']>[number];

/** Text that a person can read; bytes are shown as such otherwise. */
const readable = /^[\P{C}\n\t]*$/u;

/** Which of a kind's messages the original in an event is; undefined for events that carry none. */
export function originalPart(name: MessageName): 'progress' | 'result' | undefined {
  if (name === 'bots.task_succeeded') return 'result';
  return originalNames.has(name) ? 'progress' : undefined;
}

const originalNames: ReadonlySet<MessageName> = new Set([
  'bots.task_progressed',
  'bots.stop_reached',
  'bots.item_picked',
  'bots.item_short',
  'bots.item_returned',
]);

/** Turns payloads into named fields, by the revision that they were written in. */
export interface PayloadReader {
  /**
   * The payload in the protobuf JSON mapping, fields that have no presence of their own with their default. What the revision has no name for
   * stands under its number: an integer as text, text where it can be read as such, else `0x` and hexadecimal digits; a list when it is there more than once.
   * @throws MallError INVALID_ARGUMENT when the set has no such message, or the payload is none
   */
  read(message: string, payload: Uint8Array): JsonObject;
}

/**
 * Build it once for a digest: that costs a hundred times as much as to read a payload.
 * @throws MallError INVALID_ARGUMENT when the bytes are no FileDescriptorSet with all its imports
 */
export function payloadReader(fileDescriptorSet: Uint8Array): PayloadReader {
  const registry = attempt(
    'file_descriptor_set',
    fileDescriptorSet,
    'give the set of the digest that the payload names',
    () => createFileRegistry(fromBinary(FileDescriptorSetSchema, fileDescriptorSet)),
  );
  return {
    read(name, payload) {
      const message = registry.getMessage(name);
      if (!message) throw invalid('message', name, 'MESSAGE_UNKNOWN', 'name a message of the descriptor set');
      return attempt('payload', payload, `give a ${name}`, () => {
        const decoded = fromBinary(message, payload);
        const json = toJson(message, decoded, { registry, alwaysEmitImplicit: true });
        return withUnknown(json, reflect(message, decoded)) as JsonObject;
      });
    },
  };
}

function attempt<T>(field: string, bytes: Uint8Array, remedy: string, work: () => T): T {
  try {
    return work();
  } catch (cause) {
    throw invalid(field, `${bytes.length} bytes (${(cause as Error).message})`, 'UNDECODABLE', remedy);
  }
}

/** `json`, which is `message` in the JSON mapping, with its unknown fields and those of the messages in it. */
function withUnknown(json: JsonValue, message: ReflectMessage): JsonValue {
  // Messages that JSON has a form of its own for, such as times.
  if (typeof json !== 'object' || json === null || Array.isArray(json) || isWellKnown(message.desc)) return json;
  const named: JsonObject = { ...json };
  for (const field of message.fields) {
    const value = named[field.jsonName];
    if (value === undefined || !field.message || !message.isSet(field)) continue;
    if (field.fieldKind === 'message') named[field.jsonName] = withUnknown(value, message.get(field));
    if (field.fieldKind === 'list' && Array.isArray(value)) {
      const entries = [...message.get(field)] as ReflectMessage[];
      named[field.jsonName] = value.map((entry, index) => withUnknown(entry, entries[index]!));
    }
    if (field.fieldKind === 'map' && typeof value === 'object') {
      const entries = message.get(field);
      named[field.jsonName] = Object.fromEntries(
        [...entries].map(([key, entry]) => [
          key,
          withUnknown((value as JsonObject)[String(key)]!, entry as ReflectMessage),
        ]),
      );
    }
  }
  return { ...named, ...numbered(message.message.$unknown ?? []) };
}

const isWellKnown = ({ typeName }: DescMessage): boolean => typeName.startsWith('google.protobuf.');

function numbered(unknown: readonly UnknownField[]): JsonObject {
  const found: JsonObject = {};
  for (const [number, same] of Map.groupBy(unknown, ({ no }) => no)) {
    const values = same.map(shown);
    found[number] = values.length === 1 ? values[0]! : values;
  }
  return found;
}

function shown({ wireType, data }: UnknownField): string {
  const reader = new BinaryReader(data);
  switch (wireType) {
    case WireType.Varint:
      return String(reader.uint64());
    case WireType.Bit32:
      return String(reader.fixed32());
    case WireType.Bit64:
      return String(reader.fixed64());
    case WireType.LengthDelimited:
      return textOf(reader.bytes());
    default:
      return hexadecimal(data);
  }
}

function textOf(bytes: Uint8Array): string {
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    return readable.test(text) ? text : hexadecimal(bytes);
  } catch {
    return hexadecimal(bytes);
  }
}

const hexadecimal = (bytes: Uint8Array): string => `0x${Buffer.from(bytes).toString('hex')}`;
