import { Command } from 'commander';
import { ConfigError, hostEnvironment } from '../config.ts';
import { MallError } from '../contract/errors.ts';
import { botsCommand } from './bots.ts';
import { demoCommand } from './demo.ts';
import { doctorCommand } from './doctor.ts';
import { exitCodeOf, exitCodes, exitOnUsageError } from './exit-codes.ts';
import { healthCommand } from './health.ts';
import { migrateCommand } from './migrate.ts';
import { openCommand } from './open.ts';
import { roleCommands, runRole } from './role.ts';
import { staffCommand } from './staff.ts';
import { upCommand } from './up.ts';

export function createProgram(): Command {
  const program = new Command('mallbots')
    .description('A gRPC streaming hub for robot fleets, and the mall that it works for')
    .showHelpAfterError('(run with --help for the options)')
    .helpOption('-h, --help', 'show this help')
    .exitOverride(exitOnUsageError);
  const commands = [
    ...[
      demoCommand(),
      upCommand(),
      openCommand(),
      botsCommand(),
      staffCommand().action(() => runRole('staff')),
      migrateCommand(),
      doctorCommand(),
      healthCommand(),
    ],
    ...roleCommands(),
  ];
  for (const command of commands) program.addCommand(command.copyInheritedSettings(program));
  return program;
}

/** Runs one command line; whatever goes wrong becomes one line on standard error and an exit status that scripts can use. */
export async function run(argv: readonly string[]): Promise<void> {
  try {
    await createProgram().parseAsync(argv);
  } catch (error) {
    console.error(`error: ${explain(error)}`);
    if (hostEnvironment.MALLBOTS_LOG_LEVEL === 'debug') console.error(error);
    process.exitCode = error instanceof ConfigError ? exitCodes.usage : exitCodeOf(error);
    // Something that failed to start may have left a socket or a timer behind.
    process.exit();
  }
}

const explain = (error: unknown): string =>
  error instanceof MallError || error instanceof ConfigError
    ? error.message
    : `unexpected: ${(error as Error).message ?? error}`;
