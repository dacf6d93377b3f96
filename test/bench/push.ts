import { trace } from '@opentelemetry/api';
import { RegistryService } from '../../src/gen/protocol/v1/protocol.ts';
import { pause } from '../../src/kit/backoff.ts';
import { connectClient } from '../../src/rpc/client.ts';
import type { ConsumerCommands } from './consumers.ts';
import { atMost, type Benchmark, type Figure, figure, median, type Surroundings } from './figure.ts';
import { far, near } from './frames.ts';
import { openHubMall } from './hub-mall.ts';
import { Load } from './load.ts';
import type { RawServerCommands } from './raw-server.ts';
import { descriptorsOf } from './seed-revisions.ts';
import { Worker } from './worker.ts';

/** Of all bots, those that tasks come to: in a process of their own, so that what the others hear does not delay what is measured there. */
const nearBots = 500;
const farBots = 4_500;
const tasksPerSecond = 100;
/** Longer than a push may take. */
const roundMs = 5_000;
const warmMs = 1_000;
/** The hub's heap is collected whole once in a minute or more, which falls into one of these at most. */
const rounds = 5;

const goalSeconds = 5;
const latencyGoal = 2;
/** A busy machine takes long over a check, ms. */
const deadlineMs = 60_000;

const names = [
  `push of a revision to ${(nearBots + farBots).toLocaleString('en')} bots`,
  'dispatch latency during a push, p99',
] as const;

export const push: Benchmark = { names, needsServers: true, run: measurePush };

async function measurePush(around: Surroundings): Promise<Figure[]> {
  const raw = await ofRawServer(around);
  const { seconds, pushedP99Ms, quietP99Ms } = await ofHub(around);
  return [
    figure(
      names[0],
      's',
      { value: seconds, reference: raw, referenceName: 'the same bytes and answers over raw streams' },
      { text: `< ${goalSeconds} s`, met: (_, value) => value < goalSeconds },
    ),
    figure(
      names[1],
      'ms',
      { value: pushedP99Ms, reference: quietP99Ms, referenceName: 'the same bots without a push' },
      atMost(latencyGoal),
    ),
  ];
}

async function ofRawServer({ signal }: Surroundings): Promise<number> {
  await using server = new Worker<RawServerCommands>('raw-server.ts', { signal, execArgv: ['--expose-gc'] });
  const address = await server.call('listen', { port: 0, maxStreams: nearBots + farBots });
  await using bots = new Load(1, signal);
  await bots.muster({ raw: 'teach' }, address, nearBots + farBots);
  const seconds: number[] = [];
  for (let round = 0; round < rounds; round += 1) {
    const startedAt = performance.now();
    await server.call('push', { bytes: descriptorsOf(['note']) });
    seconds.push((performance.now() - startedAt) / 1_000);
  }
  return median(seconds);
}

async function ofHub(around: Surroundings) {
  const { signal } = around;
  await using mall = await openHubMall(around);
  const { amqpUrl, namespace, address } = mall;
  await using consumers = new Worker<ConsumerCommands>('consumers.ts', { signal, yields: true });
  await consumers.call('attach', { amqpUrl, queues: mall.inboxes });
  await using atWork = new Load(1, signal);
  await using others = new Load(1, signal, { yields: true });
  await atWork.muster({ hub: 'finish', learns: true, position: near }, address, nearBots, 'near');
  await others.muster({ hub: 'finish', learns: true, position: far }, address, farBots, 'far');
  const [working] = atWork.workers;
  const [listening] = others.workers;
  await working!.call('openTasks', { amqpUrl, namespace });
  using registry = registryAt(address);

  const load = { perSecond: tasksPerSecond, ms: roundMs, warmMs };
  const measured: Array<{ seconds: number; pushedP99Ms: number; quietP99Ms: number }> = [];
  for (let round = 0; round < rounds; round += 1) {
    const { p99Ms: quietP99Ms } = await working!.call('latency', load);
    const notes = Array.from({ length: round + 1 }, (_, index) => `note_${index}`);
    const digest = await registry.publish(descriptorsOf(notes));
    const learnt = [
      working!.call('learnt', { digest, count: nearBots }),
      listening!.call('learnt', { digest, count: farBots }),
    ];
    const activated = async () => {
      await pause(warmMs, signal);
      const atMs = performance.timeOrigin + performance.now();
      await registry.activate(digest);
      return atMs;
    };
    const [{ p99Ms: pushedP99Ms }, startedAtMs, ...learntAtMs] = await Promise.all([
      working!.call('latency', load),
      activated(),
      ...learnt,
    ]);
    measured.push({ seconds: (Math.max(...learntAtMs) - startedAtMs) / 1_000, quietP99Ms, pushedP99Ms });
  }
  const of = (what: keyof (typeof measured)[number]) => median(measured.map((round) => round[what]));
  return { seconds: of('seconds'), pushedP99Ms: of('pushedP99Ms'), quietP99Ms: of('quietP99Ms') };
}

/** The registry as `mallbots protocol` speaks to it: with the check, and with the version that a change is based on. */
function registryAt(address: string): Disposable & {
  publish(fileDescriptorSet: Buffer): Promise<string>;
  activate(digest: string): Promise<void>;
} {
  const { api, close } = connectClient(RegistryService, address, { tracer: trace.getTracer('bench') });
  const kind = 'shop';
  const author = { by: 'bench', reason: 'a bench' };
  return {
    async publish(fileDescriptorSet) {
      const request = { kind, fileDescriptorSet, sources: [], draft: false, ...author };
      const { revision, violations } = await api.publish(request, { deadlineMs });
      if (!revision) throw new Error(`the revision was refused: ${violations[0]?.what}`);
      return revision.digest;
    },
    async activate(digest) {
      const basedOn = (await api.list({ kind }, { deadlineMs })).kinds[0]!.version;
      await api.activate({ digest, basedOn, ...author }, { deadlineMs });
    },
    [Symbol.dispose]: close,
  };
}
