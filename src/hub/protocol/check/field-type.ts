import { type DescField, ScalarType } from '@bufbuild/protobuf';

export type Cardinality = 'one value' | 'repeated' | 'a map';

export const cardinalityOf = ({ fieldKind }: DescField): Cardinality =>
  fieldKind === 'list' ? 'repeated' : fieldKind === 'map' ? 'a map' : 'one value';

/** What one value of a field is. */
export interface Element {
  readonly kind: 'scalar' | 'enum' | 'message';
  /** As it is written in the file; the full name of a message or an enum. */
  readonly name: string;
  /** Type of the key, of a map. */
  readonly key: string | undefined;
}

/** As it is written in the file. */
export const scalarName = (type: ScalarType): string => ScalarType[type].toLowerCase();

export function elementOf(field: DescField): Element {
  const key = field.fieldKind === 'map' ? scalarName(field.mapKey) : undefined;
  if (field.message) return { kind: 'message', name: field.message.typeName, key };
  if (field.enum) return { kind: 'enum', name: field.enum.typeName, key };
  return { kind: 'scalar', name: scalarName(field.scalar), key };
}

/** As it is written in the file. */
export function typeOf(field: DescField): string {
  const { name, key } = elementOf(field);
  if (key !== undefined) return `map<${key}, ${name}>`;
  return field.fieldKind === 'list' ? `repeated ${name}` : name;
}

/** From a type to those that hold all that it does and whose bytes a reader of it takes, and cuts. */
const wider: Readonly<Record<string, readonly string[]>> = {
  bool: ['int32', 'int64', 'uint32', 'uint64'],
  int32: ['int64'],
  uint32: ['uint64', 'int64'],
  sint32: ['sint64'],
  string: ['bytes'],
};

/** An enum is an int32 on the wire. */
export function isWider(before: Element, now: Element): boolean {
  const was = before.kind === 'enum' ? 'int32' : before.name;
  return (
    now.kind === 'scalar' &&
    ((wider[was]?.includes(now.name) ?? false) || (before.kind === 'enum' && now.name === 'int32'))
  );
}
