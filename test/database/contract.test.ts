import { randomBytes } from 'node:crypto';
import { rmSync } from 'node:fs';
import { sql } from 'drizzle-orm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type EmbeddedPostgres, startEmbeddedPostgres } from '../../src/database/embedded.ts';
import { connectDatabase } from '../../src/database/postgres.ts';
import { SqlState, sqlState } from '../../src/database/sql-errors.ts';
import { type TestDatabase, withDatabase } from '../support/database.ts';
import { temporaryDirectory } from '../support/global-database.ts';
import { databaseUrl } from '../support/services.ts';
import { silentLogger } from '../support/silent-logger.ts';

const directory = temporaryDirectory();
let embedded: EmbeddedPostgres;

beforeAll(async () => {
  embedded = await startEmbeddedPostgres({ directory, logger: silentLogger });
});
afterAll(async () => {
  await embedded.stop();
  rmSync(directory, { recursive: true });
});

describe.each([
  { way: 'a server given by its URL', serverUrl: () => databaseUrl },
  { way: 'the embedded server', serverUrl: () => embedded.url },
])('a database on $way', ({ serverUrl }) => {
  let db: TestDatabase;
  beforeAll(async () => {
    db = await withDatabase(serverUrl());
    await db.database.query((orm) => orm.execute(sql`create table numbers (n int8 primary key)`));
  });
  afterAll(() => db[Symbol.asyncDispose]());

  const insert = (n: number) => sql`insert into numbers values (${n})`;
  const stored = async () => {
    const rows = await db.database.query((orm) => orm.execute<{ n: number }>(sql`select n from numbers order by n`));
    return rows.map(({ n }) => n);
  };

  it('commits all of a transaction and runs its hooks afterwards', async () => {
    let seenByHook: Promise<number[]> | undefined;
    const result = await db.database.transaction(async (tx) => {
      tx.afterCommit(() => {
        seenByHook = stored();
      });
      await tx.orm.execute(insert(1));
      await tx.orm.execute(insert(2));
      return 'done';
    });
    expect(result).toBe('done');
    expect(await seenByHook).toEqual([1, 2]);
  });

  it('rolls back what a transaction did before it threw, runs no hooks and passes the error on', async () => {
    const error = new Error('no');
    let hooks = 0;
    const failed = db.database.transaction(async (tx) => {
      tx.afterCommit(() => {
        hooks += 1;
      });
      await tx.orm.execute(insert(3));
      throw error;
    });
    await expect(failed).rejects.toBe(error);
    expect(hooks).toBe(0);
    expect(await stored()).not.toContain(3);
  });

  it('does not take a transaction for committed whose failed statement was swallowed', async () => {
    const failed = db.database.transaction(async (tx) => {
      await tx.orm.execute(insert(4));
      await tx.orm.execute(insert(4)).catch(() => undefined);
    });
    await expect(failed).rejects.toSatisfy((error) => sqlState(error) === SqlState.uniqueViolation);
    expect(await stored()).not.toContain(4);
  });

  it('leaves a violated constraint to the caller, with its SQLSTATE', async () => {
    const failed = db.database.query((orm) => orm.execute(sql`insert into numbers values (5), (5)`));
    await expect(failed).rejects.toSatisfy((error) => sqlState(error) === SqlState.uniqueViolation);
  });

  it('runs both of two transactions that block each other', async () => {
    await db.database.query((orm) => orm.execute(sql`insert into numbers values (10), (20)`));
    const bothLocked = Promise.withResolvers<void>();
    let locked = 0;
    const bump = (first: number, second: number) =>
      db.database.transaction(async ({ orm }) => {
        await orm.execute(sql`update numbers set n = n + 1000 where n % 1000 = ${first}`);
        locked += 1;
        if (locked === 2) bothLocked.resolve();
        await bothLocked.promise;
        await orm.execute(sql`update numbers set n = n + 1000 where n % 1000 = ${second}`);
      });
    await Promise.all([bump(10, 20), bump(20, 10)]);
    // Three attempts: the one that PostgreSQL chose to fail ran twice.
    expect(locked).toBe(3);
    expect(await stored()).toEqual(expect.arrayContaining([2010, 2020]));
  });

  it('gives int8 as a number where that is exact, else as a bigint', async () => {
    const [row] = await db.database.query((orm) =>
      orm.execute(
        sql`select 9007199254740991::int8 as exact, 9007199254740993::int8 as big, count(*) as many from pg_class where false`,
      ),
    );
    expect(row).toEqual({ exact: 9007199254740991, big: 9007199254740993n, many: 0 });
  });

  it('ends a statement on the server, at the deadline of a query and of a transaction', async () => {
    const slow = sql`select pg_sleep(60)`;
    // The server's part ends a tenth earlier: enough for a busy machine to answer before our own deadline.
    const options = { deadlineMs: 3_000 };
    const overdue = {
      code: 'DEADLINE_EXCEEDED',
      cause: expect.objectContaining({ cause: expect.objectContaining({ code: SqlState.queryCanceled }) }),
    };
    await expect(db.database.query((orm) => orm.execute(slow), options)).rejects.toMatchObject(overdue);
    await expect(db.database.transaction(({ orm }) => orm.execute(slow), options)).rejects.toMatchObject(overdue);
    const [row] = await db.database.query((orm) => orm.execute(sql`show statement_timeout`));
    expect(row).toEqual({ statement_timeout: '9s' });
  });

  it('rolls back a transaction whose work never comes back', async () => {
    const hung = db.database.transaction(
      async ({ orm }) => {
        await orm.execute(insert(6));
        await new Promise(() => {});
      },
      { deadlineMs: 200 },
    );
    await expect(hung).rejects.toMatchObject({ code: 'DEADLINE_EXCEEDED' });
    await db.database.query((orm) => orm.execute(insert(6)));
    expect(await stored()).toContain(6);
  });

  it('lets work wait for a connection, and no longer than its deadline', async () => {
    const narrow = connectDatabase({ url: db.url, poolSize: 1, applicationName: 'narrow', logger: silentLogger });
    const release = Promise.withResolvers<void>();
    const taken = Promise.withResolvers<void>();
    const first = narrow.transaction(async ({ orm }) => {
      await orm.execute(sql`select 1`);
      taken.resolve();
      await release.promise;
    });
    await taken.promise;
    await expect(narrow.query((orm) => orm.execute(sql`select 1`), { deadlineMs: 50 })).rejects.toMatchObject({
      code: 'DEADLINE_EXCEEDED',
      message: expect.stringContaining('waiting for a free connection'),
    });
    const patient = narrow.query((orm) => orm.execute(sql`select 1 as n`));
    release.resolve();
    await first;
    expect(await patient).toEqual([{ n: 1 }]);
    await narrow.close();
    await expect(narrow.ping()).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  });

  it('carries notifications from one process to another', async () => {
    const heard = Promise.withResolvers<string>();
    const listening = await db.database.listen('bells "and" whistles', heard.resolve);
    const other = connectDatabase({ url: db.url, applicationName: 'other', logger: silentLogger });
    await other.notify('bells "and" whistles', 'ding');
    expect(await heard.promise).toBe('ding');
    await listening.close();
    await other.close();
  });

  it('tells its version', async () => {
    expect((await db.database.ping()).version).toMatch(/^1[5-9]|^[2-9]\d/);
  });
});

