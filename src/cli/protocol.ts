import { Command } from 'commander';
import { exitOnUsageError } from './exit-codes.ts';
import { changeCommands } from './protocol-change.ts';
import { checkCommand } from './protocol-check.ts';
import { diffCommand } from './protocol-diff.ts';
import { publishCommand } from './protocol-publish.ts';
import { readingCommands } from './protocol-reading.ts';

const examples = `
A kind's directory holds its .proto files and is the root of their imports.

Examples:
  $ mallbots protocol check proto/kinds/shop/v1 --kind shop
  $ mallbots protocol check next --kind shop --format github
  $ mallbots protocol diff proto/kinds/shop/v1 next
  $ mallbots protocol publish next --kind shop
  $ mallbots protocol canary shop@2 --percent 10
  $ mallbots protocol status shop --watch`;

/** The language of the fleet: what its revisions are, and whether a next one may join them. */
export function protocolCommand(): Command {
  const protocol = new Command('protocol')
    .description('the language of the fleet: change it while the fleet works')
    .helpOption('-h, --help', 'show this help')
    .configureHelp({ showGlobalOptions: true })
    .showHelpAfterError('(run with --help for the options)')
    .addHelpText('after', examples)
    .exitOverride(exitOnUsageError);
  for (const command of [publishCommand(), ...readingCommands(), ...changeCommands(), checkCommand(), diffCommand()]) {
    protocol.addCommand(command.copyInheritedSettings(protocol));
  }
  return protocol;
}
