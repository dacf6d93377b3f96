import { type ChildProcess, fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { sql } from 'drizzle-orm';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';

import { type EmbeddedPostgres, startEmbeddedPostgres } from '../../src/database/embedded.ts';
import type { Database } from '../../src/database/port.ts';
import { connectDatabase } from '../../src/database/postgres.ts';
import { freePort } from '../../src/kit/free-port.ts';
import { temporaryDirectory } from '../support/global-database.ts';
import { silentLogger } from '../support/silent-logger.ts';

// A start that has to recover may take its own minute on a busy disk.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

let directory: string;
let running: EmbeddedPostgres[];
let children: ChildProcess[];

beforeEach(() => {
  directory = temporaryDirectory();
  running = [];
  children = [];
});
afterEach(async () => {
  for (const child of children.filter(({ exitCode, signalCode }) => exitCode === null && signalCode === null)) {
    child.kill('SIGKILL');
    await once(child, 'exit');
  }
  // Whatever a test left running is taken over and stopped.
  if (running.length === 0 && existsSync(pidFile())) await start();
  await Promise.all(running.map((postgres) => postgres.stop()));
  expect(existsSync(pidFile())).toBe(false);
  rmSync(directory, { recursive: true });
});

const pidFile = () => join(directory, 'postgres/postmaster.pid');
const postmasterPid = () => Number(readFileSync(pidFile(), 'utf8').split('\n')[0]);

async function start(options: { port?: number } = {}): Promise<EmbeddedPostgres> {
  const postgres = await startEmbeddedPostgres({ directory, logger: silentLogger, ...options });
  running.push(postgres);
  return postgres;
}

async function startInAnotherProcess(): Promise<{ url: string; child: ChildProcess }> {
  const child = fork(join(import.meta.dirname, 'embedded-owner.ts'), [directory], { execArgv: [] });
  children.push(child);
  const [url] = (await once(child, 'message')) as [string];
  return { url, child };
}

async function using<T>({ url }: { url: string }, work: (database: Database) => Promise<T>): Promise<T> {
  const database = connectDatabase({ url, applicationName: 'test', logger: silentLogger });
  try {
    return await work(database);
  } finally {
    await database.close();
  }
}

const write = (database: Database) =>
  database.query((orm) => orm.execute(sql`create table kept as select generate_series(1, 1000) as n`));
const readBack = (database: Database) =>
  database.query((orm) => orm.execute<{ count: number }>(sql`select count(*) from kept`)).then(([row]) => row!.count);

it('keeps its data from one start to the next', async () => {
  const first = await start();
  await using(first, write);
  await first.stop();
  expect(existsSync(pidFile())).toBe(false);
  expect(await using(await start(), readBack)).toBe(1000);
});

it('is durable, listens on the loopback only, and is nobody’s but its user’s', async () => {
  const settings = await using(await start(), (database) =>
    database.query((orm) =>
      orm.execute<{ name: string; setting: string }>(sql`
        select name, setting from pg_settings
        where name in ('fsync', 'full_page_writes', 'listen_addresses', 'synchronous_commit', 'unix_socket_directories') order by name`),
    ),
  );
  expect(settings.map(({ setting }) => setting)).toEqual(['on', 'on', '127.0.0.1', 'on', '']);
  const { mode, uid } = statSync(join(directory, 'postgres'));
  expect(mode & 0o077).toBe(0);
  expect(uid).not.toBe(0);
});

it('is in no process group of ours, where the terminal’s Ctrl-C would reach it', async () => {
  await start();
  const pid = postmasterPid();
  expect(process.platform === 'linux' ? processGroupOf(pid) : pid).toBe(pid);
});

it('ends with a process that exits without stopping it', async () => {
  const { child } = await startInAnotherProcess();
  child.send('exit');
  await once(child, 'exit');

  await expect.poll(() => existsSync(pidFile()), { timeout: 20_000 }).toBe(false);
});

it('left behind by a killed process is taken over as it runs, data and all', async () => {
  const { url, child } = await startInAnotherProcess();
  await using({ url }, write);
  child.kill('SIGKILL');
  await once(child, 'exit');
  const orphan = postmasterPid();
  const taken = await start();
  expect([postmasterPid(), taken.url]).toEqual([orphan, url]);
  expect(await using(taken, readBack)).toBe(1000);
});

it('left behind on another port than the one asked for is started again there', async () => {
  const { url, child } = await startInAnotherProcess();
  await using({ url }, write);
  child.kill('SIGKILL');
  await once(child, 'exit');
  const port = await freePort();
  const taken = await start({ port });
  expect(new URL(taken.url).port).toBe(String(port));
  expect(await using(taken, readBack)).toBe(1000);
});

it('recovers what was committed when everything was killed at once', async () => {
  const { url, child } = await startInAnotherProcess();
  await using({ url }, write);
  process.kill(postmasterPid(), 'SIGKILL');
  child.kill('SIGKILL');
  await once(child, 'exit');
  expect(await using(await start(), readBack)).toBe(1000);
});

it('starts although the pid that it left belongs to another program by now', async () => {
  await (await start()).stop();
  running = [];
  const lines = [String(process.pid), join(directory, 'postgres'), '0', '1', '', '127.0.0.1', '', ''];
  const other = spawn('sleep', ['600'], { stdio: 'ignore', ...userOf(directory) });
  children.push(other);
  await once(other, 'spawn');
  writeFileSync(pidFile(), [String(other.pid), ...lines.slice(1)].join('\n'));
  await using(await start(), (database) => database.ping());
  expect(postmasterPid()).not.toBe(other.pid);
  expect(other.exitCode).toBeNull();
});

it('refuses a second living owner, naming the directory and the first', async () => {
  const { child } = await startInAnotherProcess();
  await expect(start()).rejects.toMatchObject({
    code: 'FAILED_PRECONDITION',
    message: expect.stringMatching(new RegExp(`${directory}.*pid ${child.pid}\\)`)),
    detail: { field: 'directory', value: directory },
  });
});

it.each([
  ['a file', () => join(directory, 'file')],
  ['below a file', () => join(directory, 'file/below')],
  // Node's own recursive mkdir never returns from here.
  ['where nothing can be made', () => '/proc/mallbots'],
])('refuses a data directory that is %s, and says what to do', async (_what, place) => {
  writeFileSync(join(directory, 'file'), '');

  await expect(startEmbeddedPostgres({ directory: place(), logger: silentLogger })).rejects.toMatchObject({
    code: 'FAILED_PRECONDITION',
    message: expect.stringMatching(/cannot be used .*set MALLBOTS_DATA/),
    detail: { field: 'MALLBOTS_DATA', value: place() },
  });
});

it('has one owner when several start in one new directory at once', async () => {
  const outcomes = await Promise.allSettled([start(), start(), start()]);
  expect(outcomes.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected', 'rejected']);
  for (const outcome of outcomes) {
    if (outcome.status === 'rejected') expect(outcome.reason).toMatchObject({ detail: { reason: 'DIRECTORY_IN_USE' } });
  }
});

it('is started again, on the same port, when it dies', async () => {
  const postgres = await start();
  await using(postgres, write);
  const pid = postmasterPid();
  process.kill(pid, 'SIGKILL');
  const again = () => using(postgres, readBack).catch(() => 0);
  await expect.poll(again, { timeout: 30_000, interval: 100 }).toBe(1000);
  expect(postmasterPid()).not.toBe(pid);
});

/** Field 5 of /proc/<pid>/stat, after the name in parentheses. */
function processGroupOf(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[2]);
}

/** PostgreSQL's user: only a process of the same one is in its way. */
function userOf(path: string): { uid?: number; gid?: number } {
  const { uid, gid } = statSync(join(path, 'postgres'));
  return process.getuid?.() === 0 ? { uid, gid } : {};
}
