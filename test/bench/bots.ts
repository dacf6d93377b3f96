import type { Position, SchemaRef } from '../../src/gen/fleet/v1/fleet.ts';
import type { Bot } from './bot.ts';
import { closedLoop, type Pace } from './closed-loop.ts';
import { Fleet } from './fleet.ts';
import { near, type Step, shopSchema } from './frames.ts';
import { type BotEvents, HubBot, type Work } from './hub-bot.ts';
import { Lessons } from './lessons.ts';
import { RawServerBot } from './raw-bot.ts';
import type { rawMethods } from './raw-stream.ts';
import { Reporting, type Told } from './reporting.ts';
import { type Latency, TaskLoad } from './task-load.ts';
import { mallTasks, rawTasks } from './tasks.ts';
import { usage } from './usage.ts';
import { serve } from './worker.ts';

export interface Muster {
  readonly address: string;
  /** Bot ids are the prefix and a number. */
  readonly prefix: string;
  readonly count: number;
  readonly to: ToHub | { readonly raw: keyof typeof rawMethods };
}

export interface ToHub {
  readonly hub: Work;
  /** Of each bot one, in turn; by default what the program was built with. */
  readonly schemas?: readonly SchemaRef[];
  readonly learns?: boolean;
  readonly position?: Position;
}

const fleet = new Fleet();
const tasks = new TaskLoad();
const lessons = new Lessons();
let reporting: Reporting | undefined;

const events: BotEvents = {
  offered: (taskId) => tasks.offered(taskId),
  finished: () => tasks.finished(),
  applied: (digest) => lessons.applied(digest),
};

function hubBot(botId: string, { hub, schemas = [shopSchema], learns = false, position = near }: ToHub, index: number) {
  return new HubBot({ botId, work: hub, schema: schemas[index % schemas.length]!, learns, position }, events);
}

const atWork = () => (fleet.bots as readonly Bot[]).filter((bot) => bot instanceof HubBot && bot.leased) as HubBot[];

/** The load: bots in a process of their own, all to a hub or all to the raw server. */
const commands = {
  usage,

  async muster({ address, prefix, count, to }: Muster): Promise<void> {
    const make = (index: number) =>
      'hub' in to ? hubBot(`${prefix}-${index}`, to, index) : new RawServerBot(to.raw, tasks);
    await fleet.muster(
      Array.from({ length: count }, (_, index) => make(index)),
      address,
    );
  },

  connected: async (_: undefined): Promise<number> => fleet.connected,

  back: ({ sinceMs }: { sinceMs: number }): Promise<number> => fleet.back(sinceMs),

  async roundTrips({ ms, step, sampled }: { ms: number; step: Step; sampled: boolean }): Promise<Pace> {
    for (const bot of fleet.bots) bot.says(step, sampled);
    return closedLoop(fleet.bots, ms);
  },

  async openTasks(at: { amqpUrl: string } & ({ namespace: string } | { exchange: string })): Promise<void> {
    tasks.open('namespace' in at ? await mallTasks(at.amqpUrl, at.namespace) : await rawTasks(at.amqpUrl, at.exchange));
  },

  requestTasks: ({ count }: { count: number }): Promise<void> => tasks.ask(count),

  atWork: async (_: undefined): Promise<number> => atWork().length,

  /** Resolves when as many bots of this process have applied the revision, with the time of the last one's word; ms since 1970. */
  learnt: ({ digest, count }: { digest: string; count: number }): Promise<number> => lessons.learnt(digest, count),

  latency: (load: { perSecond: number; ms: number; warmMs: number }): Promise<Latency> => tasks.latency(load),

  /** Asks for `count` tasks at once; how long it takes until all are done, ms. */
  async finishTasks({ count }: { count: number }): Promise<number> {
    const startedAt = performance.now();
    await Promise.all([tasks.done(count), tasks.ask(count)]);
    return performance.now() - startedAt;
  },

  async startReporting({ everyMs }: { everyMs: number }): Promise<void> {
    reporting = new Reporting(atWork(), everyMs);
  },

  /** Resolves when all that was reported is acknowledged, and the tasks of those who still have one are done. */
  async stopReporting(_: undefined): Promise<Told & { taskIds: string[]; abandoned: number }> {
    const told = await reporting!.stop();
    const working = atWork();
    const done = tasks.done(working.length);
    const taskIds = working.map((bot) => bot.finish());
    await done;
    const abandoned = fleet.bots.filter((bot) => bot instanceof HubBot && bot.isAbandoned).length;
    return { ...told, taskIds, abandoned };
  },
};

export type BotCommands = typeof commands;

serve(commands);
