import { userInfo } from 'node:os';
import { Command } from 'commander';
import { type Kind, RevisionState } from '../gen/protocol/v1/protocol.ts';
import { hostPort, whole } from './arguments.ts';
import { writeJson, writeLine } from './output.ts';
import { findNamed, revisionArgument } from './protocol-revision.ts';
import { atRegistry, type Registry } from './protocol-sources.ts';
import { revisionJson, shortDigest, stateName } from './protocol-tables.ts';

interface Options {
  readonly hub?: string;
  readonly by: string;
  readonly reason: string;
  readonly basedOn?: number;
  readonly json?: boolean;
  readonly percent?: number;
  readonly hold?: boolean;
  readonly then?: number[];
  readonly step?: number;
  readonly minAttempts?: number;
}

const maxStepSeconds = 604_800;

/** Who changes something, and why. */
export const author = (command: Command): Command =>
  command
    .option('--by <name>', 'who does this, for the history', userInfo().username)
    .option('--reason <text>', 'why, for the history', '');

const changing = (name: string, description: string): Command =>
  author(
    new Command(name)
      .description(description)
      .argument('<revision>', revisionArgument)
      .option('--hub <host:port>', 'any hub of the fleet (default: MALLBOTS_HUB_ADDRESS)', hostPort)
      .option(
        '--based-on <version>',
        'refuse when the kind has moved on from this version',
        whole(1, Number.MAX_SAFE_INTEGER),
      )
      .option('--json', 'one JSON object on standard output and nothing else'),
  );

const verbs = {
  activate: 'deliver a revision to every bot of its kind',
  deprecate: 'deliver it no more, and use it only where a bot has nothing newer',
  retire: 'never again; refused, with what blocks, while somebody needs it',
  rollback: 'end a canary, or take an active revision back; pinned tasks finish',
} as const;

export function changeCommands(): Command[] {
  const plain = (Object.keys(verbs) as Array<keyof typeof verbs>).map((verb) =>
    changing(verb, verbs[verb]).action((given: string, options: Options) =>
      change(given, options, (registry, request) => registry[verb](request)),
    ),
  );
  const canary = changing('canary', 'try a revision on a share of the bots, and on more of them by itself')
    .requiredOption('--percent <n>', 'of the bots, by a hash of their ids', whole(1, 100))
    .option('--hold', 'stay at this share; gates still roll back')
    .option('--then <n...>', 'the shares that follow, up to 100 (default: 1, 5, 10, 25, 50, 100)', percents)
    .option('--step <seconds>', 'the least that a share lasts (default: 300)', whole(0, maxStepSeconds))
    .option('--min-attempts <n>', 'ended attempts that each share needs (default: 10)', whole(1, 100_000))
    .action((given: string, options: Options) =>
      change(given, options, (registry, request) => {
        const { percent = 0, hold = false, then = [], step, minAttempts = 0 } = options;
        const ramp = {
          percents: then,
          step: step === undefined ? undefined : { seconds: step, nanos: 0 },
          minAttempts,
        };
        return registry.canary({ ...request, percent, hold, ramp });
      }),
    );
  return [canary, ...plain];
}

const percents = (text: string, before: number[] = []): number[] => [...before, whole(1, 100)(text)];

interface Request {
  readonly digest: string;
  readonly basedOn: number;
  readonly by: string;
  readonly reason: string;
}

async function change(
  given: string,
  { hub, by, reason, basedOn, json }: Options,
  act: (registry: Registry, request: Request) => Promise<Kind>,
): Promise<void> {
  const { digest, kind } = await atRegistry(hub, async (registry) => {
    const { kinds } = await registry.list({ kind: '' });
    const { kind: before, digest } = findNamed(given, kinds);
    const kind = await act(registry, { digest, basedOn: basedOn ?? before.version, by, reason });
    return { digest, kind };
  });
  const revision = kind.revisions.find((each) => each.digest === digest)!;
  if (json) {
    writeJson({ kind: kind.kind, version: kind.version, revision: revisionJson(revision) });
    return;
  }
  const share = revision.state === RevisionState.CANARY ? ` at ${kind.rollout?.percent} %` : '';
  writeLine(
    `${kind.kind} revision ${revision.revision} (${shortDigest(digest)}) is ${stateName(revision.state)}${share}`,
  );
}
