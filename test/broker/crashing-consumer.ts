/** Run as a process of its own, to be killed: prints each message it begins, and never ends with the second. */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { trace } from '@opentelemetry/api';
import { startConsumer } from '../../src/broker/consume.ts';
import { connectRabbitMq } from '../../src/broker/rabbitmq.ts';
import { silentLogger } from '../support/silent-logger.ts';
import { MemoryInbox } from './memory-inbox.ts';
import { testTopology } from './messages.ts';

const broker = await connectRabbitMq({
  url: process.env.AMQP_URL!,
  namespace: process.env.NAMESPACE!,
  logger: silentLogger,
});
await broker.declare(testTopology);
await startConsumer({
  broker,
  queue: 'one.inbox',
  inbox: new MemoryInbox(async ({ id }) => {
    // An acknowledgement is written at the end of its turn: by the next one that of the message before is on its way.
    await nextTurn();
    console.log(id);
    if (id === 'm2') await new Promise(() => {});
  }),
  tracer: trace.getTracer('test'),
  logger: silentLogger,
});
