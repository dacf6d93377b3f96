import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Logger } from 'pino';
import { MallError } from '../contract/errors.ts';
import { type BackoffPolicy, backoffMs, pause } from '../kit/backoff.ts';
import { withDeadline } from '../kit/deadline.ts';
import { freePort } from '../kit/free-port.ts';
import { Connection } from './connection.ts';
import { findPlace, makePrivate, type Place } from './embedded-place.ts';
import {
  clusterOf,
  dismissPostmaster,
  findPostmaster,
  isAlive,
  logTail,
  type Postmaster,
  startPostmaster,
  stopPostmaster,
  surroundings,
} from './postmaster.ts';

/** Starting takes 0.1 s; after a crash under load the log has to be replayed first. */
const startDeadlineMs = 60_000;
const initDeadlineMs = 60_000;
const connectDeadlineMs = 2_000;
const pollMs = 50;
const restart: BackoffPolicy = { firstMs: 100, maxMs: 5_000, factor: 2 };
/** Held, for as long as it lives, by the one process that started or took over the server. */
const ownerLock = `hashtextextended('mallbots.embedded-owner', 0)`;
const ownerName = (pid: number | string) => `mallbots owner ${pid}`;

export interface EmbeddedPostgres {
  readonly url: string;
  /** Checkpoint and end, bounded; the data stays. Call it when nobody uses the database any more. */
  stop(): Promise<void>;
}

export interface EmbeddedOptions {
  /** Data and log are kept here: `<directory>/postgres`, `<directory>/postgres.log`. */
  readonly directory: string;
  readonly logger: Logger;
  /** A free one when not given. */
  readonly port?: number;
}

/**
 * A real PostgreSQL for this machine alone, from the npm package of the platform. Made on the first call, started again on the next;
 * one that a killed process left behind is taken over. When the server dies it is started again on the same port.
 * @throws MallError FAILED_PRECONDITION when another living process has this directory (names both), or the platform has no package
 *   (says how to do without); UNAVAILABLE when the server does not start (with the end of its log)
 */
export async function startEmbeddedPostgres({ directory, logger, port }: EmbeddedOptions): Promise<EmbeddedPostgres> {
  const place = findPlace(directory, logger);
  await createCluster(place);
  const stopping = new AbortController();
  let owned = await own(place, port, logger, stopping.signal);
  let reviving: Promise<void> = Promise.resolve();

  const revive = async () => {
    for (let failures = 1; !stopping.signal.aborted; failures += 1) {
      logger.error({ directory: place.directory, log: logTail(place) }, 'PostgreSQL has gone; starting it again');
      try {
        owned = await own(place, owned.port, logger, stopping.signal);
        return watch();
      } catch (error) {
        logger.error({ err: error, directory: place.directory }, 'PostgreSQL does not start');
        await pause(backoffMs(restart, failures, Math.random()), stopping.signal);
      }
    }
  };
  const watch = () => {
    owned.connection.onLost(() => {
      if (!stopping.signal.aborted) reviving = revive();
    });
  };
  watch();
  // A second Ctrl-C or a start that failed ends this process without `stop`.
  const dismiss = () => dismissPostmaster(place);
  process.once('exit', dismiss);
  return {
    url: urlOf(owned.port),
    async stop() {
      stopping.abort();
      await reviving;
      const postmaster = findPostmaster(place);
      if (postmaster) await stopPostmaster(place, postmaster);
      process.off('exit', dismiss);
      owned.connection.destroy();
    },
  };
}

/** No password: it listens on the loopback only, where whoever could connect can read the files as well or is on a machine of one user. */
const urlOf = (port: number) => `postgres://postgres@127.0.0.1:${port}/postgres`;

interface Owned {
  readonly connection: Connection;
  readonly port: number;
}

/** Starts the server or takes over the one that runs. PostgreSQL's own interlock lets two that try at once end up with one server, and the lock with one owner. */
async function own(
  place: Place,
  wantedPort: number | undefined,
  logger: Logger,
  stopping: AbortSignal,
): Promise<Owned> {
  const giveUpAt = performance.now() + startDeadlineMs;
  while (performance.now() < giveUpAt && !stopping.aborted) {
    const running = findPostmaster(place);
    if (!running) {
      await launch(place, wantedPort ?? (await freePort()), giveUpAt);
      continue;
    }
    const owned = running.port > 0 ? await claim(place, running) : undefined;
    if (owned && (wantedPort === undefined || owned.port === wantedPort)) return owned;
    if (owned) {
      const { port } = owned;
      logger.info({ port, wantedPort }, 'a killed process left PostgreSQL behind on another port; starting it again');
      await stopPostmaster(place, running);
      owned.connection.destroy();
    }
    await pause(pollMs, stopping);
  }
  throw startFailure(place);
}

