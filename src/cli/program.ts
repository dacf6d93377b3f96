import { Command } from 'commander';
import { ConfigError, hostEnvironment, type ListeningRole } from '../config.ts';
import { MallError } from '../contract/errors.ts';
import { exitCodeOf, exitCodes, exitOnUsageError } from './exit-codes.ts';

type Load = () => Promise<Command>;

const role =
  (name: ListeningRole): Load =>
  async () =>
    (await import('./role.ts')).roleCommand(name);

/** Every command by its name, in the order of the help. A command is loaded when it is called, so that a small one starts at once. */
const commands: Readonly<Record<string, Load>> = {
  demo: async () => (await import('./demo.ts')).demoCommand(),
  up: async () => (await import('./up.ts')).upCommand(),
  open: async () => (await import('./open.ts')).openCommand(),
  bots: async () => (await import('./bots.ts')).botsCommand(),
  staff: async () => (await import('./staff.ts')).staffCommand(),
  migrate: async () => (await import('./migrate.ts')).migrateCommand(),
  doctor: async () => (await import('./doctor.ts')).doctorCommand(),
  health: async () => (await import('./health.ts')).healthCommand(),
  hub: role('hub'),
  orders: role('orders'),
  stores: role('stores'),
  payments: role('payments'),
  depot: role('depot'),
  kiosk: role('kiosk'),
};

/** The program with the command that `argv` names, or with all of them when it names none. */
async function createProgram(argv: readonly string[]): Promise<Command> {
  const program = new Command('mallbots')
    .description('A gRPC streaming hub for robot fleets, and the mall that it works for')
    .showHelpAfterError('(run with --help for the options)')
    .helpOption('-h, --help', 'show this help')
    .exitOverride(exitOnUsageError);
  const called = commands[argv[2] ?? ''];
  const wanted = await Promise.all((called ? [called] : Object.values(commands)).map((load) => load()));
  for (const command of wanted) program.addCommand(command.copyInheritedSettings(program));
  return program;
}

/** Runs one command line; whatever goes wrong becomes one line on standard error and an exit status that scripts can use. */
export async function run(argv: readonly string[]): Promise<void> {
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

const explain = (error: unknown): string =>
  error instanceof MallError || error instanceof ConfigError
    ? error.message
    : `unexpected: ${(error as Error).message ?? error}`;
