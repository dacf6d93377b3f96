import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { hostEnvironment } from '../../../config.ts';
import { MallError } from '../../../contract/errors.ts';

/** One run takes 60 ms; longer than this it hangs, or was given a whole disk to read. */
const runTimeoutMs = 30_000;
/** Bytes of output: thousands of findings. More is cut off with an error. */
const maxOutputBytes = 8 * 1024 * 1024;

export interface BufRun {
  readonly exitCode: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** The binary that npm installed for this platform, else the one of the PATH. */
function binary(): string {
  const architecture = process.platform === 'linux' && process.arch === 'arm64' ? 'aarch64' : process.arch;
  const file = process.platform === 'win32' ? 'buf.exe' : 'buf';
  try {
    // npm puts a platform's binary where the package that asks for it finds it.
    const { resolve } = createRequire(createRequire(import.meta.url).resolve('@bufbuild/buf'));
    return resolve(`@bufbuild/buf-${process.platform}-${architecture}/bin/${file}`);
  } catch {
    return 'buf';
  }
}

/**
 * Runs `buf` offline in `directory`, with nothing of the environment that could change what it does.
 * @throws MallError FAILED_PRECONDITION when there is no buf, DEADLINE_EXCEEDED when it takes too long
 */
export async function runBuf(directory: string, args: readonly string[]): Promise<BufRun> {
  const { PATH, HOME } = hostEnvironment;
  const options = {
    cwd: directory,
    env: { PATH, HOME },
    timeout: runTimeoutMs,
    maxBuffer: maxOutputBytes,
    killSignal: 'SIGKILL' as const,
  };
  return new Promise((resolve, reject) => {
    execFile(binary(), args, options, (error, stdout, stderr) => {
      if (!error) return resolve({ exitCode: 0, stdout, stderr });
      if (typeof error.code === 'number') return resolve({ exitCode: error.code, stdout, stderr });
      reject(bufFailed(error));
    });
  });
}

function bufFailed(error: Error & { code?: unknown; killed?: boolean }): MallError {
  if (error.code === 'ENOENT') {
    const remedy = 'run "npm ci" without --omit=optional, or install buf (https://buf.build) and put it on the PATH';
    return new MallError(
      'FAILED_PRECONDITION',
      `the check needs the program buf, which is not there; ${remedy}`,
      { reason: 'BUF_MISSING', field: 'PATH', remedy },
      { cause: error },
    );
  }
  if (error.killed) {
    const remedy = 'give a directory that has the .proto files of one kind and nothing else';
    return new MallError('DEADLINE_EXCEEDED', `buf took longer than ${runTimeoutMs / 1_000} s; ${remedy}`, {
      reason: 'BUF_TIMEOUT',
      remedy,
    });
  }
  return new MallError('INTERNAL', `buf cannot be run: ${error.message}`, { reason: 'BUF_FAILED' }, { cause: error });
}

/** A directory for as long as `work` lasts. */
export async function inScratch<T>(work: (directory: string) => Promise<T>): Promise<T> {
  const directory = await mkdtemp(join(tmpdir(), 'mallbots-protocol-'));
  try {
    return await work(directory);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/** One line of `--error-format json`. */
export interface BufAnnotation {
  readonly path?: string;
  readonly start_line?: number;
  readonly start_column?: number;
  readonly type: string;
  readonly message: string;
}

/** What buf said in lines of JSON. */
export const annotations = (output: string): BufAnnotation[] =>
  output
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as BufAnnotation);
