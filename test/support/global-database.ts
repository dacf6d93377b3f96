import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startEmbeddedPostgres } from '../../src/database/embedded.ts';
import { connectDatabase } from '../../src/database/postgres.ts';
import { silentLogger } from './silent-logger.ts';

/** Where a developer's PostgreSQL is looked for. */
const usualUrl = 'postgres://postgres@127.0.0.1:5432/postgres';

/**
 * Vitest's global set-up. Tests use the PostgreSQL that MALLBOTS_TEST_DATABASE_URL names, else the machine's, else an embedded one that
 * lives as long as the run.
 */
export async function setup(): Promise<(() => Promise<void>) | undefined> {
  if (process.env.MALLBOTS_TEST_DATABASE_URL) return undefined;
  if (process.env.CI || process.env.MALLBOTS_REQUIRE_SERVICES || (await answers(usualUrl))) {
    process.env.MALLBOTS_TEST_DATABASE_URL = usualUrl;
    return undefined;
  }
  const directory = temporaryDirectory();
  const postgres = await startEmbeddedPostgres({ directory, logger: silentLogger });
  process.env.MALLBOTS_TEST_DATABASE_URL = postgres.url;
  return async () => {
    await postgres.stop();
    rmSync(directory, { recursive: true, force: true });
  };
}

/** One that PostgreSQL's user can enter, also when root runs the tests. */
export function temporaryDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), 'mallbots-test-'));
  chmodSync(directory, 0o755);
  return directory;
}

async function answers(url: string): Promise<boolean> {
  const database = connectDatabase({ url, applicationName: 'mallbots test', logger: silentLogger });
  try {
    await database.ping();
    return true;
  } catch {
    return false;
  } finally {
    await database.close();
  }
}
