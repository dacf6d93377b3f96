/** `node lock-holder.ts <url> <lock>`: tells its parent that it `holds` the lock, and that it has `lost` it. */
import { once } from 'node:events';
import { connectDatabase } from '../../src/database/postgres.ts';
import { silentLogger as logger } from '../support/silent-logger.ts';

const [url, lock] = process.argv.slice(2) as [string, string];
const database = connectDatabase({ url, applicationName: 'lock holder', logger });
await database.withLock(lock, new AbortController().signal, async (signal) => {
  process.send!('holds');
  await once(signal, 'abort');
  process.send!('lost');
});
