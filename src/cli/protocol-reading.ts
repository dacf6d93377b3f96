import { Command } from 'commander';
import type { Status, Translation } from '../gen/protocol/v1/protocol.ts';
import { hostPort, whole } from './arguments.ts';
import { writeJson, writeLine } from './output.ts';
import { revisionJson } from './protocol-change.ts';
import { atRegistry, kindArgument } from './protocol-sources.ts';
import { writeKinds, writeRevision, writeStatus } from './protocol-tables.ts';

interface Options {
  readonly hub?: string;
  readonly json?: boolean;
  readonly kind?: string;
  readonly revision?: number;
  readonly watch?: boolean;
}

const reading = (name: string, description: string): Command =>
  new Command(name)
    .description(description)
    .option('--hub <host:port>', 'any hub of the fleet (default: MALLBOTS_HUB_ADDRESS)', hostPort)
    .option('--json', 'JSON on standard output and nothing else');

export function readingCommands(): Command[] {
  const list = reading('list', 'every kind with its revisions')
    .option('--kind <name>', 'only this one', kindArgument)
    .action(async ({ hub, json, kind = '' }: Options) => {
      const { kinds } = await atRegistry(hub, (registry) => registry.list({ kind }));
      if (!json) writeKinds(kinds, new Date());
      else
        writeJson({
          kinds: kinds.map(({ kind, version, revisions, translations }) => ({
            kind,
            version,
            revisions: revisions.map(revisionJson),
            translations: translations.map(translationJson),
          })),
        });
    });

  const show = reading('show', 'one revision: its history and its files')
    .argument('<kind>', 'the kind', kindArgument)
    .option('--revision <n>', 'which one (default: the newest that is ACTIVE)', whole(1, 1_000_000))
    .action(async (kind: string, { hub, json, revision = 0 }: Options) => {
      const detail = await atRegistry(hub, (registry) => registry.get({ digest: '', kind, revision }));
      if (!json) writeRevision(detail, new Date());
      else
        writeJson({
          ...(detail.revision && revisionJson(detail.revision)),
          kindVersion: detail.kindVersion,
          fileDescriptorSet: detail.fileDescriptorSet.toString('base64'),
          sources: detail.sources,
          history: detail.history,
          translations: detail.translations.map(translationJson),
        });
    });

  const status = reading('status', 'how the fleet is doing with each revision, and what its rollouts come to')
    .argument('[kind]', 'only this one', kindArgument)
    .option('--watch', 'go on with every change, until Ctrl-C')
    .action(async (kind: string | undefined, { hub, json, watch }: Options) => {
      const write = (told: Status) => (json ? writeJson(told) : writeStatus(told));
      await atRegistry(hub, async (registry) => {
        if (!watch) return void write(await registry.getStatus({ kind: kind ?? '' }));
        for await (const told of registry.watchStatus({ kind: kind ?? '' })) {
          write(told);
          writeLine();
        }
      });
    });
  return [list, show, status];
}

const translationJson = ({ document, ...translation }: Translation) => ({
  ...translation,
  document: JSON.parse(document),
});
