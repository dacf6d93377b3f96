/** Who stumbles: a reader of the older revision over what the candidate writes, a reader of the candidate over what the older one wrote. */
export type Breaks = 'older-reads-candidate' | 'candidate-reads-older' | 'both' | 'everybody';

/** One thing that a rule refuses. */
export interface Finding {
  /** Stable id. */
  readonly rule: string;
  /** Of the candidate, as its compiler named it. */
  readonly file: string;
  /** From 1; undefined where the descriptors have no source info. */
  readonly line: number | undefined;
  readonly column: number | undefined;
  /** Full name of the message or enum; empty where the file or the whole revision is meant. */
  readonly message: string;
  /** Field, oneof or enum value; empty where there is none. */
  readonly field: string;
  readonly what: string;
  readonly breaks: Breaks;
  readonly why: string;
  readonly instead: string;
}

/** A finding, and what it was found against. */
export interface Violation extends Finding {
  /** Labels of the revisions that the candidate cannot stand beside; empty where it cannot stand by itself. */
  readonly against: readonly string[];
  /** Rules of buf that refuse the same line. */
  readonly buf: readonly string[];
}

/** What one publisher can read; a schema of another kind breaks nearly everything that there is. */
export const maxViolations = 500;
/** Characters of all of them together: an answer of a hub stays far below the 4 MiB that a gRPC client takes by default. */
export const maxViolationChars = 512 * 1024;
/** Characters of one name or sentence. Names may be longer than is allowed, which is what is said of them then. */
const maxTextChars = 1_000;
/** Revisions that one violation names. */
const maxAgainst = 100;

const breaksText: Readonly<Record<Breaks, string>> = {
  'older-reads-candidate': 'what is written by the new revision is misread by the older one',
  'candidate-reads-older': 'what was written by the older revision is misread by the new one',
  both: 'old and new misread each other',
  everybody: 'no reader can handle it',
};

/** Which side breaks, in words. */
export const sideOf = ({ breaks }: Finding): string => breaksText[breaks];

const placeOrder = (a: Finding, b: Finding): number =>
  a.file.localeCompare(b.file) || (a.line ?? 0) - (b.line ?? 0) || (a.column ?? 0) - (b.column ?? 0);

/** The same finding against several revisions is one violation. In the order of the files. */
export function gather(
  found: ReadonlyArray<{ finding: Finding; against?: string; buf?: readonly string[] }>,
): Violation[] {
  const violations = new Map<string, { finding: Finding; against: Set<string>; buf: Set<string> }>();
  for (const { finding: whole, against, buf = [] } of found) {
    const finding = shortened(whole);
    const key = JSON.stringify([
      finding.rule,
      finding.file,
      finding.line,
      finding.message,
      finding.field,
      finding.what,
    ]);
    const known = violations.get(key) ?? { finding, against: new Set(), buf: new Set() };
    violations.set(key, known);
    if (against !== undefined) known.against.add(against);
    for (const rule of buf) known.buf.add(rule);
  }
  return [...violations.values()]
    .map(({ finding, against, buf }) => ({ ...finding, against: labels(against), buf: [...buf] }))
    .sort(placeOrder);
}

const shortened = (finding: Finding): Finding => ({
  ...finding,
  file: short(finding.file),
  message: short(finding.message),
  field: short(finding.field),
  what: short(finding.what),
  instead: short(finding.instead),
});
const short = (text: string): string => (text.length > maxTextChars ? `${text.slice(0, maxTextChars)}…` : text);

function labels(against: ReadonlySet<string>): string[] {
  const more = against.size - maxAgainst;
  return more > 0 ? [...[...against].slice(0, maxAgainst), `${more} more`] : [...against];
}

/** The first of them that a publisher is shown, and how many are left out. */
export function bounded(violations: readonly Violation[]): { violations: readonly Violation[]; omitted: number } {
  let chars = 0;
  const shown = violations.slice(0, maxViolations);
  const end = shown.findIndex((violation) => {
    chars += JSON.stringify(violation).length;
    return chars > maxViolationChars;
  });
  if (end >= 0) shown.length = end;
  return { violations: shown, omitted: violations.length - shown.length };
}
