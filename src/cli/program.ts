import { readFileSync } from 'node:fs';
import tab from '@bomb.sh/tab/commander';
import { Command } from 'commander';
import { ConfigError, hostEnvironment, type ListeningRole } from '../config.ts';
import { MallError } from '../contract/errors.ts';
import { exitCodeOf, exitCodes, exitOnUsageError } from './exit-codes.ts';

type Load = () => Promise<Command>;

const role =
  (name: ListeningRole): Load =>
  async () =>
    (await import('./role.ts')).roleCommand(name);

/**
 * Every command by its name, below the headings and in the order of the help. A command is loaded when it is called, so that a small one
 * starts at once.
 */
const groups: Readonly<Record<string, Readonly<Record<string, Load>>>> = {
  'A whole mall:': {
    demo: async () => (await import('./demo.ts')).demoCommand(),
    up: async () => (await import('./up.ts')).upCommand(),
  },
  'In a mall that runs:': {
    staff: async () => (await import('./staff.ts')).staffCommand(),
    stats: async () => (await import('./stats.ts')).statsCommand(),
    bots: async () => (await import('./bots.ts')).botsCommand(),
    open: async () => (await import('./open.ts')).openCommand(),
  },
  'For operators:': {
    trace: async () => (await import('./trace.ts')).traceCommand(),
    doctor: async () => (await import('./doctor.ts')).doctorCommand(),
    protocol: async () => (await import('./protocol.ts')).protocolCommand(),
    migrate: async () => (await import('./migrate.ts')).migrateCommand(),
    health: async () => (await import('./health.ts')).healthCommand(),
  },
  'One role in a process of its own:': {
    hub: role('hub'),
    orders: role('orders'),
    stores: role('stores'),
    payments: role('payments'),
    depot: role('depot'),
    analytics: role('analytics'),
    kiosk: role('kiosk'),
  },
};
const commands = Object.entries(groups).flatMap(([heading, loads]) =>
  Object.entries(loads).map(([name, load]) => ({ name, load, heading })),
);

const version = (): string =>
  JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')).version as string;

/** The program with the command that `argv` names, or with all of them when it names none. */
async function createProgram(argv: readonly string[]): Promise<Command> {
  const program = new Command('mallbots')
    .description('A gRPC streaming hub for robot fleets, and the mall that it works for')
    .showHelpAfterError('(run with --help for the options)')
    .helpOption('-h, --help', 'show this help')
    .addHelpCommand(
      new Command('help').argument('[command]').description('show the help of a command').helpGroup('Help:'),
    )
    .version(version(), '-V, --version', 'show the version')
    .addHelpText('after', '\n"mallbots staff" without a command is the staff role.')
    .exitOverride(exitOnUsageError);
  const called = commands.filter(({ name }) => name === argv[2]);
  for (const { load, heading } of called.length > 0 ? called : commands) {
    const command = (await load()).copyInheritedSettings(program).helpGroup(heading);
    program.addCommand(command);
  }
  // Of all commands or of none: what it suggests it takes from those that are there.
  if (called.length === 0) tab(program, { completionCommandName: 'completion' });
  return program;
}

/** Runs one command line; whatever goes wrong becomes one line on standard error and an exit status that scripts can use. */
export async function run(argv: readonly string[]): Promise<void> {
  process.stdout.on('error', unwritable);
  try {
    await (await createProgram(argv)).parseAsync(argv);
  } catch (error) {
    console.error(`error: ${explain(error)}`);
    if (hostEnvironment.MALLBOTS_LOG_LEVEL === 'debug') console.error(error);
    process.exitCode = error instanceof ConfigError ? exitCodes.usage : exitCodeOf(error);
    // Something that failed to start may have left a socket or a timer behind.
    process.exit();
  }
}

/** A reader that has seen enough (`| head`) is no failure, and no reason to stop what runs; a full disk is one. */
function unwritable(error: NodeJS.ErrnoException): void {
  if (error.code === 'EPIPE') return;
  console.error(`error: cannot write to standard output: ${error.message}`);
  process.exit(exitCodes.failed);
}

const explain = (error: unknown): string =>
  error instanceof MallError || error instanceof ConfigError
    ? error.message
    : `unexpected: ${(error as Error).message ?? error}`;
