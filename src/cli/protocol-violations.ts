import { join } from 'node:path';
import { MallError } from '../contract/errors.ts';
import type { Violation as ViolationView } from '../gen/protocol/v1/protocol.ts';
import type { CheckResult } from '../hub/protocol/check/check.ts';
import { Uncompiled } from '../hub/protocol/check/compile.ts';
import { bounded, sideOf, type Violation } from '../hub/protocol/check/violation.ts';
import { coloured, writeLine } from './output.ts';

/** What a hub said. */
export const violationsOf = (views: readonly ViolationView[]): Violation[] =>
  views.map((violation) => ({
    ...violation,
    breaks: violation.breaks as Violation['breaks'],
    line: violation.line || undefined,
    column: violation.column || undefined,
  }));

/** Files as they are reached from here, which is what editors and workflows open. */
export const withPaths = (violations: readonly Violation[], directory: string): Violation[] =>
  violations.map((violation) => ({ ...violation, file: join(directory, violation.file) }));

/**
 * What programs are told of a directory that is no revision to judge: its mistakes, in the shape of violations. Undefined for an error that is not of
 * a directory's.
 */
export function unreadOf(error: unknown, kind: string): CheckResult | undefined {
  if (!(error instanceof MallError) || error.detail.field !== 'directory') return;
  const { reason: rule, value: file, remedy: instead } = error.detail;
  const mistakes = error instanceof Uncompiled ? error.mistakes : [{ file, what: error.message }];
  const violations = mistakes.map(
    (mistake): Violation => ({
      ...{ rule, line: undefined, column: undefined, message: '', field: '', ...mistake },
      ...{ breaks: 'everybody', why: '', instead, against: [], buf: [] },
    }),
  );
  return { compatible: false, kind, against: [], ...bounded(violations) };
}

/** For people: each violation, and what it comes to. */
export function writeText({ compatible, kind, against, violations, omitted }: CheckResult): void {
  for (const violation of violations) writeViolation(violation);
  const beside = against.length > 0 ? ` beside ${against.join(', ')}` : ', and there is no other to hold it against';
  if (compatible) {
    writeLine(`${coloured('green', 'compatible')}: it may be a revision of ${kind}${beside}`);
    return;
  }
  const count = violations.length + omitted;
  const more = omitted > 0 ? `, of which the first ${violations.length} are above` : '';
  writeLine(
    `${coloured('red', 'incompatible')}: ${count} ${count === 1 ? 'thing keeps' : 'things keep'} it from being a revision of ${kind}${beside}${more}`,
  );
}

/** In the paragraph that the README shows. */
export function writeViolation(violation: Violation): void {
  const { rule, what, why, instead, against, buf } = violation;
  writeLine(`${placeOf(violation)} ${coloured('bold', rule)} ${nameOf(violation)}`);
  writeLine(`  ${what}`);
  writeLine(`  breaks   ${sideOf(violation)}: ${why}`);
  if (against.length > 0) writeLine(`  against  ${against.join(', ')}`);
  if (buf.length > 0) writeLine(`  as does  ${buf.join(', ')}`);
  writeLine(`  instead  ${instead}`);
  writeLine();
}

const placeOf = ({ file, line, column }: Violation): string =>
  [file, line, column].filter((part) => part !== undefined).join(':');

const nameOf = ({ message, field }: Violation): string => (field && message ? `${message}.${field}` : message || field);

/** Workflow commands: GitHub shows each at its line of the change. */
export function writeGithub(result: CheckResult): void {
  for (const violation of result.violations) {
    const { rule, file, line, column, what, why, instead } = violation;
    const properties = [
      `file=${property(file)}`,
      ...(line === undefined ? [] : [`line=${line}`]),
      ...(column === undefined ? [] : [`col=${column}`]),
      `title=${property(rule)}`,
    ];
    // What does not compile says it all.
    const text = why ? `${what}: ${sideOf(violation)}, since ${why}. Instead, ${instead}.` : what;
    writeLine(`::error ${properties.join(',')}::${escaped(`${nameOf(violation)} ${text}`.trim())}`);
  }
  const { compatible, kind, omitted, against } = result;
  if (omitted > 0) writeLine(`::error::${omitted} more`);
  if (compatible)
    writeLine(
      `::notice::compatible as a revision of ${escaped(kind)} beside ${escaped(against.join(', ') || 'nothing')}`,
    );
}

const escaped = (text: string): string => text.replaceAll('%', '%25').replaceAll('\r', '%0D').replaceAll('\n', '%0A');
const property = (text: string): string => escaped(text).replaceAll(':', '%3A').replaceAll(',', '%2C');
