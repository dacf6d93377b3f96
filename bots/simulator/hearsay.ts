import { type DescField, type DescMessage, type JsonObject, type JsonValue, ScalarType } from '@bufbuild/protobuf';
import type { Place } from './floor.ts';

/** Places that one errand leads to; more are a mistake, or an attack on the battery. */
export const maxPlaces = 32;
/** Messages in messages that are filled in. */
const maxDepth = 4;

/**
 * Where a task that nobody has explained may want a robot to go: every message in it that has an x and a y, in the order of the task. A depot is
 * where robots go anyway.
 */
export function placesIn(value: JsonValue, name = ''): Place[] {
  if (typeof value !== 'object' || value === null || name === 'depot') return [];
  if (Array.isArray(value)) return value.flatMap((entry) => placesIn(entry)).slice(0, maxPlaces);
  const { x, y } = value;
  const own = typeof x === 'number' && typeof y === 'number' ? [{ x, y }] : [];
  const below = Object.entries(value).flatMap(([field, each]) => placesIn(each, field));
  return [...own, ...below].slice(0, maxPlaces);
}

/**
 * What can be said in `message` of what is `known` by name: fields of the same name and a type that takes the value. Truths are said to be
 * so, since a robot that comes back has no complaint.
 */
export function sayable(message: DescMessage, known: JsonObject, depth = 0): JsonObject {
  const said: JsonObject = {};
  const oneofs = new Set<string>();
  for (const field of message.fields) {
    if (field.oneof && oneofs.has(field.oneof.name)) continue;
    const value = fillingOf(field, known, depth);
    if (value === undefined) continue;
    if (field.oneof) oneofs.add(field.oneof.name);
    said[field.jsonName] = value;
  }
  return said;
}

function fillingOf(field: DescField, known: JsonObject, depth: number): JsonValue | undefined {
  const value = Object.hasOwn(known, field.jsonName) ? known[field.jsonName] : undefined;
  switch (field.fieldKind) {
    case 'scalar':
      return scalarOf(field.scalar, value);
    case 'message': {
      if (depth === maxDepth || field.message.typeName.startsWith('google.protobuf.')) return undefined;
      const nearer = isObject(value) ? { ...known, ...value } : known;
      const inner = sayable(field.message, nearer, depth + 1);
      return Object.keys(inner).length > 0 ? inner : undefined;
    }
    default:
      return undefined;
  }
}

function scalarOf(scalar: ScalarType, value: JsonValue | undefined): JsonValue | undefined {
  switch (scalar) {
    case ScalarType.BOOL:
      return true;
    case ScalarType.DOUBLE:
    case ScalarType.FLOAT:
      return typeof value === 'number' ? value : undefined;
    case ScalarType.STRING:
      return typeof value === 'string' && value !== '' ? value : undefined;
    case ScalarType.BYTES:
      return undefined;
    default:
      // Whole numbers of 31 bits fit all the others.
      return typeof value === 'number' && value >= 0 && value < 2 ** 31 ? Math.round(value) : undefined;
  }
}

const isObject = (value: JsonValue | undefined): value is JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
