import { type Enum, type Field, type Message, type Schema, scalars } from './schema-model.ts';

/** A whole number from 0 to `choices` - 1. */
export type Draw = (choices: number) => number;

export const oneOf = <T>(draw: Draw, of: readonly T[]): T => of[draw(of.length)]!;

export const kind = 'thing';

const none = () => ({ numbers: [], names: [] });

/** A schema of the kind, with messages that hold each other, themselves too. */
export function randomSchema(draw: Draw): Schema {
  const names = ['ThingTask', 'ThingProgress', 'ThingResult', ...['Stop', 'Item', 'Place'].slice(0, draw(4))];
  const schema: Schema = {
    package: 'kinds.thing.v1',
    messages: names.map((name) => ({ name, fields: [], reserved: none() })),
    enums: ['Mood', 'Size'].slice(0, 1 + draw(2)).map((name) => randomEnum(name, draw)),
  };
  for (const message of schema.messages) {
    for (let left = 1 + draw(5); left > 0; left -= 1) message.fields.push(newField(message, schema, draw));
  }
  return schema;
}

export function randomEnum(name: string, draw: Draw): Enum {
  const values = Array.from({ length: 1 + draw(4) }, (_, number) => ({
    name: `${name.toUpperCase()}_${number}`,
    number,
  }));
  return { name, values, reserved: none() };
}

/** One more field, under a number and a name that nothing has had. */
export function newField(message: Message, schema: Schema, draw: Draw, oneof?: string): Field {
  const number = freeNumber(message, draw);
  const label = oneof === undefined ? oneOf(draw, ['one', 'one', 'optional', 'repeated', 'map'] as const) : 'one';
  const inOneof = oneof ?? (label === 'one' && draw(3) === 0 ? oneOf(draw, ['step', 'way']) : undefined);
  return {
    name: `f${number}_${oneOf(draw, ['id', 'name', 'count'])}`,
    number,
    type: anyType(schema, draw),
    label,
    oneof: inOneof,
  };
}

export function freeNumber({ fields, reserved }: Message, draw: Draw): number {
  const highest = Math.max(0, ...fields.map(({ number }) => number), ...reserved.numbers);
  return highest + 1 + draw(3);
}

export const anyType = ({ messages, enums }: Schema, draw: Draw): string =>
  oneOf(draw, [...scalars, ...[...messages, ...enums].flatMap(({ name }) => [name, name])]);
