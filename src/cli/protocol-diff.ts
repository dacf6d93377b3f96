import { join } from 'node:path';
import { Command } from 'commander';
import { type Difference, differences } from '../hub/protocol/check/differences.ts';
import { readLanguage } from '../hub/protocol/check/language.ts';
import { hostPort } from './arguments.ts';
import { coloured, writeJson, writeLine } from './output.ts';
import { sourceArgument, sourceOf } from './protocol-sources.ts';

const help = `
Exits with 0 whatever the differences are: "mallbots protocol check" judges.

Examples:
  $ mallbots protocol diff proto/kinds/shop/v1 next
  $ mallbots protocol diff shop@1 shop@2
  $ mallbots protocol diff shop@2 next
  $ mallbots protocol diff 36498eb0fc2c next   as "list" and "status" print it`;

export function diffCommand(): Command {
  return new Command('diff')
    .description('what two revisions say differently, and whether they may stand side by side')
    .argument('<older>', sourceArgument)
    .argument('<newer>', 'the same')
    .option('--hub <host:port>', 'whose revisions are meant (default: MALLBOTS_HUB_ADDRESS)', hostPort)
    .option('--json', 'one JSON object on standard output and nothing else')
    .addHelpText('after', help)
    .action(async (older: string, newer: string, { json = false, hub }: { json?: boolean; hub?: string }) => {
      const [before, now] = await Promise.all([sourceOf(older, hub), sourceOf(newer, hub)]);
      const found = differences(readLanguage(before.revision), readLanguage(now.revision)).map((difference) => ({
        ...difference,
        file: join(now.directory, difference.file),
      }));
      if (json) writeJson({ differences: found.map(view) });
      else write(found);
    });
}

const view = ({ rule, ...difference }: Difference) => ({
  ...difference,
  compatible: rule === undefined,
  rule: rule ?? null,
});

function write(found: readonly Difference[]): void {
  if (found.length === 0) writeLine('they say the same');
  for (const { rule, file, line, column, message, what } of found) {
    const mark = rule === undefined ? coloured('green', 'compatible  ') : coloured('red', 'incompatible');
    const place = [file, line, column].filter((part) => part !== undefined).join(':');
    writeLine(
      `${mark}  ${message ? `${message}: ` : ''}${what}${rule === undefined ? '' : ` (${rule})`}  ${coloured('dim', place)}`,
    );
  }
}
