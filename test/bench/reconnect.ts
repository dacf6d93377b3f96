import { inboxOf } from '../../src/contract/topology.ts';
import { pause } from '../../src/kit/backoff.ts';
import type { ConsumerCommands } from './consumers.ts';
import { type Benchmark, type Figure, figure, type Surroundings } from './figure.ts';
import { openHubMall } from './hub-mall.ts';
import { Load } from './load.ts';
import type { RawServerCommands } from './raw-server.ts';
import { Worker } from './worker.ts';

const botCount = 5_000;
/** Processes that they come from. */
const loads = 2;
/** Bots that have a task, and report about it all the time. */
const workingCount = 200;
const reportEveryMs = 200;
/** For the last messages to reach the consumers, ms. */
const hearMs = 10_000;
const lookEveryMs = 200;

const name = 'reconnect of 5,000 bots';
const cpuName = 'processor time of the hub until 5,000 bots are back';
const goalSeconds = 10;

export const reconnect: Benchmark = { names: [name, cpuName], needsServers: true, run: measureReconnect };

async function measureReconnect(around: Surroundings): Promise<Figure[]> {
  const reference = await ofRawServer(around);
  const { seconds, flaws, hubSeconds, botSeconds } = await ofHub(around);
  for (const flaw of flaws) console.error(`${name}: ${flaw}`);
  return [
    figure(
      name,
      's',
      { value: seconds, reference, referenceName: 'raw streams, their server killed and started again' },
      {
        text: `< ${goalSeconds} s, nothing lost or doubled`,
        met: (_, value) => value < goalSeconds && flaws.length === 0,
      },
    ),
    // They share the machine's processors: what the load takes, the hub has to wait for.
    figure(cpuName, 's', {
      value: hubSeconds,
      reference: botSeconds,
      referenceName: 'of the bots, on the same machine',
    }),
  ];
}

async function ofRawServer({ signal }: Surroundings): Promise<number> {
  await using servers = new AsyncDisposableStack();
  const start = () =>
    servers.use(new Worker<RawServerCommands>('raw-server.ts', { signal, execArgv: ['--expose-gc'] }));
  const server = start();
  const address = await server.call('listen', { port: 0, maxStreams: botCount });
  await using bots = new Load(loads, signal);
  await bots.muster({ raw: 'hear' }, address, botCount);
  return await bots.secondsToReturn(async () => {
    await server.end();
    await start().call('listen', { port: Number(address.split(':')[1]), maxStreams: botCount });
  });
}

async function ofHub(
  around: Surroundings,
): Promise<Record<'seconds' | 'hubSeconds' | 'botSeconds', number> & { flaws: string[] }> {
  const { signal } = around;
  await using mall = await openHubMall(around);
  const { amqpUrl, namespace } = mall;
  await using consumers = new Worker<ConsumerCommands>('consumers.ts', { signal });
  const kiosk = `${namespace}.${inboxOf('kiosk')}`;
  await consumers.call('attach', { amqpUrl, queues: mall.inboxes.filter((queue) => queue !== kiosk) });
  await consumers.call('record', { amqpUrl, namespace });
  await using bots = new Load(loads, signal);
  await bots.muster({ hub: 'hold' }, mall.address, botCount);
  await bots.occupy({ amqpUrl, namespace }, workingCount);
  await bots.startReporting(reportEveryMs);
  const botMsBefore = await bots.cpuMs();
  const seconds = await bots.secondsToReturn(() => mall.restart());
  const botSeconds = ((await bots.cpuMs()) - botMsBefore) / 1_000;
  // A new process: all that it has used.
  const hubSeconds = (await mall.hub.call('usage', { collect: false })).cpuMs / 1_000;
  const told = await bots.stopReporting();
  return { seconds, hubSeconds, botSeconds, flaws: await flawsOf(told, consumers, signal) };
}

type Told = Awaited<ReturnType<Load['stopReporting']>>;

/** What of that which the bots told was lost, told otherwise or told twice, in words; nothing when all is well. */
async function flawsOf(told: Told, consumers: Worker<ConsumerCommands>, signal: AbortSignal): Promise<string[]> {
  const giveUpAt = performance.now() + hearMs;
  const sent = new Set(told.sent);
  for (;;) {
    const heard = await consumers.call('recorded', undefined);
    const ids = new Set(heard.map(({ id }) => id));
    const named = (name: string) => heard.filter((event) => event.name === name);
    const done = Map.groupBy(named('bots.task_succeeded'), ({ taskId }) => taskId);
    const flaws = [
      [told.acknowledged.filter((id) => !ids.has(id)).length, 'acknowledged reports were lost'],
      [named('bots.stop_reached').filter(({ id }) => !sent.has(id)).length, 'reports were heard that nobody sent'],
      [told.taskIds.filter((taskId) => done.get(taskId)?.length !== 1).length, 'tasks were not done exactly once'],
      [told.abandoned, 'bots lost their task'],
      [named('bots.task_lost').length, 'tasks had to be tried again'],
    ] as const;
    const found = flaws.filter(([count]) => count !== 0).map(([count, what]) => `${count} ${what}`);
    if (found.length === 0 || performance.now() > giveUpAt) return found;
    await pause(lookEveryMs, signal);
    signal.throwIfAborted();
  }
}
