import type { JsonValue } from '@bufbuild/protobuf';
import { z } from 'zod';
import { invalid } from '../../../contract/errors.ts';

/**
 * What a kind's next major says otherwise than the one before it; data, so that it takes effect without a restart. Fields and values that have the same name on both
 * sides are the same thing and are not mentioned.
 */
export interface Translation {
  /** Such as `shop`. */
  readonly older: string;
  /** Such as `shop.v2`. */
  readonly newer: string;
  readonly fields: readonly FieldRule[];
  readonly values: readonly ValueRule[];
}

export interface FieldRule {
  /** The message of the newer major, by its name within the package; which older one it is follows from where it stands. */
  readonly in: string;
  /** Field, or the way to it through messages: `place.x`. Undefined: only the newer major has it. */
  readonly older?: string;
  /** Undefined: only the older major has it. */
  readonly newer?: string;
  /** Of a field that one side has, for what comes from the other; unset where there is none. In the protobuf JSON mapping. */
  readonly default?: JsonValue;
  /** The newer number is the older one times this. */
  readonly scale?: number;
  /** Why it does no harm that a value does not come back as it was. */
  readonly lossy?: string;
  /** Why values that cannot be brought over are not to be expected. */
  readonly partial?: string;
}

/** Values of enums of different names. */
export interface ValueRule {
  /** The enum of the newer major, by its name within the package. */
  readonly in: string;
  readonly older: string;
  readonly newer: string;
  readonly lossy?: string;
}

/** Characters of a document: some hundred rules. It fits into a request beside the largest revision. */
export const maxDocumentChars = 12_000;
const reason = z.string().trim().min(1).max(200);
const path = z.string().regex(/^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*$/, 'give a field, or the way to it such as place.x');
const name = z.string().regex(/^[A-Za-z_]\w*(\.[A-Za-z_]\w*)*$/, 'give a name within the package, such as Stop');

const fieldRule = z
  .strictObject({
    in: name,
    older: path.optional(),
    newer: path.optional(),
    default: z.json().optional(),
    scale: z.number().positive().optional(),
    lossy: reason.optional(),
    partial: reason.optional(),
  })
  .refine(({ older, newer }) => older !== undefined || newer !== undefined, 'name the older field, the newer, or both')
  .refine((rule) => !isPair(rule) || rule.default === undefined, 'a default is for a field that one side has alone')
  .refine(
    (rule) => isPair(rule) || (rule.scale === undefined && rule.lossy === undefined && rule.partial === undefined),
    'scale, lossy and partial are for a field that both sides have',
  );

const isPair = ({ older, newer }: { older?: string | undefined; newer?: string | undefined }): boolean =>
  older !== undefined && newer !== undefined;

const document = z.strictObject({
  older: z.string(),
  newer: z.string(),
  fields: z.array(fieldRule).max(200).default([]),
  values: z
    .array(z.strictObject({ in: name, older: path, newer: path, lossy: reason.optional() }))
    .max(200)
    .default([]),
});

const major = /^(?<family>.*?)(?:\.v(?<major>\d+))?$/;

/** `shop.v2` is major 2 of family `shop`, `shop` its first. */
export function majorOf(kind: string): { readonly family: string; readonly major: number } {
  const { family, major: number = '1' } = major.exec(kind)!.groups!;
  return { family: family!, major: Number(number) };
}

/** @throws MallError INVALID_ARGUMENT naming what is wrong in the text, and where */
export function readTranslation(text: string): Translation {
  if (text.length > maxDocumentChars) {
    throw invalid('translation', `${text.length} characters`, 'TOO_LONG', `give at most ${maxDocumentChars}`);
  }
  const read = document.safeParse(parsed(text));
  if (!read.success) {
    const { path: at, message } = read.error.issues[0]!;
    const field = at.map((part) => (typeof part === 'number' ? `[${part}]` : `.${String(part)}`)).join('');
    const value = at.reduce<unknown>((value, key) => (value as Record<PropertyKey, unknown>)?.[key], parsed(text));
    throw invalid(`translation${field}`, value ?? 'missing', 'MALFORMED_TRANSLATION', message);
  }
  const { older, newer } = read.data;
  const [before, after] = [majorOf(older), majorOf(newer)];
  if (before.family !== after.family || before.major >= after.major) {
    const remedy = `name an earlier major of ${newer}, such as ${after.family}`;
    throw invalid('translation.older', older, 'NO_EARLIER_MAJOR', remedy);
  }
  // Optional keys that are not there, and keys that are undefined, are the same to whoever reads this.
  return read.data as Translation;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw invalid('translation', text.slice(0, 40), 'NO_JSON', `give JSON: ${(error as Error).message}`);
  }
}
