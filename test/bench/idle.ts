import { pause } from '../../src/kit/backoff.ts';
import type { Muster } from './bots.ts';
import { atLeast, atMost, type Benchmark, type Figure, figure, type Surroundings } from './figure.ts';
import { openHubMall } from './hub-mall.ts';
import { Load } from './load.ts';
import type { RawServerCommands } from './raw-server.ts';
import type { Usage } from './usage.ts';
import { Worker } from './worker.ts';

const wantedBots = 10_000;
/** Processes that they come from. */
const loads = 2;
const firstBots = 100;
/** How long they beat before they are counted: longer than a lease, so that none is there only because nobody has looked. */
const settleMs = 12_000;
/** Open files of the hub that are no bots. */
const spareFiles = 500;

const names = ['idle bots on one hub', 'memory of an idle bot'] as const;
const memoryGoal = 1.4;

export const idleBots: Benchmark = { names, needsServers: true, run: measureIdle };

async function measureIdle(around: Surroundings): Promise<Figure[]> {
  const count = Math.min(wantedBots, openFilesLimit() - spareFiles);
  if (count < wantedBots) console.error(`only ${count} bots: the limit of open files (ulimit -n) has no room for more`);
  const raw = await ofRawServer(around, count);
  const hub = await ofHub(around, count);
  const kB = 1_024;
  return [
    figure(
      names[0],
      'bots',
      { value: hub.connected, reference: raw.connected, referenceName: 'raw streams' },
      atLeast(1),
    ),
    figure(
      names[1],
      'kB',
      { value: hub.bytesEach / kB, reference: raw.bytesEach / kB, referenceName: 'a raw stream that sends the same' },
      atMost(memoryGoal),
    ),
  ];
}

interface Idle {
  readonly connected: number;
  readonly bytesEach: number;
}

async function ofHub(around: Surroundings, count: number): Promise<Idle> {
  await using mall = await openHubMall(around);
  return await idle(around, count, mall.address, { hub: 'hold' }, () => mall.hub.call('usage', { collect: true }));
}

async function ofRawServer(around: Surroundings, count: number): Promise<Idle> {
  await using server = new Worker<RawServerCommands>('raw-server.ts', {
    signal: around.signal,
    execArgv: ['--expose-gc'],
  });
  const address = await server.call('listen', { port: 0, maxStreams: count });
  return await idle(around, count, address, { raw: 'hear' }, () => server.call('usage', { collect: true }));
}

/** The memory that `count` bots add to a server, each, when they have been there for a while. */
async function idle(
  { signal }: Surroundings,
  count: number,
  address: string,
  to: Muster['to'],
  usage: () => Promise<Usage>,
): Promise<Idle> {
  await using bots = new Load(loads, signal);
  // What the first ones load and compile is not theirs.
  await bots.muster(to, address, firstBots, 'first');
  const before = await usage();
  await bots.muster(to, address, count - firstBots, 'idle');
  await pause(settleMs, signal);
  signal.throwIfAborted();
  const connected = await bots.connected();
  const after = await usage();
  return { connected, bytesEach: (after.rss - before.rss) / (connected - firstBots) };
}

function openFilesLimit(): number {
  const { userLimits } = process.report.getReport() as { userLimits?: { open_files?: { hard: number | string } } };
  const limit = Number(userLimits?.open_files?.hard);
  return Number.isNaN(limit) ? Number.POSITIVE_INFINITY : limit;
}
