import type { Logger } from 'pino';
import { createEmbeddedBroker } from '../broker/embedded.ts';
import type { Broker } from '../broker/port.ts';
import { connectRabbitMq } from '../broker/rabbitmq.ts';
import type { Config } from '../config.ts';
import { MallError } from '../contract/errors.ts';
import { startEmbeddedPostgres } from '../database/embedded.ts';
import type { Database } from '../database/port.ts';
import { connectDatabase } from '../database/postgres.ts';
import { type BackoffPolicy, backoffMs, pause } from '../kit/backoff.ts';

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
}

/** A database or broker may start together with this process: tried again for this long before giving up. */
const startPatienceMs = 60_000;
const startBackoff: BackoffPolicy = { firstMs: 200, maxMs: 3_000, factor: 2 };

/** PostgreSQL and RabbitMQ where the config names them, else embedded ones: real PostgreSQL as a child process, the broker in this process. */
export async function openBackends(config: Config, options: BackendOptions): Promise<Backends> {
  const { logger, applicationName, poolSize } = options;
  const embedded = config.databaseUrl
    ? undefined
    : await startEmbeddedPostgres({ directory: config.dataDirectory, logger });
  const url = config.databaseUrl || embedded!.url;
  const database = connectDatabase({ url, poolSize, applicationName, logger });
  try {
    await reach(() => database.ping(), `PostgreSQL at ${database.address} (DATABASE_URL)`, logger);
    const broker = await openBroker(config, logger);
    return {
      database,
      broker,
      async close() {
        await broker.close();
        await database.close();
        await embedded?.stop();
      },
    };
  } catch (error) {
    await database.close();
    await embedded?.stop();
    throw error;
  }
}

function openBroker({ amqpUrl, namespace }: Config, logger: Logger): Promise<Broker> {
  if (!amqpUrl) return Promise.resolve(createEmbeddedBroker({ logger }));
  return reach(
    () => connectRabbitMq({ url: amqpUrl, namespace, logger }),
    `RabbitMQ at ${withoutPassword(amqpUrl)} (AMQP_URL)`,
    logger,
  );
}

async function reach<T>(attempt: () => Promise<T>, what: string, logger: Logger): Promise<T> {
  const giveUpAt = Date.now() + startPatienceMs;
  for (let failures = 1; ; failures += 1) {
    try {
      return await attempt();
    } catch (error) {
      if (Date.now() > giveUpAt) {
        throw new MallError(
          'UNAVAILABLE',
          `${what} does not answer; run "mallbots doctor" to see what is missing`,
          {},
          { cause: error },
        );
      }
      logger.warn({ err: error }, `${what} does not answer yet`);
      await pause(backoffMs(startBackoff, failures, Math.random()));
    }
  }
}

export function withoutPassword(url: string): string {
  const parsed = new URL(url);
  parsed.password = '';
  return parsed.href;
}
