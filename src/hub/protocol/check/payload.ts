import { type DescField, type DescMessage, ScalarType, toBinary } from '@bufbuild/protobuf';
import { type ReflectList, type ReflectMap, type ReflectMessage, reflect } from '@bufbuild/protobuf/reflect';

/** A choice: a whole number from 0 to `choices` - 1. Where they come from decides whether payloads are samples or random. */
export type Draw = (choices: number) => number;

/** Messages within messages, of those that contain themselves too. */
const maxDepth = 5;
/** Elements of a list or a map. */
const maxElements = 3;

/** Fields of a payload in all: messages that hold lists of each other would grow without an end. */
const maxFields = 120;

/** The bytes of a message that says something, with some of its fields set and some not. */
export const drawPayload = (message: DescMessage, draw: Draw): Uint8Array =>
  toBinary(message, new Drawing(draw).messageOf(message, 0).message);

class Drawing {
  readonly #draw: Draw;
  #fieldsLeft = maxFields;

  constructor(draw: Draw) {
    this.#draw = draw;
  }

  messageOf(message: DescMessage, depth: number): ReflectMessage {
    const result = reflect(message);
    for (const member of message.members) {
      if (member.kind === 'oneof') {
        const field = member.fields[this.#draw(member.fields.length + 1)];
        if (field) this.#fill(result, field, depth);
      } else if (this.#draw(4) > 0) this.#fill(result, member, depth);
    }
    return result;
  }

  #fill(into: ReflectMessage, field: DescField, depth: number): void {
    if (this.#fieldsLeft <= 0 || (field.message && depth >= maxDepth)) return;
    this.#fieldsLeft -= 1;
    if (field.fieldKind === 'list') {
      const list = into.get(field) as ReflectList;
      for (let left = this.#draw(maxElements + 1); left > 0; left -= 1) list.add(this.#valueOf(field, depth));
    } else if (field.fieldKind === 'map') {
      const map = into.get(field) as ReflectMap;
      for (let left = this.#draw(maxElements + 1); left > 0; left -= 1) {
        map.set(drawScalar(field.mapKey, field.parent, this.#draw), this.#valueOf(field, depth));
      }
    } else into.set(field, this.#valueOf(field, depth));
  }

  #valueOf(field: DescField, depth: number): unknown {
    if (field.message) return this.messageOf(field.message, depth + 1);
    if (field.enum) return field.enum.values[this.#draw(field.enum.values.length)]!.number;
    return drawScalar(field.scalar, field.parent, this.#draw);
  }
}

const texts = ['', 'a', 'Green Thumb', 'Ünïcødé ✓', '0', 'ORDER_1'];

const integers: Readonly<Record<'signed' | 'unsigned', readonly number[]>> = {
  signed: [0, 1, -1, 7, 300, -70_000, 2_147_483_647, -2_147_483_648],
  unsigned: [0, 1, 7, 300, 70_000, 4_294_967_295],
};
const longs: Readonly<Record<'signed' | 'unsigned', readonly bigint[]>> = {
  signed: [0n, 1n, -1n, 300n, 2n ** 40n, 2n ** 63n - 1n, -(2n ** 63n)],
  unsigned: [0n, 1n, 300n, 2n ** 40n, 2n ** 64n - 1n],
};

function drawScalar(
  type: ScalarType,
  { typeName }: DescMessage,
  draw: Draw,
): string | number | bigint | boolean | Uint8Array {
  const one = <T>(of: readonly T[]): T => of[draw(of.length)]!;
  // What Timestamp, Duration and FieldMask may say is less than what their fields can.
  const isWellKnown = typeName.startsWith('google.protobuf.') && !typeName.endsWith('Value');
  switch (type) {
    case ScalarType.STRING:
      return isWellKnown ? 'a' : one(texts);
    case ScalarType.BYTES:
      return Uint8Array.from({ length: draw(5) }, () => draw(256));
    case ScalarType.BOOL:
      return draw(2) === 1;
    case ScalarType.DOUBLE:
      return one([0, 1, -0.5, 1e300, 12.3456789]);
    case ScalarType.FLOAT:
      return one([0, 1, -0.5, 1.5, 65_536]);
    case ScalarType.INT64:
    case ScalarType.SINT64:
    case ScalarType.SFIXED64:
      return isWellKnown ? BigInt(draw(1_000)) : one(longs.signed);
    case ScalarType.UINT64:
    case ScalarType.FIXED64:
      return one(longs.unsigned);
    case ScalarType.INT32:
    case ScalarType.SINT32:
    case ScalarType.SFIXED32:
      return isWellKnown ? draw(1_000) : one(integers.signed);
    case ScalarType.UINT32:
    case ScalarType.FIXED32:
      return one(integers.unsigned);
    default:
      return type satisfies never;
  }
}
