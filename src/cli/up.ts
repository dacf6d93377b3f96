import { Command } from 'commander';
import { type Config, hostEnvironment, readConfig } from '../config.ts';
import { drawMall } from '../demo/mall.ts';
import { openMall } from '../demo/open-mall.ts';
import type { Role } from '../role/role.ts';
import { openBackends } from '../runtime/backends.ts';
import { botsArguments } from '../runtime/bots-arguments.ts';
import { drainAll, startEveryRole } from '../runtime/roles.ts';
import { aborted, startUnlessStopped, stopSignal } from '../runtime/stop-signal.ts';
import { type Supervised, supervise } from '../runtime/supervisor.ts';
import { createLogger } from '../telemetry/logger.ts';
import { between, maxTimeScale, whole } from './arguments.ts';

/** Connections to PostgreSQL of every role together; each costs some 5 MB there, and idle ones are closed. */
const poolSize = 16;

interface UpOptions {
  bots: number;
  seed: number;
  timeScale: number;
}

export function upCommand(): Command {
  return new Command('up')
    .description('run every role and a fleet of bots until Ctrl-C; data stays between runs')
    .option('--bots <n>', 'simulated bots; 0 for none', whole(0, 1_000), 20)
    .option('--seed <n>', 'which mall to open, when there is none yet', whole(0, 2 ** 31 - 1), 7)
    .option('--time-scale <x>', 'how many times faster than life the bots are', between(0.1, maxTimeScale), 5)
    .addHelpText(
      'after',
      `
Without DATABASE_URL it starts a PostgreSQL of its own, without AMQP_URL the
broker is in this process.

Example:
  $ mallbots up --bots 5 --time-scale 20`,
    )
    .action(up);
}

async function up({ bots, seed, timeScale }: UpOptions): Promise<void> {
  const stop = stopSignal();
  // People read this terminal: only what needs them is logged, unless they ask for more.
  const environment = { ...hostEnvironment, MALLBOTS_LOG_LEVEL: hostEnvironment.MALLBOTS_LOG_LEVEL || 'warn' };
  const config = readConfig(environment);
  const logger = createLogger('up', config.logLevel);
  await startUnlessStopped(stop, async () => {
    const backends = await openBackends(config, { logger, applicationName: 'mallbots up', poolSize, signal: stop });
    const roles: Role[] = [];
    let fleet: Supervised | undefined;
    try {
      roles.push(...(await startEveryRole(config, backends)));
      const { opened, misplacedSkus } = await openMall(drawMall(seed), config.address.stores);
      const { hub } = config.address;
      const fleetOptions = { hub, first: 1, count: bots, seed, timeScale, shortSkus: misplacedSkus };
      const fleetArguments = botsArguments({ ...fleetOptions, generic: true });
      if (bots > 0) fleet = supervise('bots', fleetArguments, environment);
      console.log(welcome(config, backends.database.address, bots, opened));

      await aborted(stop);
      console.log('\nstopping …');
    } finally {
      await fleet?.stop();
      await drainAll(roles);
      await backends.close();
    }
  });
}

const welcome = (
  { address, amqpUrl, traceFile, otlpEndpoint }: Config,
  database: string,
  bots: number,
  opened: boolean,
): string => `
The mall is ${opened ? 'open, with new stores' : 'open again'}: ${bots === 1 ? '1 bot' : `${bots} bots`}.

  kiosk     http://${address.kiosk}/openapi.json (REST, for shoppers)
  hub       ${address.hub} (gRPC, for robots)
  staff     ${address.staff} (gRPC, for the desk)
  database  ${database}
  broker    ${amqpUrl ? 'RabbitMQ' : 'in this process'}
  traces    ${otlpEndpoint || traceFile}

Try, in another terminal:

  curl -s http://${address.kiosk}/v1/products
  npx mallbots staff pickups${address.staff === readConfig({}).address.staff ? '' : ` --staff ${address.staff}`}
  npx mallbots doctor

Ctrl-C stops it; the data stays.`;
