import { type ChildProcess, fork } from 'node:child_process';
import { constants, setPriority } from 'node:os';
import { fileURLToPath } from 'node:url';
import { withDeadline } from '../../src/kit/deadline.ts';

/** What a process of the bench can be asked for; arguments and answers cross as structured clones. */
// biome-ignore lint/suspicious/noExplicitAny: a supertype of every command needs a bivariant argument.
export type Commands = Record<string, (argument: any) => Promise<unknown>>;

interface Request {
  readonly id: number;
  readonly command: string;
  readonly argument: unknown;
}

interface Answer {
  readonly id: number;
  readonly result?: unknown;
  readonly error?: string;
}

/** What takes longer is stuck, ms: ten thousand handshakes on a busy machine take two minutes. */
const callDeadlineMs = 240_000;
/** Longer than the hub's drain. */
const endDeadlineMs = 15_000;

/** Answers the parent's requests in this process, until the parent ends the process or is gone itself. */
export function serve(commands: Commands): void {
  process.on('message', async ({ id, command, argument }: Request) => {
    let answer: Answer;
    try {
      answer = { id, result: await commands[command]!(argument) };
    } catch (error) {
      answer = { id, error: (error as Error).stack ?? String(error) };
    }
    process.send!(answer);
  });
  process.on('disconnect', () => process.exit());
}

export interface WorkerOptions {
  /** Aborts: the process is killed. */
  readonly signal: AbortSignal;
  readonly args?: readonly string[];
  readonly execArgv?: readonly string[];
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Leaves the processors to whoever wants them: stands for what has machines of its own in reality. */
  readonly yields?: boolean;
  /** Where its standard error goes; by default to the bench's own. */
  readonly stderr?: number;
}

/** A process of its own, so that what it does costs the measured one nothing but its share of the machine. */
export class Worker<C extends Commands> implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #file: string;
  readonly #waiting = new Map<number, { resolve(result: unknown): void; reject(error: Error): void }>();
  readonly #ended: Promise<void>;
  #calls = 0;

  /** `file`, relative to this one, calls `serve` or is started with a preload that does. */
  constructor(file: string, { signal, args = [], execArgv = [], env = process.env, yields, stderr }: WorkerOptions) {
    this.#file = file;
    this.#child = fork(fileURLToPath(new URL(file, import.meta.url)), [...args], {
      execArgv: [...execArgv],
      env: env as NodeJS.ProcessEnv,
      serialization: 'advanced',
      stdio: ['ignore', 'ignore', stderr ?? 'inherit', 'ipc'],
      // Ctrl-C at a terminal goes to the bench alone, which then ends its children in order.
      detached: true,
    });
    if (yields) setPriority(this.#child.pid!, constants.priority.PRIORITY_LOW);
    this.#child.on('message', ({ id, result, error }: Answer) => {
      const waiting = this.#waiting.get(id);
      if (error === undefined) waiting?.resolve(result);
      else waiting?.reject(new Error(`${file}: ${error}`));
      this.#waiting.delete(id);
    });
    this.#ended = new Promise((resolve) => {
      this.#child.once('close', () => {
        for (const { reject } of this.#waiting.values()) reject(new Error(`${file} has ended`));
        resolve();
      });
    });
    const kill = () => this.#child.kill('SIGKILL');
    if (signal.aborted) kill();
    signal.addEventListener('abort', kill, { once: true });
    void this.#ended.then(() => signal.removeEventListener('abort', kill));
  }

  call<K extends keyof C & string>(command: K, argument: Parameters<C[K]>[0]): ReturnType<C[K]> {
    const id = ++this.#calls;
    const answered = new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#child.send({ id, command, argument } satisfies Request, (error) => error && reject(error));
    });
    return withDeadline(`${command} of ${this.#file}`, callDeadlineMs, answered) as ReturnType<C[K]>;
  }

  /** By default at once; a process that is asked to end may take as long as a drain does. */
  async end(how: 'SIGKILL' | 'SIGTERM' = 'SIGKILL'): Promise<void> {
    this.#child.kill(how);
    await withDeadline(`the end of ${this.#file}`, endDeadlineMs, this.#ended).catch(() => this.end());
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.end();
  }
}
