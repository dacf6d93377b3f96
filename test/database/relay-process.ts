/**
 * A relay in a process of its own that is killed in the worst moment: `node relay-process.ts <url> <log file> <after>` appends the id of each
 * message to the file, as a broker would keep it, and dies after that many, before any of the last is marked as published.
 */
import { appendFileSync } from 'node:fs';
import { trace } from '@opentelemetry/api';
import { createOutbox } from '../../src/database/outbox.ts';
import { connectDatabase } from '../../src/database/postgres.ts';
import { startRelay } from '../../src/database/relay.ts';
import { silentLogger as logger } from '../support/silent-logger.ts';
import { tables } from './mall.ts';
import { RecordingBroker } from './recording-broker.ts';

const [url, log, after] = process.argv.slice(2) as [string, string, string];
// It does not outlive whoever started it.
process.once('disconnect', () => process.exit());
let left = Number(after);
const broker = new RecordingBroker(async ({ id }) => {
  appendFileSync(log, `${id}\n`);
  left -= 1;
  if (left === 0) process.kill(process.pid, 'SIGKILL');
});
startRelay({
  database: connectDatabase({ url, applicationName: 'relay', logger }),
  broker,
  tables,
  schema: 'mall',
  outbox: createOutbox({ tables, source: '/orders', tracer: trace.getTracer('none') }),
  tracer: trace.getTracer('none'),
  logger,
});
