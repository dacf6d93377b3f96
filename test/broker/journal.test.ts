import { describe, expect, it } from 'vitest';
import { createEmbeddedBroker } from '../../src/broker/embedded.ts';
import { TableJournal } from '../../src/database/journal/table-journal.ts';
import { migrationsOf } from '../../src/database/migrations.ts';
import type { Database } from '../../src/database/port.ts';
import { withDatabase } from '../support/database.ts';
import { describeWithRabbitMq } from '../support/services.ts';
import { silentLogger } from '../support/silent-logger.ts';
import { journalContract } from './journal-contract.ts';
import { message, testTopology, toOne } from './messages.ts';
import { RabbitMqMall } from './rabbitmq-mall.ts';

const maxAgeMs = 3_600_000;

async function embedded() {
  const testDatabase = await withDatabase();
  const { database } = testDatabase;
  await database.migrate('journal', migrationsOf('journal'));
  const journal = new TableJournal({ database, logger: silentLogger, maxAgeMs });
  const broker = createEmbeddedBroker({ logger: silentLogger, journal });
  await broker.declare(testTopology);
  return {
    broker,
    database,
    disturb: async () => {},
    async close() {
      await broker.close();
      await journal.close();
      await testDatabase[Symbol.asyncDispose]();
    },
  };
}

journalContract('embedded', () => embedded());

describeWithRabbitMq('with RabbitMQ', () => {
  journalContract('rabbitmq', async () => {
    const mall = new RabbitMqMall();
    const broker = await mall.connect();
    return { broker, disturb: async () => mall.wire(broker).cut(), close: () => mall.close() };
  });
});

describe('embedded journal', () => {
  const kept = async (database: Database) => {
    const rows = await database.query((orm) =>
      orm.execute<{ id: string }>('select message_id as id from journal.entries order by position'),
    );
    return rows.map(({ id }) => id);
  };

  it('is durable when the publish resolves, and a publish that it cannot keep fails', async () => {
    const { broker, database, close } = await embedded();
    await broker.consume('one.inbox', 1, ({ ack }) => ack());
    await broker.publish(toOne, message('first'));
    expect(await kept(database)).toEqual(['first']);
    await database.query((orm) => orm.execute('alter table journal.entries rename to gone'));
    await expect(broker.publish(toOne, message('second'))).rejects.toThrow();
    await database.query((orm) => orm.execute('alter table journal.gone rename to entries'));
    await broker.publish(toOne, message('second'));
    expect(await kept(database)).toEqual(['first', 'second']);
    await close();
  });

  it('drops what is older than it has to keep, and nothing else', async () => {
    const { broker, database, close } = await embedded();
    await broker.consume('one.inbox', 1, ({ ack }) => ack());
    await broker.publish(toOne, message('old'));
    await broker.publish(toOne, message('new'));
    const age = `update journal.entries set recorded_at = now() - interval '2 hours' where message_id = 'old'`;
    await database.query((orm) => orm.execute(age));
    // It prunes when it begins.
    const journal = new TableJournal({ database, logger: silentLogger, maxAgeMs });
    await expect.poll(() => kept(database), { timeout: 20_000 }).toEqual(['new']);
    await journal.close();
    await close();
  });
});
