import type { ServedKind } from './kind.ts';

/** What a bot serves: handlers by the kind's name, and perhaps one for all other kinds. */
export interface Repertoire {
  readonly named: ReadonlyMap<string, ServedKind>;
  readonly any: ServedKind | undefined;
}

/** @throws RangeError when a kind is served twice */
export function repertoireOf(kinds: readonly ServedKind[]): Repertoire {
  const named = new Map(kinds.flatMap((served) => (served.kind === undefined ? [] : [[served.kind, served] as const])));
  const any = kinds.filter(({ kind }) => kind === undefined);
  if (named.size + any.length === kinds.length && any.length <= 1) return { named, any: any[0] };
  throw new RangeError(`kinds are "${kinds.map(({ kind }) => kind ?? 'any')}"; serve each kind once`);
}

export const handlerOf = ({ named, any }: Repertoire, kind: string): ServedKind | undefined => named.get(kind) ?? any;
