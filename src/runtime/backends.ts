import type { Logger } from 'pino';
import { createEmbeddedBroker } from '../broker/embedded.ts';
import type { JournalStore } from '../broker/journal.ts';
import type { Broker } from '../broker/port.ts';
import { connectRabbitMq } from '../broker/rabbitmq.ts';
import type { Config } from '../config.ts';
import { type Code, MallError } from '../contract/errors.ts';
import { journalMaxAgeMs } from '../contract/topology.ts';
import { startEmbeddedPostgres } from '../database/embedded.ts';
import { TableJournal } from '../database/journal/table-journal.ts';
import { migrationsOf } from '../database/migrations.ts';
import type { Database } from '../database/port.ts';
import { connectDatabase } from '../database/postgres.ts';
import { type BackoffPolicy, backoffMs, pause } from '../kit/backoff.ts';
import { rootMessage } from '../kit/root-message.ts';
import { aborted } from './stop-signal.ts';

/** The two things that a mall stands on. */
export interface Backends {
  readonly database: Database;
  readonly broker: Broker;
  close(): Promise<void>;
}

export interface BackendOptions {
  readonly logger: Logger;
  readonly applicationName: string;
  /** Connections to PostgreSQL at most; a process with every role wants more than one with a single role. */
  readonly poolSize: number;
  /** How long to try; where nobody reads the log, a short time. */
  readonly patienceMs?: number;
  /** Ends the wait for a database or broker that does not answer yet: rejects with its reason. */
  readonly signal?: AbortSignal | undefined;
}

/** A database or broker may start together with this process: tried again for this long, when nothing else is said, before giving up. */
const startPatienceMs = 60_000;
const startBackoff: BackoffPolicy = { firstMs: 200, maxMs: 3_000, factor: 2 };

/** What trying again does not cure. */
const final: ReadonlySet<Code> = new Set(['FAILED_PRECONDITION', 'INVALID_ARGUMENT', 'UNAUTHENTICATED']);

/** PostgreSQL and RabbitMQ where the config names them, else embedded ones: real PostgreSQL as a child process, the broker in this process. */
export async function openBackends(config: Config, options: BackendOptions): Promise<Backends> {
  const { logger, applicationName, poolSize, signal } = options;
  const embedded = config.databaseUrl
    ? undefined
    : await startEmbeddedPostgres({ directory: config.dataDirectory, logger }).catch((error) => {
        // Ctrl-C goes to every process of the terminal, initdb too.
        signal?.throwIfAborted();
        throw error;
      });
  const url = config.databaseUrl || embedded!.url;
  const database = connectDatabase({ url, poolSize, applicationName, logger });
  let journal: TableJournal | undefined;
  try {
    await reach(() => database.ping(), `PostgreSQL at ${database.address} (DATABASE_URL)`, options);
    if (!config.amqpUrl) journal = await openJournal(database, logger);
    const broker = await openBroker(config, options, journal);
    broker.onUnroutable((message) => logger.error(message, 'a message that no queue is bound for'));
    return {
      database,
      broker,
      async close() {
        await broker.close();
        await journal?.close();
        await database.close();
        await embedded?.stop();
      },
    };
  } catch (error) {
    await journal?.close();
    await database.close();
    await embedded?.stop();
    throw error;
  }
}

async function openJournal(database: Database, logger: Logger): Promise<TableJournal> {
  await database.migrate('journal', migrationsOf('journal'));
  return new TableJournal({ database, logger, maxAgeMs: journalMaxAgeMs });
}

async function openBroker(
  { amqpUrl, namespace }: Config,
  options: BackendOptions,
  journal: JournalStore | undefined,
): Promise<Broker> {
  const { logger } = options;
  if (!amqpUrl) return createEmbeddedBroker({ logger, ...(journal && { journal }) });
  return reach(
    () => connectRabbitMq({ url: amqpUrl, namespace, logger }),
    `RabbitMQ at ${withoutPassword(amqpUrl)} (AMQP_URL)`,
    options,
  );
}

async function reach<T>(
  attempt: () => Promise<T>,
  what: string,
  { logger, signal, patienceMs = startPatienceMs }: BackendOptions,
): Promise<T> {
  const giveUpAt = Date.now() + patienceMs;
  for (let failures = 1; ; failures += 1) {
    try {
      return await (signal ? unlessAborted(signal, attempt()) : attempt());
    } catch (error) {
      signal?.throwIfAborted();
      if (error instanceof MallError && final.has(error.code)) throw error;
      const reason = rootMessage(error);
      if (Date.now() > giveUpAt) {
        throw new MallError(
          'UNAVAILABLE',
          `${what} does not answer: ${reason}; run "mallbots doctor" to see what is missing`,
          {},
          { cause: error },
        );
      }
      logger.warn({ server: what, reason }, 'a server does not answer yet');
      await pause(backoffMs(startBackoff, failures, Math.random()), signal);
    }
  }
}

/** `work`, or a rejection with the signal's reason as soon as it aborts; whoever asked for that ends the process. */
function unlessAborted<T>(signal: AbortSignal, work: Promise<T>): Promise<T> {
  const stopped = aborted(signal).then<never>(() => {
    throw signal.reason;
  });
  return Promise.race([work, stopped]);
}

export function withoutPassword(url: string): string {
  const parsed = new URL(url);
  parsed.password = '';
  return parsed.href;
}
