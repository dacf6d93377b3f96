import { setImmediate } from 'node:timers/promises';
import { MallError } from '../../../contract/errors.ts';
import { checkBetween } from './between.ts';
import { checkByItself } from './candidate-rules.ts';
import { freeNumbers } from './field-number.ts';
import { checkPayloads } from './gate.ts';
import { type Language, readLanguage } from './language.ts';
import { type Revision, rootsOf } from './revision.ts';
import { bounded, type Finding, gather, type Violation } from './violation.ts';
import { checkWireJson } from './wire-json.ts';

export interface CheckResult {
  readonly compatible: boolean;
  readonly kind: string;
  /** Labels of the revisions that the candidate was held against. */
  readonly against: readonly string[];
  /** In the order of the files; at most what `bounded` leaves. */
  readonly violations: readonly Violation[];
  /** How many more there are. */
  readonly omitted: number;
}

/**
 * Whether `candidate` may stand beside every one of `unretired`, the revisions of `kind` that bots, tasks or the journal still have: buf's WIRE_JSON
 * rules, then the stricter ones of this folder, then real payloads through both sides. A first revision is only held against the rules for one by itself.
 * @throws MallError INVALID_ARGUMENT when a set of descriptors cannot be read, FAILED_PRECONDITION when there is no buf
 */
export async function checkRevision(
  candidate: Revision,
  unretired: readonly Revision[],
  kind: string,
): Promise<CheckResult> {
  const roots = rootsOf(kind);
  const language = readLanguage(candidate);
  const strict: Found[] = checkByItself(language, roots).map((finding) => ({ finding }));
  const older: Language[] = [];
  // What is too large is not held against anything: that would take as long as its sender likes.
  const beside = strict.some(({ finding }) => finding.rule === 'TOO_LARGE') ? [] : unretired;
  for (const revision of beside) {
    await breathe();
    older.push(readLanguage(revision));
  }
  // What one revision has free another may have taken: a remedy has to do for all of them.
  const free = freeNumbers([language, ...older]);
  for (const revision of older) {
    await breathe();
    for (const finding of checkBetween(revision, language, free)) strict.push({ finding, against: revision.label });
  }
  const fromBuf = confirm(strict, await wireJson(candidate, beside, strict));
  // A payload that does not survive what is refused anyway says nothing new.
  const isRefused = strict.length + fromBuf.length > 0;
  const lost = isRefused ? [] : await payloadLosses(older, language, kind);
  const violations = gather([...strict, ...fromBuf, ...lost]);
  return {
    compatible: violations.length === 0,
    kind,
    against: unretired.map(({ label }) => label),
    ...bounded(violations),
  };
}

/** A revision takes some 10 ms to compare, and as long again for its payloads: a hub that checks goes on with its streams in between. */
export const breathe = () => setImmediate();

async function payloadLosses(older: readonly Language[], candidate: Language, kind: string): Promise<Found[]> {
  const found: Found[] = [];
  for (const revision of older) {
    await breathe();
    const findings = checkPayloads(revision, candidate, kind, rootsOf(kind));
    found.push(...findings.map((finding) => ({ finding, against: revision.label })));
  }
  return found;
}

interface Found {
  readonly finding: Finding;
  readonly against?: string;
  readonly buf?: readonly string[];
}

/** buf reads only what a compiler could have made; what could not has been found by the stricter rules already. */
async function wireJson(
  candidate: Revision,
  unretired: readonly Revision[],
  strict: readonly Found[],
): Promise<Found[]> {
  try {
    return await checkWireJson(candidate, unretired);
  } catch (error) {
    if (error instanceof MallError && error.code === 'INVALID_ARGUMENT' && strict.length > 0) return [];
    throw error;
  }
}

/**
 * What buf says about a line that a stricter rule speaks of says the same in fewer words: its rule is named there. The rest stands by itself. A file may be
 * one line, with thousands of findings of both: each is looked at once.
 */
function confirm(strict: readonly Found[], found: readonly Found[]): Found[] {
  const placeOf = ({ against, finding: { file, line } }: Found) => JSON.stringify([against, file, line]);
  const known = new Set(strict.map(placeOf));
  const rules = new Map<string, Set<string>>();
  for (const each of found) rules.set(placeOf(each), (rules.get(placeOf(each)) ?? new Set()).add(each.finding.rule));
  const confirmed = strict.map((each) => ({ ...each, buf: [...(rules.get(placeOf(each)) ?? [])] }));
  return [...confirmed.filter(({ buf }) => buf.length > 0), ...found.filter((each) => !known.has(placeOf(each)))];
}
