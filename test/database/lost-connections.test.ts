import { fork } from 'node:child_process';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer } from 'node:net';
import { join } from 'node:path';
import { sql } from 'drizzle-orm';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Database } from '../../src/database/port.ts';
import { connectDatabase } from '../../src/database/postgres.ts';
import { type TestDatabase, withDatabase } from '../support/database.ts';
import { silentLogger } from '../support/silent-logger.ts';
import { TcpProxy } from '../support/tcp-proxy.ts';

const one = sql`select 1`;

let db: TestDatabase;
let proxy: TcpProxy;
let database: Database;

beforeAll(async () => {
  db = await withDatabase();
});
afterAll(() => db[Symbol.asyncDispose]());

const through = () =>
  connectDatabase({ url: proxy.through(db.url), applicationName: 'through a proxy', logger: silentLogger });

beforeEach(async () => {
  proxy = await TcpProxy.toServer(db.url);
  database = through();
});
afterEach(async () => {
  await database.close();
  await proxy.close();
});

/** Cuts the wire once the server works on `statement`. */
const cutDuring = async (statement: string) => {
  const running = sql`select from pg_stat_activity where query = ${statement} and datname = current_database()`;
  await expect.poll(() => db.database.query((orm) => orm.execute(running)), { timeout: 10_000 }).toHaveLength(1);
  proxy.cut();
};

describe('a connection that is reset', () => {
  it.each([
    {
      when: 'in the middle of a statement',
      statement: 'select pg_sleep(60)',
      work: () => database.query((orm) => orm.execute(sql`select pg_sleep(60)`)),
    },
    {
      when: 'in the middle of a statement of a transaction',
      statement: 'select pg_sleep(61)',
      work: () => database.transaction(({ orm }) => orm.execute(sql`select pg_sleep(61)`)),
    },
  ])('$when fails it as unavailable, and the next one works', async ({ statement, work }) => {
    const failed = expect(work()).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    await cutDuring(statement);
    await failed;
    expect(await database.query((orm) => orm.execute(one))).toHaveLength(1);
  });

  // An unhandled rejection, which would end a process, fails the run.
  it('right after it was let in fails its first statement, and not the process', async () => {
    const server = createServer((client) => {
      const { hostname, port } = new URL(db.url);
      const upstream = connect(Number(port) || 5432, hostname);
      let letIn = false;
      client.on('data', (bytes) => (letIn ? client.resetAndDestroy() : upstream.write(bytes)));
      upstream.on('data', (bytes: Buffer) => {
        // ReadyForQuery ends the start-up.
        letIn ||= bytes.includes(Buffer.from('Z\0\0\0\x05I', 'latin1'));
        client.write(bytes);
      });
      client.on('close', () => upstream.destroy()).on('error', () => {});
    });
    await once(server.listen(0, '127.0.0.1'), 'listening');
    const { port } = server.address() as AddressInfo;
    const url = Object.assign(new URL(db.url), { hostname: '127.0.0.1', port: String(port) }).href;
    const cut = connectDatabase({ url, applicationName: 'cut', logger: silentLogger });

    await expect(cut.ping()).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    await cut.close();
    server.close();
    await once(server, 'close');
  });

  it('between two statements of a transaction fails the transaction, and not the process', async () => {
    const failed = database.transaction(async ({ orm }) => {
      await orm.execute(one);
      proxy.cut();
      // Until the transaction has noticed; then once more, as work that catches errors would.
      while (
        await orm.execute(one).then(
          () => true,
          () => false,
        )
      );
      await orm.execute(one);
    });
    await expect(failed).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    expect(await database.query((orm) => orm.execute(one))).toHaveLength(1);
  });

  it('is gone with the idle ones of the pool, and new ones are opened when the server is back', async () => {
    await Promise.all([1, 2, 3].map(() => database.query((orm) => orm.execute(sql`select pg_sleep(0.05)`))));
    await proxy.refuse();
    await expect(database.query((orm) => orm.execute(one))).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    await proxy.restore();
    expect(await database.query((orm) => orm.execute(one))).toHaveLength(1);
  });
});

