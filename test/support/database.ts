import { randomBytes } from 'node:crypto';
import { Connection } from '../../src/database/connection.ts';
import type { Database } from '../../src/database/port.ts';
import { connectDatabase } from '../../src/database/postgres.ts';
import { databaseUrl } from './services.ts';
import { silentLogger } from './silent-logger.ts';

export interface TestDatabase extends AsyncDisposable {
  readonly url: string;
  readonly database: Database;
}

/**
 * A database of its own on the tests' PostgreSQL (there is one in every run, see global-database.ts), gone when it is disposed of:
 * `await using db = await withDatabase()` in a test, or in `beforeAll` with `db[Symbol.asyncDispose]()` in `afterAll`. `serverUrl` names another server.
 */
export async function withDatabase(serverUrl: string = databaseUrl): Promise<TestDatabase> {
  const name = `mallbots_test_${randomBytes(8).toString('hex')}`;
  await administrate(serverUrl, `create database ${name}`);
  const url = Object.assign(new URL(serverUrl), { pathname: `/${name}` }).href;
  const database = connectDatabase({ url, applicationName: 'mallbots test', logger: silentLogger });
  return {
    url,
    database,
    async [Symbol.asyncDispose]() {
      await database.close();
      await administrate(serverUrl, `drop database ${name} with (force)`);
    },
  };
}

async function administrate(url: string, statement: string): Promise<void> {
  const connection = new Connection({
    url,
    applicationName: 'mallbots test',
    statementTimeoutMs: 30_000,
    lockTimeoutMs: 0,
    idleInTransactionTimeoutMs: 0,
  });
  try {
    await connection.run(statement);
  } finally {
    await connection.end();
  }
}
