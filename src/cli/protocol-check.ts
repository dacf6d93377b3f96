import { Command, Option } from 'commander';
import { invalid } from '../contract/errors.ts';
import type { CheckRequest } from '../gen/protocol/v1/protocol.ts';
import { type CheckResult, checkRevision } from '../hub/protocol/check/check.ts';
import { compileDirectory } from '../hub/protocol/check/compile.ts';
import type { Revision } from '../hub/protocol/check/revision.ts';
import { givenTranslation, judgeTranslations } from '../hub/protocol/majors/publish-translation.ts';
import { hostPort, readFile, repeated } from './arguments.ts';
import { exitCodes } from './exit-codes.ts';
import { writeJson } from './output.ts';
import { readPublishable } from './protocol-directory.ts';
import { atRegistry, kindArgument, ownRevisions } from './protocol-sources.ts';
import { unreadOf, violationsOf, withPaths, writeGithub, writeText } from './protocol-violations.ts';

const formats = ['text', 'json', 'github'] as const;
type Format = (typeof formats)[number];

interface Options {
  readonly kind: string;
  readonly againstDir?: string[];
  readonly hub?: string;
  readonly format: Format;
  readonly translation?: string;
}

const help = `
Held against the revision that this program was built with, where nothing else
is said. Nothing is published, and without --hub no server is needed.

Examples:
  $ mallbots protocol check next --kind shop
  $ mallbots protocol check next --kind shop --against-dir v1 --against-dir v2
  $ mallbots protocol check next --kind shop --format github   for a workflow
  $ mallbots protocol check next --kind shop --hub 127.0.0.1:7001
  $ mallbots protocol check v2 --kind shop.v2 --translation v2/translation.json

Exit status: 0 it may stand beside the others, 1 it may not, 2 wrong arguments,
or files that do not compile or are too large to be published, 4 the program
buf is missing, 5 no hub.`;

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
    .option('--translation <file>', 'and whether this says all there is to say between two majors', readFile)
    .addOption(new Option('--format <format>', 'what the outcome is written as').choices(formats).default('text'))
    .addHelpText('after', help)
    .action(async (directory: string, options: Options) => {
      const { kind, format } = options;
      const result = await judged(directory, options).catch((error: unknown) => {
        const unread = unreadOf(error, kind);
        // People read it on standard error; a workflow shows what it finds on standard output at its line.
        if (unread && format !== 'text') write[format](unread);
        throw error;
      });
      write[format]({ ...result, violations: withPaths(result.violations, directory) });
      if (!result.compatible) process.exitCode = exitCodes.failed;
    });
}

async function judged(directory: string, { kind, hub, translation, ...options }: Options): Promise<CheckResult> {
  const { fileDescriptorSet } = await readPublishable(directory, kind, translation);
  return hub === undefined
    ? checkHere({ label: directory, fileDescriptorSet }, kind, { ...options, translation })
    : checkAtHub(hub, { kind, fileDescriptorSet, translation });
}

/** A translation is held against the other major as this program was built with it. */
async function checkHere(
  candidate: Revision,
  kind: string,
  { againstDir, translation }: Pick<Options, 'againstDir' | 'translation'>,
): Promise<CheckResult> {
  const older = await olderRevisions(kind, againstDir);
  const result = await checkRevision(candidate, older, kind);
  const given = givenTranslation(kind, translation);
  if (!given || !result.compatible) return result;
  const { rules } = given;
  const other = rules.newer === kind ? rules.older : rules.newer;
  const revisions = ownRevisions(other);
  if (revisions.length === 0) {
    throw invalid(
      '--translation',
      other,
      'UNKNOWN_KIND',
      'this program was not built with it; give --hub, where it is published',
    );
  }
  const judged = await judgeTranslations(kind, candidate, older, {
    versions: new Map(),
    pairs: [{ rules, revisions }],
  });
  const compatible = judged.violations.length === 0;
  return { ...result, ...judged, compatible, against: [...result.against, other] };
}

const olderRevisions = async (kind: string, directories: readonly string[] | undefined): Promise<Revision[]> =>
  directories ? Promise.all(directories.map(compileDirectory)) : ownRevisions(kind);

/** Some 60 ms for each revision that the hub has. */
const checkDeadlineMs = 60_000;

/** What publishing would say. */
async function checkAtHub(hub: string, request: CheckRequest): Promise<CheckResult> {
  const { violations, omitted, against } = await atRegistry(hub, (registry) =>
    registry.check(request, { deadlineMs: checkDeadlineMs }),
  );
  return {
    compatible: violations.length === 0,
    kind: request.kind,
    against,
    violations: violationsOf(violations),
    omitted,
  };
}

const write: Readonly<Record<Format, (result: CheckResult) => void>> = {
  text: writeText,
  json: writeJson,
  github: writeGithub,
};