it('makes do with the connections that the server has room for', async () => {
  await using db = await withDatabase();
  const user = `few_${randomBytes(4).toString('hex')}`;
  await db.database.query((orm) => orm.execute(sql.raw(`create role ${user} login connection limit 2`)));
  const url = Object.assign(new URL(db.url), { username: user }).href;
  const database = connectDatabase({ url, poolSize: 8, applicationName: 'few', logger: silentLogger });
  try {
    await database.ping();
    const work = Array.from({ length: 30 }, (_, n) =>
      database.transaction(async ({ orm }) => {
        await orm.execute(sql`select pg_sleep(0.01)`);
        return n;
      }),
    );
    expect(await Promise.all(work)).toEqual(work.map((_, n) => n));
  } finally {
    await database.close();
    await expect
      .poll(() => db.database.query((orm) => orm.execute(sql.raw(`drop role ${user}`))).then(() => true))
      .toBe(true);
  }
});

it('says that a server that is not there is unavailable, and where it was looked for', async () => {
  const database = connectDatabase({
    url: 'postgres://me:secret@127.0.0.1:1/mall',
    applicationName: 'x',
    logger: silentLogger,
  });
  const error = await database.ping().catch((thrown) => thrown);
  expect(error).toMatchObject({ code: 'UNAVAILABLE', message: expect.stringContaining('me@127.0.0.1:1/mall') });
  expect(error.message).not.toContain('secret');
  await database.close();
});

it('says that a database that does not exist is a matter of DATABASE_URL', async () => {
  const url = Object.assign(new URL(databaseUrl), { pathname: '/no_such_mall' }).href;
  const database = connectDatabase({ url, applicationName: 'x', logger: silentLogger });
  await expect(database.ping()).rejects.toMatchObject({
    code: 'FAILED_PRECONDITION',
    detail: { field: 'DATABASE_URL' },
  });
  await database.close();
});
