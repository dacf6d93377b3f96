import {
  type DescMessage,
  fromBinary,
  type JsonObject,
  type JsonValue,
  type Registry,
  toBinary,
  toJson,
} from '@bufbuild/protobuf';

/** A message in one revision. */
export interface Reader {
  readonly message: DescMessage;
  readonly registry: Registry;
}

/**
 * What is wrong when `payload`, of `writer`, is read, kept and written again by somebody who only has `through`: bytes that do not come back, or a
 * value that the two see differently. Undefined when nothing is lost.
 */
export function lossOf(payload: Uint8Array, writer: Reader, through: Reader): string | undefined {
  try {
    const meant = fromBinary(writer.message, payload);
    const seen = fromBinary(through.message, payload);
    const back = fromBinary(writer.message, toBinary(through.message, seen));
    // Unknown fields come back behind the others: once the writer has read it, the order is its own again.
    if (!sameBytes(toBinary(writer.message, meant), toBinary(writer.message, back)))
      return 'it comes back with other bytes';
    // A value that only one side knows has a name there and a number elsewhere; that names stay is what the rules hold.
    const json = ({ message, registry }: Reader, value: typeof meant) =>
      toJson(message, value, { registry, enumAsInteger: true });
    return conflict(json(writer, meant), json(through, seen), '');
  } catch (error) {
    return (error as Error).message;
  }
}

const sameBytes = (a: Uint8Array, b: Uint8Array): boolean => Buffer.compare(a, b) === 0;

/** The first place that both have and at which they say something else. What only one has is a field that the other does not know. */
function conflict(a: JsonValue, b: JsonValue, path: string): string | undefined {
  if (Array.isArray(a) && Array.isArray(b)) {
    if (a.length !== b.length) return `${path} has ${a.length} elements, and ${b.length} to the other side`;
    return firstConflict(a.map((value, index) => [value, b[index]!, `${path}[${index}]`]));
  }
  if (isObject(a) && isObject(b)) {
    const shared = Object.keys(a).filter((key) => Object.hasOwn(b, key));
    return firstConflict(shared.map((key) => [a[key]!, b[key]!, path ? `${path}.${key}` : key]));
  }
  return a === b ? undefined : `${path} is ${JSON.stringify(a)}, and ${JSON.stringify(b)} to the other side`;
}

function firstConflict(pairs: ReadonlyArray<readonly [JsonValue, JsonValue, string]>): string | undefined {
  for (const [a, b, path] of pairs) {
    const found = conflict(a, b, path);
    if (found !== undefined) return found;
  }
  return undefined;
}

const isObject = (value: JsonValue): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
