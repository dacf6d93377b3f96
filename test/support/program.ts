import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { expect } from 'vitest';

export const entryPoint = fileURLToPath(new URL('../../src/cli/mallbots.js', import.meta.url));

/** For tests of whole malls, with processes that start, die and come back on a machine that is busy with other tests. */
export const mallTimeoutMs = 240_000;

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** `mallbots <args>` as the process that its user would start. */
export class Program {
  readonly child: ChildProcess;
  readonly ended: Promise<Ended>;
  readonly #lines: string[] = [];
  #listeners: Array<() => void> = [];
  #over = false;

  constructor(
    args: readonly string[],
    environment: Readonly<Record<string, string>> = {},
    program: string = entryPoint,
  ) {
    this.child = spawn(process.execPath, [program, ...args], {
      env: { ...process.env, ...environment },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const out: string[] = [];
    const errors: string[] = [];
    const collect = (stream: NodeJS.ReadableStream, into: string[]) => {
      createInterface({ input: stream }).on('line', (line) => {
        into.push(line);
        this.#lines.push(line);
        this.#tell();
      });
    };
    collect(this.child.stdout!, out);
    collect(this.child.stderr!, errors);
    this.ended = new Promise((resolve) => {
      this.child.once('close', (code, signal) => {
        this.#over = true;
        this.#tell();
        resolve({ code, signal, stdout: out.join('\n'), stderr: errors.join('\n') });
      });
    });
  }

  /** Everything said so far, on standard output and standard error. */
  get lines(): readonly string[] {
    return this.#lines;
  }

  /** The first line, from number `from` on, that matches; fails when the program ends without it. */
  async line(pattern: RegExp, from = 0): Promise<RegExpExecArray> {
    for (;;) {
      for (const line of this.#lines.slice(from)) {
        const match = pattern.exec(line);
        if (match) return match;
      }
      if (this.#over) expect.fail(`ended without a line like ${pattern}:\n${this.#lines.join('\n')}`);
      await new Promise<void>((resolve) => this.#listeners.push(resolve));
    }
  }

  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<Ended> {
    this.child.kill(signal);
    return this.ended;
  }

  #tell(): void {
    const listeners = this.#listeners;
    this.#listeners = [];
    for (const resolve of listeners) resolve();
  }
}
