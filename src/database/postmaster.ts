import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { closeSync, existsSync, openSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pause } from '../kit/backoff.ts';
import type { Place } from './embedded-place.ts';

/** Small and quiet, since it shares a laptop with everything else; durable as ever (fsync, full_page_writes, synchronous_commit). */
const settings = {
  listen_addresses: '127.0.0.1',
  unix_socket_directories: '',
  max_connections: 100,
  shared_buffers: '16MB',
  fsync: 'on',
  synchronous_commit: 'on',
  max_wal_size: '256MB',
  // No replicas, so no record for them and no processes that would send it.
  wal_level: 'minimal',
  max_wal_senders: 0,
  max_logical_replication_workers: 0,
  max_parallel_workers: 0,
  autovacuum_max_workers: 1,
  // The default keeps three processes waiting for reads.
  io_method: 'sync',
  // Compiling costs more than any of these small queries takes.
  jit: 'off',
  log_checkpoints: 'off',
  log_min_messages: 'warning',
};
/** The log of one start is a few lines; more than this is moved aside. Bytes. */
const maxLogBytes = 1_000_000;
/** Fast shutdown writes a checkpoint: below a second for what fits here. Then immediate shutdown, which recovers at the next start. */
const fastShutdownMs = 10_000;
const immediateShutdownMs = 5_000;
const pollMs = 20;

export const clusterOf = (place: Place) => join(place.directory, 'postgres');
const pidFile = (place: Place) => join(clusterOf(place), 'postmaster.pid');
const logFile = (place: Place) => join(place.directory, 'postgres.log');

/** The last lines that PostgreSQL wrote. */
export const logTail = (place: Place): string => readIfThere(logFile(place)).trim().split('\n').slice(-5).join('\n');

export interface Postmaster {
  readonly pid: number;
  /** 0 while it has not got that far. */
  readonly port: number;
}

/** The living postmaster of the cluster: ours, or an orphan of a process that was killed. */
export function findPostmaster(place: Place): Postmaster | undefined {
  // Line 1 is the pid, line 4 the port (PostgreSQL's miscadmin.h, LOCK_FILE_LINE_*).
  const lines = readIfThere(pidFile(place)).split('\n');
  const pid = Number(lines[0]);
  if (!(pid > 0) || !commandOf(pid).includes(clusterOf(place))) return undefined;
  return { pid, port: Number(lines[3]) || 0 };
}

/** Starts PostgreSQL in a process group of its own: the terminal's Ctrl-C is for the roles, which drain first and then stop it. */
export function startPostmaster(place: Place, port: number): ChildProcess {
  disownPidFile(place);
  const log = openLog(place);
  const options = Object.entries({ ...settings, port }).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  try {
    const child = spawn(join(place.installation, 'bin/postgres'), ['-D', clusterOf(place), ...options], {
      ...surroundings(place),
      detached: true,
      // A file and not a pipe: it outlives this process when this is killed.
      stdio: ['ignore', log, log],
    });
    child.unref();
    return child;
  } finally {
    closeSync(log);
  }
}

/** For every program of PostgreSQL: nothing of this process's environment leaks in (PGDATA, PGPORT, LC_ALL ...). */
export const surroundings = (place: Place) => ({
  ...place.user,
  cwd: place.directory,
  env: { PATH: '/usr/bin:/bin', LC_ALL: 'C', TZ: 'UTC' },
});

/** Asks for a fast shutdown and waits for nothing: for a process that ends now. */
export function dismissPostmaster(place: Place): void {
  const postmaster = findPostmaster(place);
  if (postmaster) signalTo(postmaster.pid, 'SIGINT');
}

/** Resolves when it is gone. */
export async function stopPostmaster(place: Place, { pid }: Postmaster): Promise<void> {
  for (const [signal, waitMs] of [
    ['SIGINT', fastShutdownMs],
    ['SIGQUIT', immediateShutdownMs],
  ] as const) {
    signalTo(pid, signal);
    if (await isGone(place, pid, waitMs)) return;
  }
  signalTo(pid, 'SIGKILL');
  await isGone(place, pid, immediateShutdownMs);
}

async function isGone(place: Place, pid: number, waitMs: number): Promise<boolean> {
  const giveUpAt = performance.now() + waitMs;
  while (findPostmaster(place)?.pid === pid) {
    if (performance.now() > giveUpAt) return false;
    await pause(pollMs);
  }
  return true;
}

function signalTo(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

/**
 * PostgreSQL refuses to start while the pid in a left-over file belongs to any living process of its user, also when that is a
 * browser by now. The file is not deleted, since it names the shared memory that is checked too; its pid becomes ours, and PostgreSQL
 * knows that its parent is not its predecessor.
 */
function disownPidFile(place: Place): void {
  const text = readIfThere(pidFile(place));
  const pid = Number(text.split('\n')[0]);
  if (!(pid > 0) || !isAlive(pid)) return;
  writeFileSync(pidFile(place), text.replace(/^\d+/, String(process.pid)));
}

/** Whether any process has this pid; one of another user counts. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** The command line of a process; empty when there is none, and for one that has ended and was not waited for. */
function commandOf(pid: number): string {
  if (process.platform === 'linux') return readIfThere(`/proc/${pid}/cmdline`).replaceAll('\0', ' ');
  try {
    return execFileSync('ps', ['-o', 'command=', '-p', String(pid)], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    });
  } catch {
    return '';
  }
}

function openLog(place: Place): number {
  const path = logFile(place);
  if (existsSync(path) && statSync(path).size > maxLogBytes) {
    rmSync(`${path}.1`, { force: true });
    renameSync(path, `${path}.1`);
  }
  return openSync(path, 'a');
}

function readIfThere(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    // ESRCH is what /proc says of a process that ends meanwhile.
    if (code === 'ENOENT' || code === 'ESRCH') return '';
    throw error;
  }
}
