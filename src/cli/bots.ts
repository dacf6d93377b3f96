import { Command, InvalidArgumentError, Option } from 'commander';
import type { Logger } from 'pino';
import { startFleet } from '../../bots/simulator/fleet.ts';
import type { FleetEvent } from '../../bots/simulator/fleet-event.ts';
import { readConfig } from '../config.ts';
import { MallError } from '../contract/errors.ts';
import { newId } from '../contract/ids.ts';
import { makeDirectory } from '../kit/make-directory.ts';
import { aborted, parentGone, stopSignal } from '../runtime/stop-signal.ts';
import { createTelemetry } from '../telemetry/setup.ts';
import { between, hostPort, maxTimeScale, repeated, whole } from './arguments.ts';

/** Room for the number in the hub's 64 characters of a bot id. */
const maxPrefixChars = 56;

function prefix(text: string): string {
  if (/^([A-Za-z0-9][\w.-]*)?$/.test(text) && text.length <= maxPrefixChars) return text;
  throw new InvalidArgumentError(`give at most ${maxPrefixChars} of A-Z a-z 0-9 . _ -, a letter or digit first.`);
}

function hubs(text: string): string {
  for (const address of text.split(',')) hostPort(address.trim());
  return text;
}

const share = between(0, 1);

function severalRevisions(value: string, before: string[]): string[] {
  if (/^[a-z][a-z0-9_.]*@[1-9][0-9]*$|^sha256:[0-9a-f]{64}$/.test(value)) return repeated(value, before);
  throw new InvalidArgumentError('give a kind and number such as shop@2, or a digest.');
}

/** Bots of one process; a fleet beyond that wants several processes. The hub's own bound is 10,000 on one process. */
const maxBots = 10_000;

export function botsCommand(): Command {
  return new Command('bots')
    .description('run a fleet of simulated bots against a hub')
    .option('--hub <host:port>', 'the hub, or several with commas (default: MALLBOTS_HUB_ADDRESS)', hubs)
    .option('--count <n>', 'how many bots', whole(1, maxBots), 10)
    .option('--first <n>', 'number of the first bot', whole(1, 1_000_000), 1)
    .option('--name-prefix <text>', 'bot ids are <text><number>', prefix, 'bot-')
    .option('--seed <n>', 'same seed, same behaviour', whole(0, 2 ** 31 - 1), 1)
    .option('--time-scale <x>', 'how many times faster than life', between(0.1, maxTimeScale), 1)
    .addOption(
      new Option('--short-sku <sku>', 'this product is not on its shelf (repeatable)')
        .argParser(repeated)
        .default([], 'none'),
    )
    .option('--short-rate <share>', 'share of items with one unit too few', share, 0)
    .option('--slow-rate <share>', 'share of tasks walked at a third of the speed', share, 0)
    .option('--crash-rate <share>', 'share of tasks during which the bot crashes and forgets all', share, 0)
    .option('--disconnect-rate <share>', 'share of tasks during which the connection is cut', share, 0)
    .option('--generic', 'also do tasks of kinds that robots were not made for, by their descriptors')
    .addOption(
      new Option('--reject-kind <kind>', 'take no revision of this kind (repeatable)')
        .argParser(repeated)
        .default([], 'none'),
    )
    .addOption(
      new Option('--reject-revision <kind@n>', 'do not take this revision; a digest will do (repeatable)')
        .argParser(severalRevisions)
        .default([], 'none'),
    )
    .option('--reject-share <share>', 'share of bots that reject what is to be rejected', share, 1)
    .option('--state-directory <path>', 'keep what survives a kill -9 in a file per bot here')
    .addHelpText('after', '\nExample:\n  $ mallbots bots --count 50 --time-scale 10 --crash-rate 0.05')
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
  generic?: boolean;
  rejectKind: string[];
  rejectRevision: string[];
  rejectShare: number;
  stateDirectory?: string;
}

async function runBots(options: BotsOptions): Promise<void> {
  const stop = stopSignal();
  const config = readConfig();
  const telemetry = createTelemetry({ role: 'bot', instanceId: newId(), ...config });
  const { logger, tracer } = telemetry;
  const { hub = config.address.hub, count, first, namePrefix, seed, timeScale } = options;
  const { stateDirectory } = options;
  if (stateDirectory !== undefined) makeDirectory(stateDirectory);
  const watch = watchFleet(count, logger);
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
      rejectKinds: options.rejectKind,
      rejectRevisions: options.rejectRevision,
      rejectShare: options.rejectShare,
    },
    generic: options.generic ?? false,
    stateDirectory,
    tracer,
    logger,
    onEvent: watch.onEvent,
  });
  logger.info({ hub, count }, 'fleet started');
  try {
    await Promise.race([aborted(stop), watch.allRefused]);
  } finally {
    await fleet.stop(stop.reason === parentGone ? { deadlineMs: 0 } : {});
    logger.info(fleet.stats(), 'fleet stopped');
    await telemetry.shutdown();
  }
}

/** One line at most in this time says who is kept out: a fleet whose hub is away says it for every bot and try. */
const keptOutEveryMs = 5_000;

/** Says that the whole fleet is connected, who is kept out and why; `allRefused` rejects when the hub will never have any of the bots. */
function watchFleet(count: number, logger: Logger) {
  const connected = new Set<string>();
  const refused = new Set<string>();
  const { promise: allRefused, reject } = Promise.withResolvers<never>();
  let nextReportAt = 0;
  const onEvent = (event: FleetEvent) => {
    if (event.type === 'connected' && !connected.has(event.botId)) {
      connected.add(event.botId);
      if (connected.size === count) logger.info({ count }, 'every bot is connected');
    }
    if (event.type === 'kept_out' && Date.now() >= nextReportAt) {
      nextReportAt = Date.now() + keptOutEveryMs;
      logger.warn({ botId: event.botId, reason: event.reason }, 'kept out by the hub; trying again');
    }
    if (event.type === 'refused') {
      refused.add(event.botId);
      if (refused.size === count) reject(new MallError('FAILED_PRECONDITION', event.error.message));
    }
  };
  return { onEvent, allRefused };
}
