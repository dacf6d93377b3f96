import type { PostgresJsDatabase } from 'drizzle-orm/postgres-js';
import { migrate as applyMigrations } from 'drizzle-orm/postgres-js/migrator';
import { DeadlineExceeded } from '../kit/deadline.ts';
import { Connection, type ConnectionOptions } from './connection.ts';

/** Long, since an index over a large table takes its time, and since others may go first. */
const migrateDeadlineMs = 300_000;
/** Where each schema's list of applied migrations is kept, one table a schema. */
const migrationsSchema = 'mallbots';

/**
 * Applies those migrations in `folder` that `schema` does not have yet, all or none. Processes take turns: even "create schema if not
 * exists" fails when two do it at once.
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
  } finally {
    clearTimeout(timer);
    await connection.end();
  }
}
