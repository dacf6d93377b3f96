import {
  type DescMessage,
  fromBinary,
  fromJson,
  type JsonObject,
  type JsonValue,
  mergeFromJson,
  toBinary,
  toJson,
} from '@bufbuild/protobuf';
import type { Schema } from './schema.ts';

/** `bytes` by the names of its descriptor, in the protobuf JSON mapping; fields that have no presence of their own are there with their default. */
export const readJson = ({ registry }: Schema, message: DescMessage, bytes: Uint8Array): JsonObject =>
  toJson(message, fromBinary(message, bytes), { registry, alwaysEmitImplicit: true }) as JsonObject;

/**
 * The reverse. `what` is what the message is to its task, for people.
 * @throws TypeError naming the field and the value that it cannot have
 */
export const writeJson = (schema: Schema, what: 'progress' | 'result', json: JsonObject): Uint8Array =>
  checked(schema, what, (message) => toBinary(message, fromJson(message, json, { registry: schema.registry })));

/**
 * The message in `bytes` with the fields of `more`; those that this revision does not have are left out. What is in a message that both have is put
 * together, a list is added to.
 * @throws TypeError naming the field and the value that it cannot have
 */
export const withJson = (
  schema: Schema,
  what: 'progress' | 'result',
  bytes: Uint8Array,
  more: JsonObject,
): Uint8Array =>
  checked(schema, what, (message) => {
    const options = { registry: schema.registry, ignoreUnknownFields: true };
    return toBinary(message, mergeFromJson(message, fromBinary(message, bytes), more, options));
  });

function checked(schema: Schema, what: 'progress' | 'result', write: (message: DescMessage) => Uint8Array): Uint8Array {
  const message = schema[what];
  try {
    return write(message);
  } catch (cause) {
    const { kind, revision } = schema;
    const why = `${what} of kind "${kind}" revision ${revision} is no ${message.typeName}: ${(cause as Error).message}`;
    throw new TypeError(why, { cause });
  }
}

/**
 * What `json`, a message of `root`, says at `path`: names as in the proto or in JSON, list places and map keys behind a dot or in brackets, as in
 * `stops[0].store_name`. Undefined where there is nothing, or no such field.
 */
export const fieldAt = (root: DescMessage, json: JsonObject, path: string): JsonValue | undefined =>
  walk(root, json, path.match(/[^.[\]]+/g) ?? []);

function walk(
  message: DescMessage | undefined,
  at: JsonValue | undefined,
  [segment, ...rest]: readonly string[],
): JsonValue | undefined {
  if (segment === undefined) return at;
  const field = message?.fields.find(({ name, jsonName }) => name === segment || jsonName === segment);
  const value = entryOf(at, field?.jsonName ?? segment);
  const [key, ...below] = rest;
  const isEntry = key !== undefined && (field?.fieldKind === 'list' || field?.fieldKind === 'map');
  return isEntry ? walk(field.message, entryOf(value, key), below) : walk(field?.message, value, rest);
}

function entryOf(at: JsonValue | undefined, name: string): JsonValue | undefined {
  if (Array.isArray(at)) return at[Number(name)];
  return typeof at === 'object' && at !== null && Object.hasOwn(at, name) ? at[name] : undefined;
}

/** Made when it is first asked for. */
export function lazily<T>(make: () => T): () => T {
  let made: { readonly value: T } | undefined;
  return () => {
    made ??= { value: make() };
    return made.value;
  };
}
