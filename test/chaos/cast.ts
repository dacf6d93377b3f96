import { pause } from '../../src/kit/backoff.ts';
import type { SupervisorEvents } from '../../src/runtime/supervisor.ts';

/** What takes longer has not happened, ms: a role needs some seconds to start on a busy machine. */
const patienceMs = 60_000;
const lookEveryMs = 20;

/** Something that has to follow from a fault did not. */
export class NotInTime extends Error {}

/** A fault was answered otherwise than is promised; the mall goes on. */
export class PromiseBroken extends Error {
  readonly rule: string;

  constructor(rule: string, message: string) {
    super(message);
    this.rule = rule;
  }
}

/** Resolves as soon as `holds` does. @throws NotInTime after a minute */
export async function until(what: string, holds: () => boolean | Promise<boolean>, signal: AbortSignal): Promise<void> {
  const giveUpAt = performance.now() + patienceMs;
  while (!(await holds())) {
    signal.throwIfAborted();
    if (performance.now() > giveUpAt) throw new NotInTime(`not within ${patienceMs / 1_000} s: ${what}`);
    await pause(lookEveryMs, signal);
  }
}

/** The processes of the mall by their names: who runs, and how they are killed and frozen. */
export class Cast implements SupervisorEvents {
  readonly #pids = new Map<string, number>();
  readonly #known = new Set<string>();
  readonly #frozen = new Set<number>();
  #deaths = 0;
  #haveLostSpans = false;
  #lastDead = '';

  /** Processes that ended without being asked to by whoever started them. */
  get deaths(): number {
    return this.#deaths;
  }

  /** One was killed: what it had not exported yet went with it. One that ends by itself exports all. */
  get haveLostSpans(): boolean {
    return this.#haveLostSpans;
  }

  get lastDead(): string {
    return this.#lastDead;
  }

  /** Everybody who ever started runs. */
  get isComplete(): boolean {
    return this.#known.size === this.#pids.size;
  }

  started(name: string, pid: number): void {
    this.#known.add(name);
    this.#pids.set(name, pid);
  }

  died(name: string, how: string): void {
    this.#haveLostSpans ||= how !== 'exit status 0';
    this.#deaths += 1;
    this.#lastDead = name;
    this.#pids.delete(name);
  }

  /** Those whose names begin so, in the order of their names. */
  named(prefix: string): string[] {
    return [...this.#pids.keys()].filter((name) => name.startsWith(prefix)).sort();
  }

  /** Resolves when the process has ended and its successor has started. */
  async end(name: string, how: 'SIGKILL' | 'SIGTERM', signal: AbortSignal): Promise<void> {
    const pid = this.#signal(name, how);
    const isBack = () => this.#pids.has(name) && this.#pids.get(name) !== pid;
    await until(`${name} ends and is started again`, isBack, signal);
  }

  /** Sends the signal and waits for nothing. */
  ask(name: string, how: NodeJS.Signals): void {
    this.#signal(name, how);
  }

  freeze(name: string): void {
    this.#frozen.add(this.#signal(name, 'SIGSTOP'));
  }

  /** Everybody who was frozen goes on. */
  thaw(): void {
    for (const pid of this.#frozen) {
      try {
        process.kill(pid, 'SIGCONT');
      } catch {
        // It was killed meanwhile.
      }
    }
    this.#frozen.clear();
  }

  #signal(name: string, signal: NodeJS.Signals): number {
    const pid = this.#pids.get(name);
    if (pid === undefined) throw new NotInTime(`${name} does not run`);
    process.kill(pid, signal);
    return pid;
  }
}
