import type { RuleId } from '../../../src/hub/protocol/check/rules.ts';
import { anyType, type Draw, freeNumber, newField, oneOf, randomEnum } from './random-schema.ts';
import { type Enum, type Field, jsonNameOf, type Message, type Schema } from './schema-model.ts';

/** Changes `schema`, or says that there is nothing in it that could be changed like that. */
type Edit = (schema: Schema, draw: Draw) => boolean;

const withMessage =
  (change: (message: Message, schema: Schema, draw: Draw) => boolean): Edit =>
  (schema, draw) =>
    change(oneOf(draw, schema.messages), schema, draw);

/** Of all fields for which `fits`, one. */
const withField =
  (
    fits: (field: Field) => boolean,
    change: (field: Field, message: Message, schema: Schema, draw: Draw) => void,
  ): Edit =>
  (schema, draw) => {
    const fitting = schema.messages.flatMap((message) =>
      message.fields.filter(fits).map((field) => ({ field, message })),
    );
    if (fitting.length === 0) return false;
    const { field, message } = oneOf(draw, fitting);
    change(field, message, schema, draw);
    return true;
  };

/** Of the values other than zero, one: proto3 wants a zero, and it stands first. */
const withValue =
  (change: (value: Enum['values'][number], type: Enum) => void): Edit =>
  (schema, draw) => {
    const fitting = schema.enums.flatMap((type) => type.values.slice(1).map((value) => ({ value, type })));
    if (fitting.length === 0) return false;
    const { value, type } = oneOf(draw, fitting);
    change(value, type);
    return true;
  };

const any = () => true;
const remove = <T>(from: T[], what: T): T[] => from.splice(from.indexOf(what), 1);
const isScalarIn = (types: readonly string[]) => (field: Field) => types.includes(field.type);
const isPlain = ({ label, oneof }: Field) => label === 'one' && oneof === undefined;

/** What the checker has to accept. */
export const compatibleEdits: Readonly<Record<string, Edit>> = {
  'add a field': withMessage((message, schema, draw) => message.fields.push(newField(message, schema, draw)) > 0),
  'add a member to a oneof': withField(
    ({ oneof }) => oneof !== undefined,
    ({ oneof }, message, schema, draw) => message.fields.push(newField(message, schema, draw, oneof)),
  ),
  'add a oneof': withMessage((message, schema, draw) => {
    const oneof = `fresh_${freeNumber(message, draw)}`;
    for (let left = 2; left > 0; left -= 1) message.fields.push(newField(message, schema, draw, oneof));
    return true;
  }),
  'add a value': (schema, draw) => {
    const type = oneOf(draw, schema.enums);
    const number = Math.max(...type.values.map((value) => value.number), ...type.reserved.numbers) + 1;
    return type.values.push({ name: `${type.name.toUpperCase()}_${number}`, number }) > 0;
  },
  'add a message': (schema, draw) => {
    const message: Message = {
      name: `Extra${schema.messages.length}`,
      fields: [],
      reserved: { numbers: [], names: [] },
    };
    schema.messages.push(message);
    message.fields.push(newField(message, schema, draw));
    const user = oneOf(draw, schema.messages);
    return user.fields.push({ ...newField(user, schema, draw), type: message.name }) > 0;
  },
  'add an enum': (schema, draw) => schema.enums.push(randomEnum(`Extra${schema.enums.length}`, draw)) > 0,
  'delete a field and reserve it': withField(any, (field, message) => {
    remove(message.fields, field);
    message.reserved.numbers.push(field.number);
    message.reserved.names.push(field.name);
  }),
  'delete a value and reserve it': withValue((value, type) => {
    remove(type.values, value);
    type.reserved.numbers.push(value.number);
    type.reserved.names.push(value.name);
  }),
  'deprecate a field': withField(any, (field) => {
    field.deprecated = true;
  }),
  'declare in another order': withMessage((message) => message.fields.reverse().length > 0),
};

