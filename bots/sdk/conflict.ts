import { type DescField, type DescMessage, ScalarType } from '@bufbuild/protobuf';
import { FeatureSet_FieldPresence } from '@bufbuild/protobuf/wkt';
import type { Schema } from './schema.ts';

/**
 * Why code that was generated for `known` cannot read and write what is written by `offered`; undefined when it can. Fields are told apart by
 * number, as on the wire: names may differ, and fields that only one side has are the other's unknown fields.
 */
export function conflictOf(known: Schema, offered: Schema): string | undefined {
  const seen = new Set<string>();
  return (
    messageConflict(known.task, offered.task, seen) ??
    messageConflict(known.progress, offered.progress, seen) ??
    messageConflict(known.result, offered.result, seen)
  );
}

function messageConflict(known: DescMessage, offered: DescMessage, seen: Set<string>): string | undefined {
  const pair = `${known.typeName} ${offered.typeName}`;
  if (seen.has(pair)) return undefined;
  seen.add(pair);
  const before = new Map(known.fields.map((field) => [field.number, field]));
  const oneofs = new OneofPairs();
  for (const field of offered.fields) {
    const counterpart = before.get(field.number);
    const flaw = counterpart ? fieldFlaw(counterpart, field, oneofs) : newFieldFlaw(field);
    if (flaw) return `field ${field.number} (${field.name}) of ${offered.typeName} ${flaw}`;
    if (!counterpart?.message || !field.message) continue;
    const conflict = messageConflict(counterpart.message, field.message, seen);
    if (conflict) return conflict;
  }
  return undefined;
}

const newFieldFlaw = ({ presence }: DescField): string | undefined =>
  presence === FeatureSet_FieldPresence.LEGACY_REQUIRED ? 'is required, and the handler never sets it' : undefined;

function fieldFlaw(known: DescField, offered: DescField, oneofs: OneofPairs): string | undefined {
  const [was, is] = [shapeOf(known), shapeOf(offered)];
  if (was !== is) return `is ${is}; the handler was generated for ${was}`;
  const [from, to] = [known.oneof?.name, offered.oneof?.name];
  return oneofs.match(from, to) ? undefined : `is ${placeOf(to)}; the handler was generated for it ${placeOf(from)}`;
}

/** Oneofs have names for people only: each must be one and the same on both sides, whatever it is called. */
class OneofPairs {
  readonly #offered = new Map<string | undefined, string | undefined>([[undefined, undefined]]);
  readonly #known = new Map<string | undefined, string | undefined>([[undefined, undefined]]);

  match(known: string | undefined, offered: string | undefined): boolean {
    if (!this.#offered.has(known) && !this.#known.has(offered)) {
      this.#offered.set(known, offered);
      this.#known.set(offered, known);
    }
    return this.#offered.get(known) === offered && this.#known.get(offered) === known;
  }
}

const placeOf = (oneof: string | undefined): string => (oneof ? `in oneof ${oneof}` : 'in no oneof');

function shapeOf(field: DescField): string {
  switch (field.fieldKind) {
    case 'scalar':
      return scalarName(field.scalar);
    case 'enum':
      return 'an enum';
    case 'message':
      return field.delimitedEncoding ? 'a group' : 'a message';
    case 'list':
      return `a list of ${field.listKind === 'scalar' ? scalarName(field.scalar) : field.listKind}`;
    case 'map':
      return `a map of ${scalarName(field.mapKey)} to ${field.mapKind === 'scalar' ? scalarName(field.scalar) : field.mapKind}`;
    default:
      return field satisfies never;
  }
}

const scalarName = (scalar: ScalarType): string => ScalarType[scalar].toLowerCase();
