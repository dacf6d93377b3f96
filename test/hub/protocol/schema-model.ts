import { create, toBinary } from '@bufbuild/protobuf';
import {
  type DescriptorProto,
  DescriptorProtoSchema,
  EnumDescriptorProtoSchema,
  type FieldDescriptorProto,
  FieldDescriptorProto_Label,
  FieldDescriptorProto_Type,
  FieldDescriptorProtoSchema,
  FileDescriptorProtoSchema,
  FileDescriptorSetSchema,
  OneofDescriptorProtoSchema,
} from '@bufbuild/protobuf/wkt';
import type { Revision } from '../../../src/hub/protocol/check/revision.ts';

/** A schema that can be edited, and compiled without a compiler: a property looks at thousands. */
export interface Schema {
  package: string;
  messages: Message[];
  enums: Enum[];
}

export interface Message {
  name: string;
  fields: Field[];
  reserved: Reserved;
}

export interface Field {
  name: string;
  number: number;
  /** A scalar's name, or the name of a message or an enum of the schema. */
  type: string;
  label: 'one' | 'optional' | 'repeated' | 'map';
  oneof?: string | undefined;
  jsonName?: string | undefined;
  deprecated?: boolean;
}

export interface Enum {
  name: string;
  values: { name: string; number: number }[];
  reserved: Reserved;
}

export interface Reserved {
  numbers: number[];
  names: string[];
}

export const scalars = [
  'double',
  'float',
  'int64',
  'uint64',
  'int32',
  'fixed64',
  'fixed32',
  'bool',
  'string',
  'bytes',
  'uint32',
  'sfixed32',
  'sfixed64',
  'sint32',
  'sint64',
] as const;

/** `schema` as a revision of the kind that its package is of. */
export function compile(schema: Schema, label: string): Revision {
  const file = create(FileDescriptorProtoSchema, {
    name: 'kind.proto',
    package: schema.package,
    syntax: 'proto3',
    messageType: schema.messages.map((message) => compileMessage(message, schema)),
    enumType: schema.enums.map(({ name, values, reserved }) =>
      create(EnumDescriptorProtoSchema, {
        name,
        value: values,
        reservedName: reserved.names,
        reservedRange: reserved.numbers.map((number) => ({ start: number, end: number })),
      }),
    ),
  });
  return {
    label,
    fileDescriptorSet: toBinary(FileDescriptorSetSchema, create(FileDescriptorSetSchema, { file: [file] })),
  };
}

function compileMessage({ name, fields: declared, reserved }: Message, schema: Schema): DescriptorProto {
  // As in a file, where the members of a oneof stand within its braces.
  const fields = [...Map.groupBy(declared, ({ name, oneof }) => oneof ?? `field ${name}`).values()].flat();
  const oneofs = [...new Set(fields.flatMap(({ oneof }) => oneof ?? []))];
  const optional = fields.filter(({ label }) => label === 'optional');
  // The oneof that stands for a label comes behind the real ones.
  const indexOf = (field: Field): number | undefined => {
    if (field.oneof !== undefined) return oneofs.indexOf(field.oneof);
    return field.label === 'optional' ? oneofs.length + optional.indexOf(field) : undefined;
  };
  return create(DescriptorProtoSchema, {
    name,
    field: fields.map((field) => compileField(field, name, indexOf(field), schema)),
    nestedType: fields.filter(({ label }) => label === 'map').map((field) => mapEntry(field, name, schema)),
    oneofDecl: [...oneofs, ...optional.map((field) => `_${field.name}`)].map((oneof) =>
      create(OneofDescriptorProtoSchema, { name: oneof }),
    ),
    reservedName: reserved.names,
    reservedRange: reserved.numbers.map((number) => ({ start: number, end: number + 1 })),
  });
}

const { OPTIONAL, REPEATED } = FieldDescriptorProto_Label;

function compileField(
  field: Field,
  message: string,
  oneofIndex: number | undefined,
  schema: Schema,
): FieldDescriptorProto {
  const isMap = field.label === 'map';
  return create(FieldDescriptorProtoSchema, {
    name: field.name,
    number: field.number,
    jsonName: field.jsonName ?? jsonNameOf(field.name),
    label: isMap || field.label === 'repeated' ? REPEATED : OPTIONAL,
    ...(isMap
      ? { type: FieldDescriptorProto_Type.MESSAGE, typeName: `.${schema.package}.${message}.${entryName(field)}` }
      : typeOf(field.type, schema)),
    ...(oneofIndex === undefined ? {} : { oneofIndex }),
    ...(field.label === 'optional' ? { proto3Optional: true } : {}),
    ...(field.deprecated ? { options: { deprecated: true } } : {}),
  });
}

function mapEntry(field: Field, message: string, schema: Schema): DescriptorProto {
  const part = (name: string, number: number, type: string) =>
    compileField({ name, number, type, label: 'one' }, `${message}.${entryName(field)}`, undefined, schema);
  return create(DescriptorProtoSchema, {
    name: entryName(field),
    field: [part('key', 1, 'string'), part('value', 2, field.type)],
    options: { mapEntry: true },
  });
}

function typeOf(
  type: string,
  { package: scope, messages, enums }: Schema,
): { type: FieldDescriptorProto_Type; typeName?: string } {
  const typeName = `.${scope}.${type}`;
  if (messages.some(({ name }) => name === type)) return { type: FieldDescriptorProto_Type.MESSAGE, typeName };
  if (enums.some(({ name }) => name === type)) return { type: FieldDescriptorProto_Type.ENUM, typeName };
  return { type: FieldDescriptorProto_Type[type.toUpperCase() as keyof typeof FieldDescriptorProto_Type] };
}

/** As protoc names it: the JSON name with a capital, and Entry. */
const entryName = ({ name }: Field): string => `${jsonNameOf(`_${name}`)}Entry`;

export const jsonNameOf = (name: string): string =>
  name.replace(/_+(.?)/g, (_, letter: string) => letter.toUpperCase());
