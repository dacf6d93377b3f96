import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { deleteTopology } from '../../src/broker/rabbitmq.ts';
import { readConfig } from '../../src/config.ts';
import { newId } from '../../src/contract/ids.ts';
import { mallTopology } from '../../src/contract/topology.ts';
import { openBackends } from '../../src/runtime/backends.ts';
import { message } from '../broker/messages.ts';
import { Collector } from '../support/collector.ts';
import { type TestDatabase, withDatabase } from '../support/database.ts';
import { amqpUrl, describeWithRabbitMq } from '../support/services.ts';

const namespace = `test-${newId()}`;
let database: TestDatabase;

beforeEach(async () => {
  database = await withDatabase();
});

afterEach(async () => {
  await database[Symbol.asyncDispose]();
});

const logsUnroutable = (url: string) => async () => {
  const lines = new Collector<Record<string, unknown>>();
  const logger = pino({ level: 'error' }, { write: (line: string) => lines.add(JSON.parse(line)) });
  const environment = { DATABASE_URL: database.url, AMQP_URL: url, MALLBOTS_NAMESPACE: namespace };
  const options = { logger, applicationName: 'mallbots test', poolSize: 1 };
  const { broker, close } = await openBackends(readConfig(environment), options);
  try {
    await broker.declare(mallTopology);
    const address = { exchange: 'orders.events', routingKey: 'orders.nobody' };
    await broker.publish(address, message('lost sheep'));
    expect(await lines.atLeast(1)).toEqual([expect.objectContaining({ level: 50, ...address, id: 'lost sheep' })]);
  } finally {
    await close();
    if (url) await deleteTopology(url, namespace, mallTopology);
  }
};

describe('back ends in this process', () => {
  test('log a message that no queue is bound for, as an error', logsUnroutable(''));
});

describeWithRabbitMq('back ends on RabbitMQ', () => {
  test('log a message that no queue is bound for, as an error', logsUnroutable(amqpUrl));
});