/** What the checker has to refuse, with a rule that it has to name. */
export const breakingEdits: Readonly<Record<string, readonly [RuleId, Edit]>> = {
  'delete a field, name reserved': [
    'FIELD_NUMBER_NOT_RESERVED',
    withField(any, (field, message) => {
      remove(message.fields, field);
      message.reserved.names.push(field.name);
    }),
  ],
  'delete a field, number reserved': [
    'FIELD_NAME_NOT_RESERVED',
    withField(any, (field, message) => {
      remove(message.fields, field);
      message.reserved.numbers.push(field.number);
    }),
  ],
  'rename a field': [
    'FIELD_RENAMED',
    withField(any, (field) => {
      field.name = `x_${field.name}`;
    }),
  ],
  'renumber a field': [
    'FIELD_RENUMBERED',
    withField(any, (field, message, _, draw) => {
      field.number = freeNumber(message, draw);
    }),
  ],
  'widen to 64 bits': [
    'FIELD_TYPE_WIDENED',
    withField(isScalarIn(['int32', 'uint32', 'sint32']), (field) => {
      field.type = field.type.replace('32', '64');
    }),
  ],
  'make a string bytes': [
    'FIELD_TYPE_WIDENED',
    withField(isScalarIn(['string']), (field) => {
      field.type = 'bytes';
    }),
  ],
  'narrow to 32 bits': [
    'FIELD_TYPE_CHANGED',
    withField(isScalarIn(['int64', 'uint64', 'sint64', 'fixed64', 'sfixed64']), (field) => {
      field.type = field.type.replace('64', '32');
    }),
  ],
  'change the sign': [
    'FIELD_TYPE_CHANGED',
    withField(isScalarIn(['int32', 'int64']), (field) => {
      field.type = `s${field.type}`;
    }),
  ],
  'make bytes a string': [
    'FIELD_TYPE_CHANGED',
    withField(isScalarIn(['bytes']), (field) => {
      field.type = 'string';
    }),
  ],
  'take another message': [
    'FIELD_MESSAGE_CHANGED',
    (schema, draw) =>
      withField(
        ({ type }) => schema.messages.some(({ name }) => name === type),
        (field) => {
          const others = schema.messages.filter(({ name }) => name !== field.type);
          field.type = oneOf(draw, others).name;
        },
      )(schema, draw),
  ],
  'take another enum': [
    'FIELD_ENUM_CHANGED',
    (schema, draw) =>
      schema.enums.length > 1 &&
      withField(
        ({ type }) => schema.enums.some(({ name }) => name === type),
        (field) => {
          field.type = schema.enums.find(({ name }) => name !== field.type)!.name;
        },
      )(schema, draw),
  ],
  'make one many': [
    'FIELD_CARDINALITY_CHANGED',
    withField(isPlain, (field) => {
      field.label = 'repeated';
    }),
  ],
  'make many one': [
    'FIELD_CARDINALITY_CHANGED',
    withField(
      ({ label }) => label === 'repeated' || label === 'map',
      (field) => {
        field.label = 'one';
      },
    ),
  ],
  'give a label': [
    'FIELD_PRESENCE_CHANGED',
    (schema, draw) =>
      withField(
        (field) => isPlain(field) && schema.messages.every(({ name }) => name !== field.type),
        (field) => {
          field.label = 'optional';
        },
      )(schema, draw),
  ],
  'change a name in JSON': [
    'FIELD_JSON_NAME_CHANGED',
    withField(any, (field) => {
      field.jsonName = `${jsonNameOf(field.name)}X`;
    }),
  ],
  'move into a oneof': [
    'FIELD_ONEOF_CHANGED',
    withField(isPlain, (field) => {
      field.oneof = 'step';
    }),
  ],
  'move out of a oneof': [
    'FIELD_ONEOF_CHANGED',
    withField(
      ({ oneof }) => oneof !== undefined,
      (field) => {
        field.oneof = undefined;
      },
    ),
  ],
  'give a name in JSON to another field': [
    'FIELD_JSON_NAME_REUSED',
    withField(any, (field, message, schema, draw) => {
      remove(message.fields, field);
      message.reserved.numbers.push(field.number);
      message.reserved.names.push(field.name);
      message.fields.push({ ...newField(message, schema, draw), jsonName: jsonNameOf(field.name) });
    }),
  ],
  'delete a value, name reserved': [
    'ENUM_VALUE_NUMBER_NOT_RESERVED',
    withValue((value, type) => {
      remove(type.values, value);
      type.reserved.names.push(value.name);
    }),
  ],
  'delete a value, number reserved': [
    'ENUM_VALUE_NAME_NOT_RESERVED',
    withValue((value, type) => {
      remove(type.values, value);
      type.reserved.numbers.push(value.number);
    }),
  ],
  'rename a value': [
    'ENUM_VALUE_RENAMED',
    withValue((value) => {
      value.name = `X_${value.name}`;
    }),
  ],
  'renumber a value': [
    'ENUM_VALUE_RENUMBERED',
    withValue((value) => {
      value.number += 50;
    }),
  ],
  'rename a message': [
    'MESSAGE_REMOVED',
    (schema, draw) => {
      const message = oneOf(draw, schema.messages);
      rename(schema, message, `${message.name}X`);
      return true;
    },
  ],
  'rename an enum': [
    'ENUM_REMOVED',
    (schema, draw) => {
      const type = oneOf(draw, schema.enums);
      rename(schema, type, `${type.name}X`);
      return true;
    },
  ],
  'rename a root': [
    'ROOT_MISSING',
    (schema, draw) => {
      rename(schema, schema.messages[draw(3)]!, 'Renamed');
      return true;
    },
  ],
  'change the package': [
    'PACKAGE_NOT_OF_KIND',
    (schema) => {
      schema.package = 'kinds.thing.v2';
      return true;
    },
  ],
};

function rename(schema: Schema, type: Message | Enum, name: string): void {
  const users = schema.messages.flatMap(({ fields }) => fields).filter((field) => field.type === type.name);
  for (const user of users) user.type = name;
  type.name = name;
}

/** What may be anything: accepted or refused, but never accepted and lossy. */
export const otherEdits: Readonly<Record<string, Edit>> = {
  'take any type': withField(any, (field, _message, schema, draw) => {
    field.type = anyType(schema, draw);
  }),
  'use a reserved number': withMessage((message, schema, draw) => {
    const number = message.reserved.numbers.pop();
    return number !== undefined && message.fields.push({ ...newField(message, schema, draw), number }) > 0;
  }),
  'drop what is reserved': withMessage((message) => message.reserved.names.splice(0).length > 0),
};
