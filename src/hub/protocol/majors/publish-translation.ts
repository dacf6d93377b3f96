import { isDeepStrictEqual } from 'node:util';
import { invalid } from '../../../contract/errors.ts';
import type { Orm } from '../../../database/port.ts';
import { breathe } from '../check/check.ts';
import { type Language, readLanguage } from '../check/language.ts';
import type { Revision } from '../check/revision.ts';
import { bounded, type Finding, gather } from '../check/violation.ts';
import { type Author, bumpKind, lockKind, versionOf } from '../registry-store.ts';
import type { KnownKind } from '../revision.ts';
import { unretiredOf } from '../unretired.ts';
import { checkTranslation } from './check.ts';
import { readTranslation, type Translation } from './document.ts';
import { addTranslation, translationsInForce } from './translation-store.ts';

/** What is published beside a revision. */
export interface Given {
  readonly rules: Translation;
  readonly document: string;
}

/** @throws MallError INVALID_ARGUMENT when the text is none of `kind`; undefined for no text */
export function givenTranslation(kind: string, document: string | undefined): Given | undefined {
  if (!document) return undefined;
  const rules = readTranslation(document);
  if (rules.newer === kind || rules.older === kind) return { rules, document };
  throw invalid('translation.newer', rules.newer, 'OF_ANOTHER_KIND', `publish it with a revision of ${rules.newer}`);
}

/** The majors beside a kind, as they are. */
export interface Neighbours {
  /** By kind; what the verdict is about moves when one of these does. */
  readonly versions: ReadonlyMap<string, number>;
  readonly pairs: ReadonlyArray<{ readonly rules: Translation; readonly revisions: readonly Revision[] }>;
}

/** @throws MallError INVALID_ARGUMENT when the other major has not been published */
export async function neighboursOf(orm: Orm, kind: string, given: Given | undefined): Promise<Neighbours> {
  const inForce = (await translationsInForce(orm)).map(({ document }) => readTranslation(document));
  const others = inForce.filter(({ newer }) => newer !== given?.rules.newer);
  const beside = [...others, ...(given ? [given.rules] : [])].filter((rules) =>
    [rules.newer, rules.older].includes(kind),
  );
  const versions = new Map<string, number>();
  const pairs: Array<Neighbours['pairs'][number]> = [];
  for (const rules of beside) {
    const other = rules.newer === kind ? rules.older : rules.newer;
    versions.set(other, await versionOf(orm, other));
    const revisions = await unretiredOf(orm, other);
    if (revisions.length > 0) pairs.push({ rules, revisions });
    else if (rules === given?.rules) {
      const field = other === rules.older ? 'translation.older' : 'translation.newer';
      throw invalid(field, other, 'UNKNOWN_KIND', 'publish a revision of it first');
    }
  }
  return { versions, pairs };
}

/** What the translations beside a kind have to say to its next revision, as far as a publisher is shown it. */
export async function judgeTranslations(
  kind: string,
  candidate: Revision,
  own: readonly Revision[],
  { pairs }: Neighbours,
): Promise<ReturnType<typeof bounded>> {
  if (pairs.length === 0) return bounded([]);
  const ours = await readAll([...own, candidate]);
  const found: Array<{ finding: Finding; against: string }> = [];
  for (const { rules, revisions } of pairs) {
    const theirs = await readAll(revisions);
    const side = rules.newer === kind ? 'newer' : 'older';
    const majors = side === 'newer' ? { newer: ours, older: theirs } : { newer: theirs, older: ours };
    const against = side === 'newer' ? rules.older : rules.newer;
    for (const findings of checkTranslation(rules, { ...majors, candidate: side })) {
      found.push(...findings.map((finding) => ({ finding, against })));
      await breathe();
    }
  }
  return bounded(gather(found));
}

/** With the streams of the hub in between: fifty of them take 80 ms. */
async function readAll(revisions: readonly Revision[]): Promise<[...Language[], Language]> {
  const read: Language[] = [];
  for (const revision of revisions) {
    await breathe();
    read.push(readLanguage(revision));
  }
  return read as [Language];
}

/** Locks the kind and its neighbours in the order of their names, as whoever changes a kind does; undefined when a neighbour has moved. */
export async function lockAmong(
  orm: Orm,
  kind: string,
  versions: Neighbours['versions'],
): Promise<KnownKind | undefined> {
  const known = new Map<string, KnownKind | undefined>();
  for (const each of [...versions.keys(), kind].sort()) known.set(each, await lockKind(orm, each));
  const isSame = [...versions].every(([each, version]) => known.get(each)?.version === version);
  return isSame ? known.get(kind) : undefined;
}

/** Puts a translation in force, whose kinds are locked; false when it is already. */
export async function storeTranslation(orm: Orm, { rules, document }: Given, { by, reason }: Author): Promise<boolean> {
  const before = (await translationsInForce(orm)).find(({ newer }) => newer === rules.newer);
  if (before && isDeepStrictEqual(readTranslation(before.document), rules)) return false;
  const { newer, older } = rules;
  const version = (before?.version ?? 0) + 1;
  await addTranslation(orm, { newer, older, version, document, publishedAt: new Date(), publishedBy: by, reason });
  await bumpKind(orm, newer);
  return true;
}
