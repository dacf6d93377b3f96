import { Command } from 'commander';
import type { Translation } from '../gen/protocol/v1/protocol.ts';
import { stopSignal } from '../runtime/stop-signal.ts';
import { hostPort, whole } from './arguments.ts';
import { jsonLine, writeJson, writeLine } from './output.ts';
import { whileRead, writePaced } from './paced-output.ts';
import { atRegistry, kindArgument, type Registry } from './protocol-sources.ts';
import { historyJson, revisionJson, statusJson, writeKinds, writeRevision, writeStatus } from './protocol-tables.ts';
import { resumed, tellLost } from './resumed.ts';

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
          history: historyJson(detail.history),
          translations: detail.translations.map(translationJson),
        });
    });

  const status = reading('status', 'how the fleet is doing with each revision, and what its rollouts come to')
    .argument('[kind]', 'only this one', kindArgument)
    .option('--watch', 'go on with every change, until Ctrl-C; with --json an object a line')
    .action((kind = '', { hub, json, watch }: Options) =>
      atRegistry(hub, async (registry) => {
        if (watch) await watchStatus(registry, kind, json === true);
        else if (json) writeJson(statusJson(await registry.getStatus({ kind })));
        else writeStatus(await registry.getStatus({ kind }));
      }),
    );
  return [list, show, status];
}

/** A hub that restarts is waited for: its first word is how things are by then. */
async function watchStatus(registry: Registry, kind: string, json: boolean): Promise<void> {
  const signal = whileRead(stopSignal());
  for await (const told of resumed(() => registry.watchStatus({ kind }, { signal }), tellLost, signal)) {
    if (json) {
      await writePaced(`${jsonLine(statusJson(told))}\n`, signal);
      continue;
    }
    writeStatus(told);
    writeLine();
  }
}

const translationJson = ({ document, ...translation }: Translation) => ({
  ...translation,
  document: JSON.parse(document),
});
