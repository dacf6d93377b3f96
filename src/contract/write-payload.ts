import { type DescField, type DescMessage, fromJson, type JsonValue, toBinary } from '@bufbuild/protobuf';
import { invalid, type MallError } from './errors.ts';

/** Of objects and lists in each other; more than anybody writes by hand, and what protobuf libraries read. */
const maxDepth = 100;

/**
 * A payload that somebody has written by hand: `text` is its fields by name, as in the .proto file or in JSON.
 * @throws MallError INVALID_ARGUMENT naming the field by its path, its value, and what it would have to be
 */
export function payloadOf(message: DescMessage, text: string): Buffer {
  let json: JsonValue;
  try {
    json = JSON.parse(text) as JsonValue;
  } catch (error) {
    throw invalid('payload', text, 'NOT_JSON', `give JSON: ${(error as Error).message}`);
  }
  if (isDeeper(json, maxDepth)) {
    throw invalid('payload', `${text.length} characters`, 'TOO_DEEP', `nest at most ${maxDepth} objects and lists`);
  }
  try {
    return Buffer.from(toBinary(message, fromJson(message, json)));
  } catch (error) {
    throw flawIn(message, json, 'payload') ?? invalid('payload', text, 'NOT_OF_ITS_KIND', (error as Error).message);
  }
}

/** The first thing that is wrong; undefined where each value could be right. */
function flawIn(message: DescMessage, json: JsonValue, path: string): MallError | undefined {
  if (!isObject(json)) {
    return invalid(
      path,
      json,
      'FIELD_INVALID',
      `give an object with fields of ${message.typeName}: ${namesOf(message)}`,
    );
  }
  for (const [name, value] of Object.entries(json)) {
    const field = message.fields.find((each) => each.jsonName === name || each.name === name);
    const at = `${path}.${name}`;
    if (!field) {
      return invalid(at, value, 'FIELD_UNKNOWN', `${message.typeName} has ${namesOf(message) || 'no fields'}`);
    }
    const flaw = flawOf(field, value, at);
    if (flaw) return flaw;
  }
  return undefined;
}

function flawOf(field: DescField, value: JsonValue, path: string): MallError | undefined {
  const { message } = field;
  const isPlain = message !== undefined && !message.typeName.startsWith('google.protobuf.');
  if (isPlain && field.fieldKind === 'message') return value === null ? undefined : flawIn(message, value, path);
  if (isPlain && field.fieldKind === 'list' && Array.isArray(value)) {
    return firstOf(value.map((each, index) => flawIn(message, each, `${path}[${index}]`)));
  }
  if (isPlain && field.fieldKind === 'map' && isObject(value)) {
    return firstOf(Object.entries(value).map(([key, each]) => flawIn(message, each, `${path}.${key}`)));
  }
  try {
    fromJson(field.parent, { [field.jsonName]: value });
    return undefined;
  } catch (error) {
    const { cause, message: why } = error as Error;
    // Of a field the cause says it without the name.
    return invalid(path, value, 'FIELD_INVALID', cause instanceof Error ? cause.message : why);
  }
}

const isDeeper = (json: JsonValue, than: number): boolean =>
  typeof json === 'object' &&
  json !== null &&
  (than === 0 || Object.values(json).some((each) => isDeeper(each, than - 1)));

const isObject = (json: JsonValue): json is { [name: string]: JsonValue } =>
  typeof json === 'object' && json !== null && !Array.isArray(json);

const firstOf = (flaws: ReadonlyArray<MallError | undefined>): MallError | undefined => flaws.find(Boolean);

const namesOf = ({ fields }: DescMessage): string => fields.map(({ jsonName }) => jsonName).join(', ');
