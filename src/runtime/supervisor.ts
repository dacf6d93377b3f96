import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Environment } from '../config.ts';
import { type BackoffPolicy, backoffMs, pause } from '../kit/backoff.ts';
import { withDeadline } from '../kit/deadline.ts';

const entryPoint = fileURLToPath(new URL('../cli/mallbots.js', import.meta.url));

/** A process that dies is started again, soon the first time, later when it keeps dying. */
const restartBackoff: BackoffPolicy = { firstMs: 200, maxMs: 10_000, factor: 2 };
/** A process that lived this long had started well: its next restart is a first one. */
const healthyAfterMs = 10_000;
/** SIGTERM first; what has not drained by then is killed. Longer than any role's own drain. */
const stopTimeoutMs = 15_000;

export interface Supervised {
  /** As `kill -9` does; it is started again. False when it does not run just now. */
  kill(): boolean;
  stop(): Promise<void>;
}

export interface SupervisorEvents {
  started?(name: string, pid: number): void;
  died?(name: string, how: string, restartInMs: number): void;
}

export interface SuperviseOptions {
  readonly events?: SupervisorEvents;
  /** File descriptor that the child logs to; the parent's standard error when not given. */
  readonly log?: number | undefined;
}

/**
 * Runs `mallbots <args>` as a child process and keeps it running until `stop`. The child has an IPC channel, by which it notices that its
 * parent is gone, whatever killed it.
 */
export function supervise(
  name: string,
  args: readonly string[],
  environment: Environment,
  { events = {}, log }: SuperviseOptions = {},
): Supervised {
  const stopping = new AbortController();
  let child: ChildProcess | undefined;

  const run = async () => {
    let failures = 0;
    while (!stopping.signal.aborted) {
      const startedAt = Date.now();
      child = spawn(process.execPath, [entryPoint, ...args], {
        env: environment as NodeJS.ProcessEnv,
        stdio: ['ignore', 'ignore', log ?? 'inherit', 'ipc'],
        // Ctrl-C at a terminal goes to the parent alone, which then stops its children in order.
        detached: true,
      });
      if (child.pid) events.started?.(name, child.pid);
      const how = await ended(child);
      if (stopping.signal.aborted) return;
      failures = Date.now() - startedAt > healthyAfterMs ? 1 : failures + 1;
      const waitMs = backoffMs(restartBackoff, failures, Math.random());
      events.died?.(name, how, waitMs);
      await pause(waitMs, stopping.signal);
    }
  };
  const done = run();

  return {
    kill: () => child?.kill('SIGKILL') ?? false,
    async stop() {
      stopping.abort();
      child?.kill('SIGTERM');
      await withDeadline(`stop ${name}`, stopTimeoutMs, done).catch(() => {
        child?.kill('SIGKILL');
        return done;
      });
    },
  };
}

function ended(child: ChildProcess): Promise<string> {
  return new Promise((resolve) => {
    child.once('error', (error) => resolve(error.message));
    child.once('exit', (code, signal) => resolve(signal ?? `exit status ${code}`));
  });
}
