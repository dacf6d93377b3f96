import type { TcpProxy } from '../support/tcp-proxy.ts';
import { until } from './cast.ts';
import { doubtLeases, during, type Fault, lossLeases } from './fault.ts';
import type { ChaosMall } from './mall.ts';

type Disturb = (wire: TcpProxy) => void | Promise<void>;

/** More than the way across a continent; a handshake of gRPC takes three. */
const slowMs = 300;
/** A radio link at the edge of its reach. */
const trickleBytesPerSecond = 2_000;

const cut: Disturb = (wire) => wire.cut();
const hangUp: Disturb = (wire) => wire.hangUp();
const refuse: Disturb = (wire) => wire.refuse();
const delay: Disturb = (wire) => wire.delay(slowMs);
const trickle: Disturb = (wire) => wire.trickle(trickleBytesPerSecond);
const silence: Disturb = (wire) => wire.blackhole();
const silenceUp: Disturb = (wire) => wire.blackhole('up');
const silenceDown: Disturb = (wire) => wire.blackhole('down');

/** On the way between the busiest hub and its bots. */
const bots = (name: string, leases: number, disturb: Disturb, more: Partial<Fault> = {}): Fault => ({
  name,
  ...more,
  async inflict(mall) {
    const { name, bots } = mall.wires.busiest;
    const hit = `${name}, with ${bots.connections} bots`;
    await during(mall, leases * mall.leaseMs, () => disturb(bots));
    return hit;
  },
});

/** On the way of the busiest hub to a server. */
const hub = (server: 'database' | 'broker', name: string, leases: number, disturb: Disturb): Fault => ({
  name,
  async inflict(mall) {
    const hit = mall.wires.busiest;
    await during(mall, leases * mall.leaseMs, () => disturb(hit[server]));
    return hit.name;
  },
});

/** On the way of all services to a server. */
const services = (server: 'database' | 'broker', name: string, leases: number, disturb: Disturb): Fault => ({
  name,
  async inflict(mall) {
    await during(mall, leases * mall.leaseMs, () => disturb(mall.wires.services[server]));
    return 'all services';
  },
});

/** Everybody's way to a server. */
const everybody = (
  wiresOf: (mall: ChaosMall) => TcpProxy[],
  name: string,
  leases: number,
  disturb: Disturb,
): Fault => ({
  name,
  async inflict(mall) {
    await during(mall, leases * mall.leaseMs, async () => {
      await Promise.all(wiresOf(mall).map(disturb));
    });
    return 'everybody';
  },
});

const databases = ({ wires }: ChaosMall) => wires.databases;
const brokers = ({ wires }: ChaosMall) => wires.brokers;

/** The broker hears nothing any more, then a reset takes along what was on its way. */
const brokerSilentThenCut: Fault = {
  name: 'broker silent, then cut',
  async inflict(mall) {
    const { brokers } = mall.wires;
    await during(
      mall,
      mall.leaseMs / 2,
      () => {
        for (const wire of brokers) wire.blackhole('up');
      },
      () => {
        for (const wire of brokers) wire.cut();
      },
    );
    return 'everybody';
  },
};

/** What the hub publishes meanwhile arrives, and when the wire breaks it cannot know: all of it is published a second time. */
const confirmsLost: Fault = {
  name: 'confirms of a hub lost',
  async inflict(mall) {
    const { name, broker } = mall.wires.busiest;
    await during(
      mall,
      mall.leaseMs,
      () => broker.blackhole('down'),
      () => broker.cut(),
    );
    return name;
  },
};

/** What services take in meanwhile they acknowledge in vain: when the wire breaks, all of it comes a second time. */
const acknowledgementsLost: Fault = {
  name: 'acknowledgements of services lost',
  async inflict(mall) {
    const { broker } = mall.wires.services;
    await during(
      mall,
      mall.leaseMs,
      () => broker.blackhole('up'),
      () => broker.cut(),
    );
    return 'all services';
  },
};

/**
 * A hub that cannot renew leases and whose reports are held up on their way to the broker until others have told the loss of the tasks
 * that they are about.
 */
const lateReports: Fault = {
  name: 'late reports',
  async inflict(mall) {
    const { fleet, wires, leaseMs, signal } = mall;
    const hub = wires.busiest;
    await during(
      mall,
      leaseMs / 4,
      () => hub.broker.blackhole('up'),
      async () => {
        const before = new Map((await fleet.openTasks())?.map(({ taskId, attempt }) => [taskId, attempt]));
        await hub.database.refuse();
        const isLost = async () => {
          const tasks = (await fleet.openTasks()) ?? [];
          return tasks.some(({ taskId, attempt }) => attempt > (before.get(taskId) ?? attempt));
        };
        await until('others end the leases of a hub that is cut off', isLost, signal);
        // For the others to be told.
        await mall.pass(leaseMs / 4);
      },
    );
    return hub.name;
  },
};

export const wireFaults: readonly Fault[] = [
  bots('bots reset', 0, cut, { keepsTasks: true }),
  bots('bots hung up on', 0, hangUp, { keepsTasks: true }),
  bots('hub out of reach', 1, refuse),
  bots('bots on a slow line', 1.5, delay, { keepsTasks: true }),
  bots('bots on a trickle', 1.5, trickle),
  bots('bots not heard', lossLeases, silenceUp),
  bots('bots not heard for a moment', doubtLeases, silenceUp, { keepsTasks: true }),
  bots('bots not spoken to', lossLeases, silenceDown),
  hub('database', 'hub reset by the database', 0, cut),
  hub('database', 'hub cut off from the database', lossLeases, refuse),
  hub('database', 'hub without an answer from the database', lossLeases, silence),
  hub('broker', 'hub reset by the broker', 0, cut),
  hub('broker', 'hub cut off from the broker', 1.2, refuse),
  hub('broker', 'hub without confirms', 1.2, silenceDown),
  hub('broker', 'hub on a trickle to the broker', 1.5, trickle),
  services('database', 'services reset by the database', 0, cut),
  services('database', 'services cut off from the database', 1, refuse),
  services('broker', 'services reset by the broker', 0, cut),
  services('broker', 'services cut off from the broker', 1, refuse),
  services('broker', 'services not heard by the broker', 1, silenceUp),
  confirmsLost,
  acknowledgementsLost,
  everybody(databases, 'database stalled', lossLeases, silence),
  everybody(databases, 'database on a slow line', 1, delay),
  everybody(brokers, 'broker stalled', lossLeases, silence),
  brokerSilentThenCut,
  lateReports,
];
