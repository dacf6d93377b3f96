import { Command, Option } from 'commander';
import { type CheckResult, checkRevision } from '../hub/protocol/check/check.ts';
import { compileDirectory } from '../hub/protocol/check/compile.ts';
import type { Revision } from '../hub/protocol/check/revision.ts';
import { hostPort } from './arguments.ts';
import { exitCodes } from './exit-codes.ts';
import { writeJson } from './output.ts';
import { atRegistry, kindArgument, ownRevisions } from './protocol-sources.ts';
import { violationsOf, withPaths, writeGithub, writeText } from './protocol-violations.ts';

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
      write[format]({ ...result, violations: withPaths(result.violations, directory) });
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
  const { violations, omitted, against } = await atRegistry(hub, (registry) =>
    registry.check(request, { deadlineMs: checkDeadlineMs }),
  );
  return { compatible: violations.length === 0, kind, against, violations: violationsOf(violations), omitted };
}

const repeated = (value: string, before: string[] = []): string[] => [...before, value];

const write: Readonly<Record<Format, (result: CheckResult) => void>> = {
  text: writeText,
  json: writeJson,
  github: writeGithub,
};
