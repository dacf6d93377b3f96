import { Command } from 'commander';
import { type ListeningRole, readConfig } from '../config.ts';
import { MallError } from '../contract/errors.ts';
import { openBackends } from '../runtime/backends.ts';
import { roles, startRole } from '../runtime/roles.ts';
import { aborted, startUnlessStopped, stopSignal } from '../runtime/stop-signal.ts';
import { createLogger } from '../telemetry/logger.ts';

/** Connections to PostgreSQL of one role: handlers, API calls, the relay's lock and its reads. */
const poolSize = 10;

const needs = `
Needs DATABASE_URL and AMQP_URL: roles in processes of their own share a
PostgreSQL and a RabbitMQ. Runs until Ctrl-C or SIGTERM.`;

/** `mallbots hub`, `mallbots orders` ...: one role, until it is told to stop. */
export const roleCommand = (name: ListeningRole): Command =>
  new Command(name)
    .description(roles[name].summary)
    .addHelpText('after', needs)
    .action(() => runRole(name));

export async function runRole(name: ListeningRole): Promise<void> {
  const stop = stopSignal();
  const config = readConfig();
  for (const [variable, value, example] of [
    ['DATABASE_URL', config.databaseUrl, 'postgres://user@host:5432/mallbots'],
    ['AMQP_URL', config.amqpUrl, 'amqp://user:password@host:5672'],
  ] as const) {
    if (value) continue;
    const remedy = `set it, for example to ${example}, or run everything in one process with "mallbots up"`;
    throw new MallError('INVALID_ARGUMENT', `"mallbots ${name}" needs ${variable}; ${remedy}`, {
      field: variable,
      remedy,
    });
  }
  const logger = createLogger(name, config.logLevel);
  await startUnlessStopped(stop, async () => {
    const backends = await openBackends(config, {
      logger,
      applicationName: `mallbots ${name}`,
      poolSize,
      signal: stop,
    });
    try {
      const role = await startRole(name, config, backends);
      await aborted(stop);
      logger.info('draining');
      await role.drain();
    } finally {
      await backends.close();
    }
  });
  logger.info('stopped');
}
