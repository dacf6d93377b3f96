import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sql } from 'drizzle-orm';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { connectDatabase } from '../../src/database/postgres.ts';
import { type TestDatabase, withDatabase } from '../support/database.ts';
import { silentLogger } from '../support/silent-logger.ts';
import { mallSql } from './mall.ts';

let db: TestDatabase;
let folder: string;
beforeEach(async () => {
  db = await withDatabase();
  folder = mkdtempSync(join(tmpdir(), 'mallbots-migrations-'));
});
afterEach(async () => {
  await db[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true });
});

/** As drizzle-kit leaves them: the statements of each migration in a file, and a journal that lists the files. */
function write(migrations: readonly string[][]): string {
  const entries = migrations.map((statements, idx) => {
    const tag = `${String(idx).padStart(4, '0')}_step`;
    writeFileSync(join(folder, `${tag}.sql`), statements.join('\n--> statement-breakpoint\n'));
    return { idx, version: '7', when: 1_000 + idx, tag, breakpoints: true };
  });
  mkdirSync(join(folder, 'meta'), { recursive: true });
  writeFileSync(join(folder, 'meta/_journal.json'), JSON.stringify({ version: '7', dialect: 'postgresql', entries }));
  return folder;
}

const tablesOf = async (schema: string) => {
  const query = sql`select tablename as name from pg_tables where schemaname = ${schema} order by 1`;
  return (await db.database.query((orm) => orm.execute<{ name: string }>(query))).map(({ name }) => name);
};
const start = ['create schema if not exists mall', 'create table mall.one (n int)'];

it('brings a schema to its newest migration, applying each one once', async () => {
  await db.database.migrate('mall', write([start]));
  await db.database.migrate('mall', write([start]));
  expect(await tablesOf('mall')).toEqual(['one']);
  await db.database.migrate('mall', write([start, ['create table mall.two (n int)']]));
  expect(await tablesOf('mall')).toEqual(['one', 'two']);
  expect(await tablesOf('mallbots')).toEqual(['mall']);
});

it('lets several processes that start at once end with the same schema', async () => {
  write([await mallSql(), start.slice(1)]);
  const others = Array.from({ length: 6 }, () =>
    connectDatabase({ url: db.url, applicationName: 'x', logger: silentLogger }),
  );
  await Promise.all(others.map((other) => other.migrate('mall', folder)));
  expect(await tablesOf('mall')).toEqual(['effects', 'events', 'fences', 'inbox', 'one', 'outbox', 'parked']);
  await Promise.all(others.map((other) => other.close()));
});

it('applies all or nothing of what is new', async () => {
  const broken = ['create table mall.two (n int)', 'create table mall.one (n int)'];
  await expect(db.database.migrate('mall', write([start, broken]))).rejects.toThrow();
  expect(await tablesOf('mall')).toEqual([]);
  await db.database.migrate('mall', write([start, ['create table mall.two (n int)']]));
  expect(await tablesOf('mall')).toEqual(['one', 'two']);
});

it('says what a user without the right to create schemas needs', async () => {
  const user = `${new URL(db.url).pathname.slice(1)}_guest`;
  await db.database.query((orm) => orm.execute(`create role ${user} login`));
  const url = Object.assign(new URL(db.url), { username: user }).href;
  const guest = connectDatabase({ url, applicationName: 'x', logger: silentLogger });
  try {
    await expect(guest.migrate('mall', write([start]))).rejects.toMatchObject({
      code: 'FAILED_PRECONDITION',
      message: expect.stringMatching(/permission denied for database.*GRANT CREATE ON DATABASE "\w+" TO "\w+_guest"$/),
      detail: { reason: 'DATABASE_FORBIDDEN' },
    });
  } finally {
    await guest.close();
    await db.database.query((orm) => orm.execute(`drop role ${user}`));
  }
});
