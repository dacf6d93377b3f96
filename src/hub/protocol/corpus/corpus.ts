import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { type Part, parts } from '../majors/parts.ts';

/** A payload that went over a stream in a mall. */
export interface Recorded {
  readonly schema: { readonly kind: string; readonly revision: number; readonly digest: string };
  readonly part: Part;
  readonly payload: Uint8Array;
}

const line = z.object({
  schema: z.object({ kind: z.string(), revision: z.number().int(), digest: z.string() }),
  part: z.enum(parts),
  payload: z.base64().transform((text) => Uint8Array.from(Buffer.from(text, 'base64'))),
});

const read = new Map<string, readonly Recorded[]>();

/** What was recorded of `kind` (`npm run corpus`): none of a kind that this program has never served. */
export function readCorpus(kind: string): readonly Recorded[] {
  const known = read.get(kind);
  if (known) return known;
  const recorded = linesOf(kind).map((text): Recorded => line.parse(JSON.parse(text)));
  read.set(kind, recorded);
  return recorded;
}

/** A line of JSON for each payload. */
export const corpusFile = (kind: string): string => join(import.meta.dirname, `${kind}.jsonl`);

function linesOf(kind: string): string[] {
  try {
    return readFileSync(corpusFile(kind), 'utf8').split('\n').filter(Boolean);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}