/** Resolves when the server has written its port, or has ended: then whoever calls looks again. */
async function launch(place: Place, port: number, giveUpAt: number): Promise<void> {
  const child = startPostmaster(place, port);
  const outcome = { exited: false, error: undefined as Error | undefined };
  child.once('exit', () => {
    outcome.exited = true;
  });
  child.once('error', (error) => {
    outcome.error = error;
  });
  while (!findPostmaster(place)?.port) {
    if (outcome.error) throw startFailure(place, outcome.error);
    // It may have lost against another that starts in the same directory, or the port was taken meanwhile.
    if (outcome.exited && !findPostmaster(place)) return pause(pollMs * 4);
    if (performance.now() > giveUpAt) throw startFailure(place);
    await pause(pollMs / 5);
  }
}

/** The lock of the owner, or undefined while the server is not ready. */
async function claim(place: Place, { pid, port }: Postmaster): Promise<Owned | undefined> {
  const connection = new Connection({
    url: urlOf(port),
    applicationName: ownerName(process.pid),
    statementTimeoutMs: 0,
    lockTimeoutMs: 0,
    idleInTransactionTimeoutMs: 0,
  });
  try {
    const lock = connection.run(`select pg_try_advisory_lock(${ownerLock}) as mine`);
    const [row] = await withDeadline('connecting to the embedded PostgreSQL', connectDeadlineMs, lock);
    if (row?.mine === true) return { connection, port };
  } catch {
    // Starting, recovering or ending: the caller looks again until its deadline.
    connection.destroy();
    return undefined;
  }
  const owners = await withDeadline(
    'asking for the owner of the embedded PostgreSQL',
    connectDeadlineMs,
    connection.run(
      `select application_name from pg_stat_activity where application_name like '${ownerName('%')}' and pid <> pg_backend_pid()`,
    ),
  ).finally(() => connection.end());
  const owner = String(owners[0]?.application_name ?? '').replace(/\D/g, '') || `unknown, its PostgreSQL is ${pid}`;
  const remedy = 'stop that process, or choose another directory';
  throw new MallError(
    'FAILED_PRECONDITION',
    `the data directory ${place.directory} is in use by another process (pid ${owner}); ${remedy}`,
    { reason: 'DIRECTORY_IN_USE', field: 'directory', value: place.directory, remedy },
  );
}

/** Made aside and moved into place, so that a half-made one is never taken for a whole one. */
async function createCluster(place: Place): Promise<void> {
  const cluster = clusterOf(place);
  if (existsSync(cluster)) return;
  for (const left of readdirSync(place.directory).filter((name) => /^postgres\.\d+\.\w+\.new$/.test(name))) {
    if (!isAlive(Number(left.split('.')[1]))) rmSync(join(place.directory, left), { recursive: true, force: true });
  }
  const scratch = `${cluster}.${process.pid}.${randomBytes(4).toString('hex')}.new`;
  makePrivate(scratch, place);
  try {
    const args = ['-D', scratch, '-U', 'postgres', '-A', 'trust', '-E', 'UTF8', '--locale=C', '--no-instructions'];
    await promisify(execFile)(join(place.installation, 'bin/initdb'), args, {
      ...surroundings(place),
      timeout: initDeadlineMs,
    });
    renameSync(scratch, cluster);
  } catch (cause) {
    rmSync(scratch, { recursive: true, force: true });
    if (!existsSync(cluster)) throw startFailure(place, cause);
  }
}

function startFailure(place: Place, cause?: unknown): MallError {
  const detail = cause instanceof Error ? cause.message : logTail(place);
  return new MallError(
    'UNAVAILABLE',
    `the embedded PostgreSQL in ${place.directory} does not start: ${detail}`,
    {
      reason: 'EMBEDDED_POSTGRES_FAILED',
      field: 'directory',
      value: place.directory,
      remedy: 'see postgres.log there, or set DATABASE_URL',
    },
    { cause },
  );
}
