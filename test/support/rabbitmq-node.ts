import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdirSync, openSync, readFileSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { serverVersion } from '../../src/broker/rabbitmq-server.ts';
import { pause } from '../../src/kit/backoff.ts';
import { freePort } from '../../src/kit/free-port.ts';

/** Five seconds on an idle machine, from nothing or after a kill. */
const startDeadlineMs = 120_000;
/** A stop in good order takes three. */
const stopDeadlineMs = 30_000;
const probeDeadlineMs = 2_000;
const pollMs = 100;
const shownLogChars = 1_000;

/** Debian's command of this name in /usr/sbin wants to be root and runs as another user; this is what it calls. */
const debianProgram = '/usr/lib/rabbitmq/bin/rabbitmq-server';

/** Where RabbitMQ's own start script is; undefined where it is not installed. */
export function rabbitMqProgram(): string | undefined {
  const path = (process.env.PATH ?? '').split(delimiter).map((folder) => join(folder, 'rabbitmq-server'));
  return [debianProgram, ...path].find((program) => existsSync(program));
}

/** A RabbitMQ of the tests' own, on a fixed port and with files of its own, that can be killed, stopped and started again. */
export class RabbitMqNode implements AsyncDisposable {
  readonly url: string;
  readonly #directory: string;
  readonly #port: number;
  readonly #distributionPort: number;
  #child: ChildProcess | undefined;

  private constructor(directory: string, ports: { amqp: number; distribution: number }) {
    this.#directory = directory;
    this.#port = ports.amqp;
    this.#distributionPort = ports.distribution;
    this.url = `amqp://guest:guest@127.0.0.1:${ports.amqp}`;
  }

  /** @throws Error with the end of its log when it does not start; where RabbitMQ is not installed too */
  static async start(directory: string): Promise<RabbitMqNode> {
    const ports = { amqp: await freePort(), distribution: await freePort() };
    const node = new RabbitMqNode(directory, ports);
    mkdirSync(directory, { recursive: true });
    writeFileSync(node.#file('enabled_plugins'), '[].\n');
    const settings = [`listeners.tcp.1 = 127.0.0.1:${ports.amqp}`, 'log.console = false', 'log.file.level = warning'];
    writeFileSync(node.#file('rabbitmq.conf'), `${settings.join('\n')}\n`);
    await node.start();
    return node;
  }

  /** Resolves when it takes logins. */
  async start(): Promise<void> {
    const program = rabbitMqProgram();
    if (!program) throw new Error('RabbitMQ is not installed: there is no rabbitmq-server');
    const log = openSync(this.#file('output.log'), 'a');
    this.#child = spawn(program, [], {
      env: {
        PATH: '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/opt/homebrew/bin',
        LC_ALL: 'C.UTF-8',
        // The cookie is made there.
        HOME: this.#directory,
        RABBITMQ_NODENAME: `mallbots_test_${this.#port}@localhost`,
        RABBITMQ_DIST_PORT: String(this.#distributionPort),
        RABBITMQ_MNESIA_BASE: this.#file('mnesia'),
        RABBITMQ_LOG_BASE: this.#file('log'),
        RABBITMQ_PID_FILE: this.#file('pid'),
        RABBITMQ_ENABLED_PLUGINS_FILE: this.#file('enabled_plugins'),
        RABBITMQ_CONFIG_FILE: this.#file('rabbitmq.conf'),
        RABBITMQ_CONF_ENV_FILE: '/dev/null',
        // The script becomes the Erlang machine instead of watching over it, so that a kill hits the broker.
        RABBITMQ_ALLOW_INPUT: 'true',
        RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS: '-noinput',
      },
      stdio: ['ignore', log, log],
      // Ctrl-C at a terminal is for the parent, which ends it when nobody needs it any more.
      detached: true,
    });
    this.#child.on('error', () => {});
    const giveUpAt = performance.now() + startDeadlineMs;
    while (!(await this.#answers())) {
      if (!this.#runs || performance.now() > giveUpAt) {
        const said = readFileSync(this.#file('output.log'), 'utf8').slice(-shownLogChars);
        this.#child.kill('SIGKILL');
        throw new Error(`RabbitMQ does not start: ${said}`);
      }
      await pause(pollMs);
    }
  }

  /** `kill -9`; resolves when the process is gone. */
  async kill(): Promise<void> {
    await this.#end('SIGKILL');
  }

  /** In good order. */
  async stop(): Promise<void> {
    await this.#end('SIGTERM');
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.kill();
  }

  get #runs(): boolean {
    return this.#child?.pid !== undefined && this.#child.exitCode === null && this.#child.signalCode === null;
  }

  async #end(signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
    const child = this.#child;
    if (!child || !this.#runs) return;
    const gone = new Promise((resolve) => child.once('exit', resolve));
    child.kill(signal);
    await Promise.race([gone, pause(stopDeadlineMs).then(() => child.kill('SIGKILL'))]);
    await gone;
  }

  async #answers(): Promise<boolean> {
    return serverVersion(this.url, probeDeadlineMs).then(
      () => true,
      () => false,
    );
  }

  #file(name: string): string {
    return join(this.#directory, name);
  }
}
