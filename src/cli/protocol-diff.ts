import { join } from 'node:path';
import { Command } from 'commander';
import { compileDirectory } from '../hub/protocol/check/compile.ts';
import { type Difference, differences } from '../hub/protocol/check/differences.ts';
import { readLanguage } from '../hub/protocol/check/language.ts';
import { coloured, writeJson, writeLine } from './output.ts';

export function diffCommand(): Command {
  return new Command('diff')
    .description('what two revisions say differently, and whether they may stand side by side')
    .argument('<older>', 'directory of .proto files')
    .argument('<newer>', 'directory of .proto files')
    .option('--json', 'one JSON object on standard output and nothing else')
    .addHelpText('after', '\nExits with 0 whatever the differences are: "mallbots protocol check" judges.')
    .action(async (older: string, newer: string, { json = false }: { json?: boolean }) => {
      const [before, now] = await Promise.all(
        [older, newer].map(async (one) => readLanguage(await compileDirectory(one))),
      );
      const found = differences(before!, now!).map((difference) => ({
        ...difference,
        file: join(newer, difference.file),
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
