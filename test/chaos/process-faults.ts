import { roleNames } from '../../src/runtime/roles.ts';
import { until } from './cast.ts';
import { choose, during, type Fault, lossLeases } from './fault.ts';
import { flood } from './flood.ts';
import { guessCode } from './guess-code.ts';
import { reportLate } from './late-bot.ts';
import type { ChaosMall } from './mall.ts';

const services = roleNames.filter((role) => role !== 'hub');
/** Every second task goes to either hub: one of so many does go to this one. */
const ordersMeanwhile = 6;
const hubNames = ({ wires }: ChaosMall) => wires.hubs.map(({ name }) => name);

const hubKilled: Fault = {
  name: 'hub killed',
  keepsTasks: true,
  async inflict({ cast, wires, signal }) {
    const { name, bots } = wires.busiest;
    const hit = `${name}, with ${bots.connections} bots`;
    await cast.end(name, 'SIGKILL', signal);
    return hit;
  },
};

const hubsKilled: Fault = {
  name: 'hubs killed',
  async inflict(mall) {
    const { cast, signal } = mall;
    await Promise.all(hubNames(mall).map((name) => cast.end(name, 'SIGKILL', signal)));
    return hubNames(mall).join(', ');
  },
};

const hubDrained: Fault = {
  name: 'hub drained',
  keepsTasks: true,
  async inflict({ cast, wires, signal }) {
    const { name, bots } = wires.busiest;
    const hit = `${name}, with ${bots.connections} bots`;
    await cast.end(name, 'SIGTERM', signal);
    return hit;
  },
};

/** As at the delivery of a new version. */
const hubsRolled: Fault = {
  name: 'hubs drained one after the other',
  keepsTasks: true,
  async inflict(mall) {
    for (const { name } of mall.wires.hubs) {
      await mall.cast.end(name, 'SIGTERM', mall.signal);
      await until(`${name} serves again`, () => mall.isServing(name), mall.signal);
    }
    return hubNames(mall).join(', ');
  },
};

/** Others have to go on without it, and what it has in hand when it goes on is out of date. */
const hubFrozen: Fault = {
  name: 'hub frozen',
  async inflict(mall) {
    const { cast, crowd, leaseMs, signal } = mall;
    const { name, bots } = mall.wires.busiest;
    const hit = `${name}, with ${bots.connections} bots`;
    const frozenAtMs = performance.now();
    await during(
      mall,
      lossLeases * leaseMs,
      () => cast.freeze(name),
      () => until('an order is served though a hub is frozen', () => crowd.hasServed(frozenAtMs), signal),
    );
    return hit;
  },
};

/** Nobody is awake to judge the bots, which go on working all the time. */
const hubsFrozen: Fault = {
  name: 'hubs frozen',
  keepsTasks: true,
  async inflict(mall) {
    await during(mall, lossLeases * mall.leaseMs, () => {
      for (const name of hubNames(mall)) mall.cast.freeze(name);
    });
    return hubNames(mall).join(', ');
  },
};

const serviceKilled: Fault = {
  name: 'service killed',
  async inflict({ cast, signal }, pick) {
    const name = choose(services, pick);
    await cast.end(name, 'SIGKILL', signal);
    return name;
  },
};

const serviceDrained: Fault = {
  name: 'service drained',
  async inflict({ cast, signal }, pick) {
    const name = choose(services, pick);
    await cast.end(name, 'SIGTERM', signal);
    return name;
  },
};

/** What they hold unsaid in memory while `server` is away must not matter. */
const servicesKilledWhileCutOff = (server: 'database' | 'broker'): Fault => ({
  name: `services killed while cut off from the ${server}`,
  async inflict(mall) {
    const { cast, wires, signal } = mall;
    await during(
      mall,
      mall.leaseMs / 2,
      () => wires.services[server].refuse(),
      async () => {
        await Promise.all(services.map((name) => cast.end(name, 'SIGKILL', signal)));
      },
    );
    return services.join(', ');
  },
});

/** Orders that come meanwhile bring tasks to it that it cannot store. */
const hubKilledWhileCutOff: Fault = {
  name: 'hub killed while cut off from the database',
  async inflict(mall) {
    const { cast, crowd, signal } = mall;
    const { name, database } = mall.wires.busiest;
    const placed = crowd.placed;
    await during(
      mall,
      0,
      () => database.refuse(),
      async () => {
        await until('orders are placed', () => crowd.placed >= placed + ordersMeanwhile, signal);
        await mall.pass(mall.leaseMs / 4);
        await cast.end(name, 'SIGKILL', signal);
      },
    );
    return name;
  },
};

/** Its bots have said much by then that is not acknowledged. */
const hubKilledUnconfirmed: Fault = {
  name: 'hub killed before the broker confirms',
  async inflict(mall) {
    const { name, broker } = mall.wires.busiest;
    await during(
      mall,
      mall.leaseMs / 2,
      () => broker.blackhole('up'),
      async () => {
        await mall.cast.end(name, 'SIGKILL', mall.signal);
        // What the dead process had on the wire is gone with it.
        broker.cut();
      },
    );
    return name;
  },
};

const botsKilled: Fault = {
  name: 'bots killed',
  async inflict({ cast, signal }, pick) {
    const name = choose(cast.named('bots'), pick);
    await cast.end(name, 'SIGKILL', signal);
    return name;
  },
};

/** Others have to take over while they are away; then they come back and believe that nothing has happened. */
const botsFrozen: Fault = {
  name: 'bots frozen',
  async inflict(mall, pick) {
    const { cast, fleet, signal } = mall;
    const name = choose(cast.named('bots'), pick);
    const botIds = mall.botIdsOf(name);
    await during(mall, 0, async () => {
      cast.freeze(name);
      const isRid = async () => {
        const tasks = await fleet.openTasks();
        return tasks !== undefined && !tasks.some(({ botId, state }) => botIds.includes(botId) && state !== 'QUEUED');
      };
      await until(`the tasks of ${name}, which is frozen, go to other bots`, isRid, signal);
    });
    return name;
  },
};

const botFlooding: Fault = {
  name: 'bot flooding',
  keepsTasks: true,
  async inflict(mall) {
    const hub = mall.wires.busiest;
    const { frames, endings } = await flood(hub.listen, mall.leaseMs, mall.signal);
    return `${hub.name}, with ${frames} frames; ${endings} streams of it were ended`;
  },
};

/** Of a make that takes no verdict for an answer: what it says must not count, though its task is under way. */
const lostBotReports: Fault = {
  name: 'lost bot reports late',
  async inflict(mall) {
    const hub = mall.wires.busiest;
    const said = await reportLate(mall, hub.listen);
    return `${hub.name}, ${said}`;
  },
};

const codeGuessed: Fault = { name: 'pickup code guessed', inflict: guessCode };

export const processFaults: readonly Fault[] = [
  hubKilled,
  hubsKilled,
  hubDrained,
  hubsRolled,
  hubFrozen,
  hubsFrozen,
  hubKilledWhileCutOff,
  hubKilledUnconfirmed,
  serviceKilled,
  serviceDrained,
  servicesKilledWhileCutOff('database'),
  servicesKilledWhileCutOff('broker'),
  botsKilled,
  botsFrozen,
  botFlooding,
  lostBotReports,
  codeGuessed,
];
