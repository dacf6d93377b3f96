import { join } from 'node:path';
import { Command, Option } from 'commander';
import { type CheckResult, checkRevision } from '../hub/protocol/check/check.ts';
import { compileDirectory } from '../hub/protocol/check/compile.ts';
import type { Revision } from '../hub/protocol/check/revision.ts';
import { sideOf, type Violation } from '../hub/protocol/check/violation.ts';
import { hostPort } from './arguments.ts';
import { exitCodes } from './exit-codes.ts';
import { coloured, writeJson, writeLine } from './output.ts';
import { atRegistry, kindArgument, ownRevisions } from './protocol-sources.ts';

const formats = ['text', 'json', 'github'] as const;
type Format = (typeof formats)[number];

interface Options {
  readonly kind: string;
  readonly againstDir?: string[];
  readonly hub?: string;
  readonly format: Format;
}

const help = `
Held against the revision that this program was built with, where nothing else
is said. Nothing is published, and without --hub no server is needed.

Examples:
  $ mallbots protocol check next --kind shop
  $ mallbots protocol check next --kind shop --against-dir v1 --against-dir v2
  $ mallbots protocol check next --kind shop --format github   for a workflow
  $ mallbots protocol check next --kind shop --hub 127.0.0.1:7001

Exit status: 0 it may stand beside the others, 1 it may not, 2 wrong arguments
or files that do not compile, 4 the program buf is missing, 5 no hub.`;

export function checkCommand(): Command {
  return new Command('check')
    .description('whether a directory of .proto files may be the next revision of a kind')
    .argument('<directory>', 'the .proto files of the kind; imports start here')
    .requiredOption('--kind <name>', 'the kind that it would be a revision of', kindArgument)
    .option('--against-dir <directory>', 'hold it against these files; may be repeated', repeated)
    .addOption(
      new Option('--hub <host:port>', 'hold it against every revision that is not retired there')
        .argParser(hostPort)
        .conflicts('againstDir'),
    )
    .addOption(new Option('--format <format>', 'what the outcome is written as').choices(formats).default('text'))
    .addHelpText('after', help)
    .action(async (directory: string, { kind, againstDir, hub, format }: Options) => {
      const candidate = await compileDirectory(directory);
      const result =
        hub === undefined
          ? await checkRevision(candidate, await olderRevisions(kind, againstDir), kind)
          : await checkAtHub(hub, kind, candidate.fileDescriptorSet);
      write[format](withPaths(result, directory));
      if (!result.compatible) process.exitCode = exitCodes.failed;
    });
}

const olderRevisions = async (kind: string, directories: readonly string[] | undefined): Promise<Revision[]> =>
  directories ? Promise.all(directories.map(compileDirectory)) : ownRevisions(kind);

/** Some 60 ms for each revision that the hub has. */
const checkDeadlineMs = 60_000;

/** What publishing would say. */
async function checkAtHub(hub: string, kind: string, fileDescriptorSet: Uint8Array): Promise<CheckResult> {
  const request = { kind, fileDescriptorSet: Buffer.from(fileDescriptorSet) };
  const { violations, against } = await atRegistry(hub, (registry) =>
    registry.check(request, { deadlineMs: checkDeadlineMs }),
  );
  return {
    compatible: violations.length === 0,
    kind,
    against,
    violations: violations.map(
      (violation): Violation => ({
        ...violation,
        breaks: violation.breaks as Violation['breaks'],
        line: violation.line || undefined,
        column: violation.column || undefined,
      }),
    ),
    omitted: 0,
  };
}

const repeated = (value: string, before: string[] = []): string[] => [...before, value];

/** Files as they are reached from here, which is what editors and workflows open. */
const withPaths = (result: CheckResult, directory: string): CheckResult => ({
  ...result,
  violations: result.violations.map((violation) => ({ ...violation, file: join(directory, violation.file) })),
});

const write: Readonly<Record<Format, (result: CheckResult) => void>> = {
  text: writeText,
  json: writeJson,
  github: writeGithub,
};

function writeText({ compatible, kind, against, violations, omitted }: CheckResult): void {
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

function writeViolation(violation: Violation): void {
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
function writeGithub(result: CheckResult): void {
  for (const violation of result.violations) {
    const { rule, file, line, column, what, why, instead } = violation;
    const properties = [
      `file=${property(file)}`,
      ...(line === undefined ? [] : [`line=${line}`]),
      ...(column === undefined ? [] : [`col=${column}`]),
      `title=${property(rule)}`,
    ];
    const text = `${what}: ${sideOf(violation)}, since ${why}. Instead, ${instead}.`;
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
