import { Command, InvalidArgumentError } from 'commander';
import { startFleet } from '../../bots/simulator/fleet.ts';
import { readConfig } from '../config.ts';
import { newId } from '../contract/ids.ts';
import { aborted, parentGone, stopSignal } from '../runtime/stop-signal.ts';
import { createTelemetry } from '../telemetry/setup.ts';

export function whole(least: number, most: number) {
  return (text: string): number => {
    const value = Number(text);
    if (Number.isInteger(value) && value >= least && value <= most) return value;
    throw new InvalidArgumentError(`give a whole number from ${least} to ${most}.`);
  };
}

export function between(least: number, most: number) {
  return (text: string): number => {
    const value = Number(text);
    if (text.trim() !== '' && value >= least && value <= most) return value;
    throw new InvalidArgumentError(`give a number from ${least} to ${most}.`);
  };
}

const several = (value: string, before: string[]) => [...before, value];
const share = between(0, 1);

/** Bots of one process; a fleet beyond that wants several processes. The hub's own bound is 10,000 on one process. */
const maxBots = 10_000;
/** Faster than this, a bot's steps come closer together than timers can tell apart. */
export const maxTimeScale = 1_000;

export function botsCommand(): Command {
  return new Command('bots')
    .description('run a fleet of simulated bots against a hub')
    .option('--hub <host:port>', 'the hub, or several with commas (default: MALLBOTS_HUB_ADDRESS)')
    .option('--count <n>', 'how many bots', whole(1, maxBots), 10)
    .option('--first <n>', 'number of the first bot', whole(1, 1_000_000), 1)
    .option('--name-prefix <text>', 'bot ids are <text><number>', 'bot-')
    .option('--seed <n>', 'same seed, same behaviour', whole(0, 2 ** 31 - 1), 1)
    .option('--time-scale <x>', 'how many times faster than life', between(0.1, maxTimeScale), 1)
    .option('--short-sku <sku>', 'this product is not on its shelf (repeatable)', several, [])
    .option('--short-rate <share>', 'share of items with one unit too few', share, 0)
    .option('--slow-rate <share>', 'share of tasks walked at a third of the speed', share, 0)
    .option('--crash-rate <share>', 'share of tasks during which the bot crashes and forgets all', share, 0)
    .option('--disconnect-rate <share>', 'share of tasks during which the connection is cut', share, 0)
    .addHelpText(
      'after',
      '\nExample:\n  $ mallbots bots --hub 127.0.0.1:7001 --count 50 --time-scale 10 --crash-rate 0.05',
    )
    .action(runBots);
}

interface BotsOptions {
  hub?: string;
  count: number;
  first: number;
  namePrefix: string;
  seed: number;
  timeScale: number;
  shortSku: string[];
  shortRate: number;
  slowRate: number;
  crashRate: number;
  disconnectRate: number;
}

async function runBots(options: BotsOptions): Promise<void> {
  const stop = stopSignal();
  const config = readConfig();
  const telemetry = createTelemetry({ role: 'bot', instanceId: newId(), ...config });
  const { hub = config.address.hub, count, first, namePrefix, seed, timeScale } = options;
  const fleet = startFleet({
    hub,
    count,
    firstNumber: first,
    namePrefix,
    seed,
    timeScale,
    faults: {
      shortSkus: options.shortSku,
      shortRate: options.shortRate,
      slowRate: options.slowRate,
      crashRate: options.crashRate,
      disconnectRate: options.disconnectRate,
    },
    tracer: telemetry.tracer,
    logger: telemetry.logger,
  });
  telemetry.logger.info({ hub, count }, 'fleet started');
  await aborted(stop);
  await fleet.stop(stop.reason === parentGone ? { deadlineMs: 0 } : {});
  telemetry.logger.info(fleet.stats(), 'fleet stopped');
  await telemetry.shutdown();
}
