import type { PostgresJsDatabase } from 'drizzle-orm/postgres-js';
import { migrate as applyMigrations } from 'drizzle-orm/postgres-js/migrator';
import { MallError } from '../contract/errors.ts';
import { DeadlineExceeded } from '../kit/deadline.ts';
import { rootMessage } from '../kit/root-message.ts';
import { Connection, type ConnectionOptions } from './connection.ts';
import { SqlState, sqlState } from './sql-errors.ts';

/** Long, since an index over a large table takes its time, and since others may go first. */
const migrateDeadlineMs = 300_000;
/** Where each schema's list of applied migrations is kept, one table a schema. */
const migrationsSchema = 'mallbots';

/**
 * Applies those migrations in `folder` that `schema` does not have yet, all or none. Processes take turns: even "create schema if not
 * exists" fails when two do it at once.
 * @throws MallError FAILED_PRECONDITION when the user may not create what they need
 */
export async function migrate(options: ConnectionOptions, schema: string, folder: string): Promise<void> {
  const connection = new Connection({
    ...options,
    statementTimeoutMs: 0,
    lockTimeoutMs: 0,
    idleInTransactionTimeoutMs: 0,
  });
  const timer = setTimeout(() => {
    connection.destroy(new DeadlineExceeded(`migrating ${schema}`, migrateDeadlineMs));
  }, migrateDeadlineMs);
  try {
    await connection.run(`select pg_advisory_lock(hashtextextended('mallbots.migrate', 0))`);
    const orm = connection.orm as PostgresJsDatabase;
    await connection.untilLost(
      applyMigrations(orm, { migrationsFolder: folder, migrationsSchema, migrationsTable: schema }),
    );
  } catch (error) {
    throw sqlState(error) === SqlState.insufficientPrivilege ? forbidden(error, schema, options.url) : error;
  } finally {
    clearTimeout(timer);
    await connection.end();
  }
}

function forbidden(error: unknown, schema: string, url: string): MallError {
  const { username, pathname } = new URL(url);
  const remedy = `let its user create schemas: GRANT CREATE ON DATABASE "${pathname.slice(1)}" TO "${username}"`;
  return new MallError(
    'FAILED_PRECONDITION',
    `the schema ${schema} cannot be migrated (${rootMessage(error)}); ${remedy}`,
    { reason: 'DATABASE_FORBIDDEN', field: 'DATABASE_URL', value: username, remedy },
    { cause: error },
  );
}
