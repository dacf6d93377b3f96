import { until } from './cast.ts';
import type { Fault } from './fault.ts';
import type { ChaosMall } from './mall.ts';

const databaseAnswers = ({ database, signal }: ChaosMall) =>
  until(
    'the database answers',
    () =>
      database.ping().then(
        () => true,
        () => false,
      ),
    signal,
  );

const databaseKilled: Fault = {
  name: 'database killed',
  async inflict(mall) {
    mall.servers.postgres.kill();
    await databaseAnswers(mall);
    return 'kill -9 of PostgreSQL, and a new one that recovers';
  },
};

const databaseRestarted: Fault = {
  name: 'database restarted',
  async inflict(mall) {
    mall.servers.postgres.shutDown();
    await databaseAnswers(mall);
    return 'a fast shutdown of PostgreSQL, and a new one';
  },
};

/** With a broker that is not the suite's to kill, its connections are cut and refused for as long as one takes to start. */
const broker = (name: string, how: string, end: 'kill' | 'stop'): Fault => ({
  name,
  async inflict(mall) {
    const { rabbitmq } = mall.servers;
    if (rabbitmq) {
      await rabbitmq[end]();
      await rabbitmq.start();
      return `${how} of RabbitMQ, and a new start`;
    }
    await Promise.all(mall.wires.brokers.map((wire) => wire.refuse()));
    await mall.pass(mall.leaseMs);
    await mall.wires.restore();
    return "only its connections were cut and refused: this RabbitMQ is not the suite's own";
  },
});

export const serverFaults: readonly Fault[] = [
  databaseKilled,
  databaseRestarted,
  broker('broker killed', 'kill -9', 'kill'),
  broker('broker restarted', 'a stop', 'stop'),
];
