import { Argument, Command } from 'commander';
import { type ListeningRole, listeningRoles, readConfig } from '../config.ts';
import { checkHealth } from '../runtime/health.ts';

export function healthCommand(): Command {
  return new Command('health')
    .description('exit status 0 when a role serves, 1 when it does not: for probes')
    .addArgument(new Argument('<role>', 'which role').choices(listeningRoles))
    .addHelpText('after', '\nAsks at MALLBOTS_<ROLE>_ADDRESS.')
    .action(async (role: ListeningRole) => {
      const address = readConfig().address[role];
      try {
        await checkHealth(role, address);
        console.log(`${role} serves at ${address}`);
      } catch (error) {
        console.error(`error: ${(error as Error).message}`);
        // Docker knows 0 and 1 as answers of a probe.
        process.exitCode = 1;
      }
    });
}
