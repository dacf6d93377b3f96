import { type IPty, spawn } from '@lydell/node-pty';
import xterm from '@xterm/headless';
import { expect } from 'vitest';
import { entryPoint } from './program.ts';

export interface TerminalOptions {
  readonly columns: number;
  readonly rows?: number;
  readonly environment?: Readonly<Record<string, string>>;
}

/** `mallbots <args>` at a terminal: a real one of the system's, and what a person would see on it. */
export class PseudoTerminal implements Disposable {
  readonly #process: IPty;
  readonly #terminal: xterm.Terminal;
  readonly ended: Promise<number>;
  #raw = '';
  #over = false;
  #drawn: Promise<void> = Promise.resolve();
  #listeners: Array<() => void> = [];

  constructor(args: readonly string[], { columns, rows = 24, environment = {} }: TerminalOptions) {
    this.#terminal = new xterm.Terminal({ cols: columns, rows, allowProposedApi: true });
    // No more of this process's environment: it says CI and NO_COLOR.
    const { PATH = '', HOME = '' } = process.env;
    this.#process = spawn(process.execPath, [entryPoint, ...args], {
      ...{ name: 'xterm-256color', cols: columns, rows },
      env: { PATH, HOME, TERM: 'xterm-256color', LANG: 'C.UTF-8', ...environment },
    });
    this.#process.onData((data) => {
      this.#raw += data;
      this.#drawn = new Promise((resolve) => this.#terminal.write(data, resolve));
      void this.#drawn.then(() => this.#tell());
    });
    this.ended = new Promise((resolve) => {
      this.#process.onExit(async ({ exitCode }) => {
        await this.#drawn;
        this.#over = true;
        this.#tell();
        resolve(exitCode);
      });
    });
  }

  /** Every line that was drawn and is still there, those that have scrolled off too, without the empty ones at the end. */
  get lines(): string[] {
    const { active } = this.#terminal.buffer;
    const all = Array.from({ length: active.length }, (_, at) => active.getLine(at)?.translateToString(true) ?? '');
    return all.slice(0, all.findLastIndex((line) => line !== '') + 1);
  }

  /** Lines that the terminal had to break, because they were longer than it is wide. */
  get wraps(): number {
    const { active } = this.#terminal.buffer;
    return Array.from({ length: active.length }, (_, at) => active.getLine(at)?.isWrapped).filter(Boolean).length;
  }

  /** What the program has sent, escape sequences and all. */
  get raw(): string {
    return this.#raw;
  }

  get isCursorShown(): boolean {
    return this.#raw.lastIndexOf('\u001b[?25l') <= this.#raw.lastIndexOf('\u001b[?25h');
  }

  /** Resolves when what is on the screen matches; fails when the program ends without it. */
  async shows(pattern: RegExp): Promise<void> {
    while (!pattern.test(this.lines.join('\n'))) {
      if (this.#over) expect.fail(`ended without ${pattern} on the screen:\n${this.lines.join('\n')}`);
      await new Promise<void>((resolve) => this.#listeners.push(resolve));
    }
  }

  type(text: string): void {
    this.#process.write(text);
  }

  resize(columns: number, rows: number): void {
    this.#terminal.resize(columns, rows);
    this.#process.resize(columns, rows);
  }

  [Symbol.dispose](): void {
    if (!this.#over) this.#process.kill('SIGKILL');
    this.#terminal.dispose();
  }

  #tell(): void {
    const listeners = this.#listeners;
    this.#listeners = [];
    for (const resolve of listeners) resolve();
  }
}
