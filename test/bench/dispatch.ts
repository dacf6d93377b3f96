import type { ConsumerCommands } from './consumers.ts';
import { atLeast, type Benchmark, type Figure, figure, median, type Surroundings } from './figure.ts';
import { openHubMall } from './hub-mall.ts';
import { Load } from './load.ts';
import { rawQueues } from './raw-queues.ts';
import type { RawServerCommands } from './raw-server.ts';
import { rawTransactionsPerSecond } from './raw-transactions.ts';
import { Worker } from './worker.ts';

const botCount = 500;
const tasksPerSecond = 150;
const roundMs = 5_000;
/** At the beginning of each round; does not count. */
const warmMs = 1_500;
const rounds = 3;

/** On an idle machine, ms. */
const latencyGoalsMs = { p50Ms: 5, p99Ms: 50 };
/** Beside the minimal path. */
const latencyGoal = 2;

const latencyNames = { p50Ms: 'dispatch latency, p50', p99Ms: 'dispatch latency, p99' } as const;

export const dispatchLatency: Benchmark = {
  names: Object.values(latencyNames),
  needsServers: true,
  run: measureLatency,
};

/** From the publishing of a task to its offer at a bot, both in one process, so that one clock measures both ends. */
async function measureLatency(around: Surroundings): Promise<Figure[]> {
  const { signal } = around;
  await using mall = await openHubMall(around);
  const { amqpUrl, namespace, databaseUrl } = mall;
  await using consumers = new Worker<ConsumerCommands>('consumers.ts', { signal });
  await consumers.call('attach', { amqpUrl, queues: mall.inboxes });
  await using tasks = await rawQueues(amqpUrl, `${namespace}.tasks`, 1);
  await using server = new Worker<RawServerCommands>('raw-server.ts', { signal, execArgv: ['--expose-gc'] });
  await server.call('dispatchFrom', { amqpUrl, queue: tasks.queues[0]!, databaseUrl });
  const rawAddress = await server.call('listen', { port: 0, maxStreams: 2 * botCount });

  await using bots = new Load(1, signal);
  await using rawBots = new Load(1, signal);
  await bots.muster({ hub: 'finish' }, mall.address, botCount);
  await rawBots.muster({ raw: 'dispatch' }, rawAddress, botCount);
  const [hub] = bots.workers;
  const [raw] = rawBots.workers;
  await hub!.call('openTasks', { amqpUrl, namespace });
  await raw!.call('openTasks', { amqpUrl, exchange: tasks.exchange });

  const load = { perSecond: tasksPerSecond, ms: roundMs, warmMs };
  const measured: Array<Record<'hub' | 'raw', { p50Ms: number; p99Ms: number }>> = [];
  for (let round = 0; round < rounds; round += 1) {
    measured.push({ hub: await hub!.call('latency', load), raw: await raw!.call('latency', load) });
  }
  return (['p50Ms', 'p99Ms'] as const).map((quantile) => {
    const of = (whose: 'hub' | 'raw') => median(measured.map((round) => round[whose][quantile]));
    const mostMs = latencyGoalsMs[quantile];
    return figure(
      latencyNames[quantile],
      'ms',
      { value: of('hub'), reference: of('raw'), referenceName: 'consume, two transactions, write' },
      {
        text: `<= ${latencyGoal}, and on an idle machine <= ${mostMs} ms`,
        met: (ratio, value) => ratio <= latencyGoal && value <= mostMs,
      },
    );
  });
}

const busyBots = 100;
const busyTasks = 1_500;
/** What the life of a task has to commit: taken in, offered, leased, done. */
const transactionsPerTask = 4;
const rateGoal = 0.5;

const rateName = 'dispatch rate';

export const dispatchRate: Benchmark = { names: [rateName], needsServers: true, run: measureRate };

/** Bots that are done with a task as soon as they have it, and more tasks than they can take at once. */
async function measureRate(around: Surroundings): Promise<Figure[]> {
  const { signal } = around;
  await using mall = await openHubMall(around);
  const { amqpUrl, namespace } = mall;
  await using consumers = new Worker<ConsumerCommands>('consumers.ts', { signal });
  await consumers.call('attach', { amqpUrl, queues: mall.inboxes });
  await using bots = new Load(1, signal);
  await bots.muster({ hub: 'finish' }, mall.address, busyBots);
  const [load] = bots.workers;
  await load!.call('openTasks', { amqpUrl, namespace });
  await load!.call('finishTasks', { count: busyTasks / 3 });
  const rates: number[] = [];
  const ceilings: number[] = [];
  for (let round = 0; round < rounds; round += 1) {
    rates.push(busyTasks / ((await load!.call('finishTasks', { count: busyTasks })) / 1_000));
    ceilings.push((await rawTransactionsPerSecond(mall.databaseUrl)) / transactionsPerTask);
  }
  return [
    figure(
      rateName,
      'tasks/s',
      {
        value: median(rates),
        reference: median(ceilings),
        referenceName: `two-statement transactions, ${transactionsPerTask} for each task`,
      },
      atLeast(rateGoal),
    ),
  ];
}