describe('a peer that has gone silent', () => {
  it('costs a query its deadline, and nobody else theirs', async () => {
    await Promise.all([1, 2, 3].map(() => database.query((orm) => orm.execute(sql`select pg_sleep(0.05)`))));
    proxy.blackhole();
    await expect(database.query((orm) => orm.execute(one), { deadlineMs: 200 })).rejects.toMatchObject({
      code: 'DEADLINE_EXCEEDED',
    });
    await expect(database.transaction(({ orm }) => orm.execute(one), { deadlineMs: 200 })).rejects.toMatchObject({
      code: 'DEADLINE_EXCEEDED',
    });
    await proxy.restore();
    expect(await database.query((orm) => orm.execute(one))).toHaveLength(1);
  });

  it('does not keep a database from closing', async () => {
    await database.ping();
    proxy.blackhole();
    await database.close();
    await expect(database.ping()).rejects.toMatchObject({ detail: { reason: 'DATABASE_CLOSED' } });
  });

  it('aborts the work of a lock’s holder, and gives the lock to the next once the server has noticed', async () => {
    const started = Promise.withResolvers<void>();
    const lost = Promise.withResolvers<void>();
    const held = database.withLock('gate', new AbortController().signal, async (signal) => {
      signal.addEventListener('abort', () => lost.resolve());
      started.resolve();
      await lost.promise;
    });
    await started.promise;
    proxy.blackhole();
    await held;
    proxy.cut();
    let entered = false;
    await db.database.withLock('gate', new AbortController().signal, async () => {
      entered = true;
    });
    expect(entered).toBe(true);
  });
});

describe('a lock', () => {
  it('has one holder over several processes and inside of one, and the next comes in when it leaves', async () => {
    const other = through();
    const signal = new AbortController().signal;
    let inside = 0;
    let most = 0;
    let entries = 0;
    const enter = (of: Database) =>
      of.withLock('room', signal, async () => {
        inside += 1;
        entries += 1;
        most = Math.max(most, inside);
        await of.query((orm) => orm.execute(sql`select pg_sleep(0.05)`));
        inside -= 1;
      });
    await Promise.all([enter(database), enter(database), enter(other)]);
    expect({ most, entries }).toEqual({ most: 1, entries: 3 });
    await other.close();
  });

  it('is taken from a process that is frozen, which gets to know when it goes on', async () => {
    const holder = fork(join(import.meta.dirname, 'lock-holder.ts'), [db.url, 'room'], { execArgv: [] });
    const [first] = await once(holder, 'message');
    expect(first).toBe('holds');
    holder.kill('SIGSTOP');
    let entered = false;
    await database.withLock('room', new AbortController().signal, async () => {
      entered = true;
    });
    holder.kill('SIGCONT');
    const [second] = await once(holder, 'message');
    expect(second).toBe('lost');
    expect(entered).toBe(true);
    holder.kill();
  });

  it('is not waited for any longer when the caller gives up', async () => {
    const release = Promise.withResolvers<void>();
    const started = Promise.withResolvers<void>();
    const held = db.database.withLock('door', new AbortController().signal, async () => {
      started.resolve();
      await release.promise;
    });
    await started.promise;
    const giveUp = new AbortController();
    let entered = false;
    const waiting = database.withLock('door', giveUp.signal, async () => {
      entered = true;
    });
    giveUp.abort();
    await waiting;
    expect(entered).toBe(false);
    release.resolve();
    await held;
  });
});

it('hears notifications again after its connection was lost', async () => {
  const heard: string[] = [];
  await database.listen('news', (payload) => heard.push(payload));
  proxy.cut();
  // Nobody says when it listens again: what was said meanwhile is lost, by the contract.
  await expect
    .poll(
      async () => {
        await db.database.notify('news', 'again');
        return heard;
      },
      { timeout: 20_000 },
    )
    .toContain('again');
});
