import { newId } from '../../src/contract/ids.ts';
import type { ConsumerCommands } from './consumers.ts';
import { atLeast, type Benchmark, type Figure, figure, median, type Surroundings } from './figure.ts';
import { progressFrame, type Step } from './frames.ts';
import { openHubMall } from './hub-mall.ts';
import { Load } from './load.ts';
import type { PublisherCommands } from './raw-publisher.ts';
import { type RawQueues, rawQueues } from './raw-queues.ts';
import type { RawServerCommands } from './raw-server.ts';
import type { Usage } from './usage.ts';
import { Worker } from './worker.ts';

/** Each with one report under way: what is in flight. */
const botCount = 100;
/** Of the raw publisher: what saturates a broker on a small machine. */
const publishesInFlight = 256;
/** In each, everything is measured once, one after the other, so that what else the machine does meets all alike. The first one warms up. */
const rounds = 4;
const roundMs = 2_000;
/** Tracing costs at most 15 %. */
const tracedGoal = 0.85;

const names = [
  'durable progress',
  'durable progress, four queues',
  'durable progress, traced beside untraced',
  'durable progress beside gRPC alone',
  'durable progress beside RabbitMQ alone',
  'processor time of a report',
] as const;

export const progressBenchmark: Benchmark = { names, needsServers: true, run: measureProgress };

/** One measurement: how many a second, and what the measured process spent on each. */
interface Sample {
  readonly perSecond: number;
  readonly cpuUs: number;
}

/** What is measured in each round, in this order. */
type Measures = Record<
  'echo' | 'publish' | 'minimal' | 'hub' | 'minimalFour' | 'hubFour' | 'untraced',
  () => Promise<Sample>
>;

async function measureProgress(around: Surroundings): Promise<Figure[]> {
  await using resources = new AsyncDisposableStack();
  const measures = await prepare(around, resources);
  const samples = new Map<string, Sample[]>(Object.keys(measures).map((key) => [key, []]));
  for (let round = 0; round < rounds; round += 1) {
    for (const [key, measure] of Object.entries(measures)) {
      const sample = await measure();
      if (round > 0) samples.get(key)!.push(sample);
    }
  }
  const of = (key: keyof Measures, what: keyof Sample = 'perSecond') =>
    median(samples.get(key)!.map((sample) => sample[what]));
  const unit = 'reports/s';
  const value = of('hub');
  const minimal = 'an echo server that answers when its publish is confirmed';
  const inFlight = `confirmed publishes, ${publishesInFlight} in flight`;
  return [
    figure(names[0], unit, { value, reference: of('minimal'), referenceName: minimal }, atLeast(1)),
    figure(
      names[1],
      unit,
      { value: of('hubFour'), reference: of('minimalFour'), referenceName: `${minimal} by four queues` },
      atLeast(1),
    ),
    figure(
      names[2],
      unit,
      { value, reference: of('untraced'), referenceName: 'the same with traces that are not sampled' },
      atLeast(tracedGoal),
    ),
    figure(names[3], unit, { value, reference: of('echo'), referenceName: 'an echo server' }),
    figure(names[4], unit, { value, reference: of('publish'), referenceName: inFlight }),
    figure(names[5], 'us', { value: of('hub', 'cpuUs'), reference: of('minimal', 'cpuUs'), referenceName: minimal }),
  ];
}

async function prepare(around: Surroundings, resources: AsyncDisposableStack): Promise<Measures> {
  const { signal } = around;
  const mall = resources.use(await openHubMall(around));
  const { amqpUrl, namespace } = mall;
  const one = resources.use(await rawQueues(amqpUrl, `${namespace}.one`, 1));
  const four = resources.use(await rawQueues(amqpUrl, `${namespace}.four`, 4));
  // The minimal path has the consumers that the hub has: what it lacks is protobuf, sessions and traces.
  const consumers = resources.use(new Worker<ConsumerCommands>('consumers.ts', { signal }));
  await consumers.call('attach', { amqpUrl, queues: [...mall.inboxes, ...one.queues, ...four.queues] });
  const server = resources.use(new Worker<RawServerCommands>('raw-server.ts', { signal, execArgv: ['--expose-gc'] }));
  await server.call('publishTo', { amqpUrl, exchange: one.exchange });
  const rawAddress = await server.call('listen', { port: 0, maxStreams: 2 * botCount });
  const publisher = resources.use(new Worker<PublisherCommands>('raw-publisher.ts', { signal }));

  const load = async (to: Parameters<Load['muster']>[0], address: string) => {
    const bots = resources.use(new Load(1, signal));
    await bots.muster(to, address, botCount);
    return bots;
  };
  const echoing = await load({ raw: 'echo' }, rawAddress);
  const confirming = await load({ raw: 'publish' }, rawAddress);
  const reporting = await load({ hub: 'hold' }, mall.address);
  await reporting.occupy({ amqpUrl, namespace }, botCount);

  const bytes = progressFrame({ taskId: newId(), fence: 1 }, 'item', true).length;
  const roundTrips = async (bots: Load, usage: () => Promise<Usage>, step: Step, sampled = true): Promise<Sample> => {
    const before = await usage();
    const { perSecond, count } = await bots.workers[0]!.call('roundTrips', { ms: roundMs, step, sampled });
    const after = await usage();
    return { perSecond, cpuUs: ((after.cpuMs - before.cpuMs) * 1_000) / count };
  };
  const ofServer = () => server.call('usage', { collect: false });
  const ofHub = () => mall.hub.call('usage', { collect: false });
  const confirmed = async (by: RawQueues, step: Step) => {
    await server.call('publishTo', { amqpUrl, exchange: by.exchange });
    return roundTrips(confirming, ofServer, step);
  };
  return {
    echo: () => roundTrips(echoing, ofServer, 'stop'),
    async publish() {
      const { exchange } = one;
      const load = { amqpUrl, exchange, bytes, inFlight: publishesInFlight, ms: roundMs };
      const { perSecond } = await publisher.call('publish', load);
      return { perSecond, cpuUs: Number.NaN };
    },
    minimal: () => confirmed(one, 'stop'),
    hub: () => roundTrips(reporting, ofHub, 'stop'),
    minimalFour: () => confirmed(four, 'item'),
    hubFour: () => roundTrips(reporting, ofHub, 'item'),
    untraced: () => roundTrips(reporting, ofHub, 'stop', false),
  };
}
