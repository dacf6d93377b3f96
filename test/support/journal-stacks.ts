import { describe } from 'vitest';
import { createEmbeddedBroker } from '../../src/broker/embedded.ts';
import type { Broker } from '../../src/broker/port.ts';
import { connectRabbitMq, deleteTopology } from '../../src/broker/rabbitmq.ts';
import { newId } from '../../src/contract/ids.ts';
import { mallTopology } from '../../src/contract/topology.ts';
import { TableJournal } from '../../src/database/journal/table-journal.ts';
import { migrationsOf } from '../../src/database/migrations.ts';
import type { TestDatabase } from './database.ts';
import { amqpUrl, describeWithRabbitMq } from './services.ts';
import { silentLogger } from './silent-logger.ts';

/** A broker with the mall's topology and nothing in its journal. */
export type OpenJournal = (db: TestDatabase) => Promise<{ broker: Broker; close(): Promise<void> }>;

const embedded: OpenJournal = async ({ database }) => {
  await database.migrate('journal', migrationsOf('journal'));
  const journal = new TableJournal({ database, logger: silentLogger, maxAgeMs: 1e12 });
  const broker = createEmbeddedBroker({ logger: silentLogger, journal });
  await broker.declare(mallTopology);
  for (const { name } of mallTopology.queues) await broker.consume(name, 256, ({ ack }) => ack());
  return {
    broker,
    async close() {
      await broker.close();
      await journal.close();
    },
  };
};

const rabbitmq: OpenJournal = async () => {
  const namespace = `test-${newId()}`;
  const broker = await connectRabbitMq({ url: amqpUrl, namespace, logger: silentLogger });
  await broker.declare(mallTopology);
  return {
    broker,
    async close() {
      await broker.close();
      await deleteTopology(amqpUrl, namespace, mallTopology);
    },
  };
};

export function describeWithJournal(name: string, suite: (open: OpenJournal) => void): void {
  describe(`${name}, embedded`, () => suite(embedded));
  describeWithRabbitMq(`${name}, on RabbitMQ`, () => suite(rabbitmq));
}
