import { Command } from 'commander';
import { hostPort, readFile, whole } from './arguments.ts';
import { exitCodes } from './exit-codes.ts';
import { writeJson, writeLine } from './output.ts';
import { author } from './protocol-change.ts';
import { readPublishable } from './protocol-directory.ts';
import { atRegistry, kindArgument } from './protocol-sources.ts';
import { revisionJson, stateName } from './protocol-tables.ts';
import { violationsOf, withPaths, writeViolation } from './protocol-violations.ts';

interface Options {
  readonly kind: string;
  readonly hub?: string;
  readonly by: string;
  readonly reason: string;
  readonly draft?: boolean;
  readonly basedOn?: number;
  readonly translation?: string;
  readonly json?: boolean;
}

const help = `
A change that a kind's rules forbid is a kind of its own, the next major:
shop.v2 beside shop. With a translation, bots of either do the tasks of both.

What speaks against it is listed as by "mallbots protocol check --hub", and then
nothing is published. The same files again change nothing; with another
translation, that is in force from then on.

Exit status: 0 published, or known, 2 files that do not compile or are too
large for one call, 4 refused, 5 no hub.`;

export function publishCommand(): Command {
  return author(
    new Command('publish')
      .description('add a directory of .proto files to a kind as its next revision')
      .argument('<directory>', 'the .proto files of the kind; imports start here')
      .requiredOption('--kind <name>', 'the kind', kindArgument)
      .option('--hub <host:port>', 'any hub of the fleet (default: MALLBOTS_HUB_ADDRESS)', hostPort)
      .option('--translation <file>', 'JSON: what is called otherwise in the major before, or after', readFile)
      .option('--draft', 'store it without a check; it is checked when it is published again')
      .option(
        '--based-on <version>',
        'refuse when the kind has moved on from this version, which "list --json" tells',
        whole(1, Number.MAX_SAFE_INTEGER),
      )
      .option('--json', 'one JSON object on standard output and nothing else')
      .addHelpText('after', help),
  ).action(async (directory: string, { kind, hub, by, reason, draft = false, ...options }: Options) => {
    const { basedOn, translation, json } = options;
    const request = { ...(await readPublishable(directory, kind, translation)), by, reason, draft, basedOn };
    const answer = await atRegistry(hub, (registry) => registry.publish(request, { deadlineMs }));
    const { revision, omitted, known } = answer;
    const violations = withPaths(violationsOf(answer.violations), directory);
    if (json) {
      writeJson({ revision: revision ? revisionJson(revision) : null, known, violations, omitted });
    } else if (revision) {
      const what = known ? 'is there already' : 'is published';
      writeLine(`${kind} revision ${revision.revision} ${what}, ${stateName(revision.state)}`);
      writeLine(revision.digest);
    } else {
      for (const violation of violations) writeViolation(violation);
      const more = omitted > 0 ? `, of which the first ${violations.length} are above` : '';
      writeLine(`refused: ${violations.length + omitted} violations${more}; nothing was published`);
      const newest = /^revision (\d+)$/.exec(violations.flatMap(({ against }) => against).at(-1) ?? '')?.[1];
      if (newest) writeLine(`all that is different: mallbots protocol diff ${kind}@${newest} ${directory}`);
    }
    if (!revision) process.exitCode = exitCodes.refused;
  });
}

/** A check takes seconds where there are many revisions. ms */
const deadlineMs = 60_000;
