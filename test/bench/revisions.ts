import { pause } from '../../src/kit/backoff.ts';
import type { ConsumerCommands } from './consumers.ts';
import { atLeast, type Benchmark, type Figure, figure, median, type Surroundings } from './figure.ts';
import { shopSchema } from './frames.ts';
import { type HubMall, openHubMall } from './hub-mall.ts';
import { Load } from './load.ts';
import { descriptorsOf, seedRevisions } from './seed-revisions.ts';
import { Worker } from './worker.ts';

const botCount = 100;
/** Of one kind, all ACTIVE, each in use by some of the bots. */
const liveRevisions = 50;
const rounds = 9;
const roundMs = 1_500;
const progressGoal = 0.95;

const progressName = `durable progress with ${liveRevisions} live revisions`;

export const manyRevisions: Benchmark = { names: [progressName], needsServers: true, run: measureProgress };

/** Two malls side by side, one of which has many revisions, take turns: what else the machine does meets both alike. */
async function measureProgress(around: Surroundings): Promise<Figure[]> {
  await using resources = new AsyncDisposableStack();
  const one = await reporting(around, resources, 1);
  const many = await reporting(around, resources, liveRevisions);
  const rates: Record<'one' | 'many', number[]> = { one: [], many: [] };
  for (let round = 0; round < rounds; round += 1) {
    // Who comes first changes, since one round of a busy machine is not like the next.
    const turns = [['one', one] as const, ['many', many] as const];
    for (const [key, measure] of round % 2 === 0 ? turns : turns.reverse()) {
      const rate = await measure();
      // The first round warms up.
      if (round > 0) rates[key].push(rate);
    }
  }
  const measured = {
    value: median(rates.many),
    reference: median(rates.one),
    referenceName: 'the same with one revision',
  };
  return [figure(progressName, 'reports/s', measured, atLeast(progressGoal))];
}

/** Bots with a task each at a hub of their own; answers with what measures how much they report a second. */
async function reporting(
  around: Surroundings,
  resources: AsyncDisposableStack,
  revisions: number,
): Promise<() => Promise<number>> {
  const { signal } = around;
  const mall = resources.use(await openHubMall(around));
  const { amqpUrl, namespace, databaseUrl } = mall;
  const notes = Array.from({ length: revisions - 1 }, (_, index) => `note_${index}`);
  // Each has what the one before it has, and one thing more.
  const sets = notes.map((_, index) => descriptorsOf(notes.slice(0, index + 1)));
  const schemas = [shopSchema, ...(await seedRevisions(databaseUrl, sets))];
  // A hub reads the registry when it starts.
  await mall.restart();
  const consumers = resources.use(new Worker<ConsumerCommands>('consumers.ts', { signal }));
  await consumers.call('attach', { amqpUrl, queues: mall.inboxes });
  const bots = resources.use(new Load(1, signal));
  await bots.muster({ hub: 'hold', schemas }, mall.address, botCount);
  await bots.occupy({ amqpUrl, namespace }, botCount);
  return async () =>
    (await bots.workers[0]!.call('roundTrips', { ms: roundMs, step: 'stop', sampled: true })).perSecond;
}

const memoryName = 'memory of a revision in a hub';
const firstRevisions = 50;
const moreRevisions = 300;
/** Longer than the hub's poll of the registry and what it makes of it, ms. */
const settleMs = 6_000;

export const revisionMemory: Benchmark = { names: [memoryName], needsServers: true, run: measureMemory };

async function measureMemory(around: Surroundings): Promise<Figure[]> {
  await using mall = await openHubMall(around);
  const sets = Array.from({ length: firstRevisions + moreRevisions }, (_, index) => descriptorsOf([`note_${index}`]));
  const kept = await heapAfter(around, mall, sets.slice(0, firstRevisions));
  const more = sets.slice(firstRevisions);
  const keptWithMore = await heapAfter(around, mall, more);
  const bytes = more.reduce((sum, { length }) => sum + length, 0);
  const kB = 1_024;
  const measured = {
    value: (keptWithMore - kept) / more.length / kB,
    reference: bytes / more.length / kB,
    referenceName: 'its descriptors, which every bot is sent',
  };
  return [figure(memoryName, 'kB', measured)];
}

/** What the hub keeps in memory when it knows these revisions too. */
async function heapAfter({ signal }: Surroundings, mall: HubMall, sets: readonly Uint8Array[]): Promise<number> {
  await seedRevisions(mall.databaseUrl, sets);
  await pause(settleMs, signal);
  signal.throwIfAborted();
  return (await mall.hub.call('usage', { collect: true })).heap;
}
