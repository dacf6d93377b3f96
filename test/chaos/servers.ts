import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Logger } from 'pino';
import { type PostgresServer, startPostgresServer } from '../support/postgres-server.ts';
import { RabbitMqNode } from '../support/rabbitmq-node.ts';
import { amqpUrl as sharedAmqpUrl } from '../support/servers.ts';

/** The servers that the suite may do anything to. */
export interface ChaosServers extends AsyncDisposable {
  readonly postgres: PostgresServer;
  readonly databaseUrl: string;
  readonly amqpUrl: string;
  /** Undefined where none can be started: then `amqpUrl` is a shared one, and `whyShared` says why. */
  readonly rabbitmq: RabbitMqNode | undefined;
  readonly whyShared: string;
}

export async function startServers(logger: Logger): Promise<ChaosServers> {
  const directory = mkdtempSync(join(tmpdir(), 'mallbots_chaos_servers-'));
  // PostgreSQL may run as another user, who has to get through.
  chmodSync(directory, 0o755);
  const [postgres, broker] = await Promise.all([
    startPostgresServer(join(directory, 'postgres'), logger),
    RabbitMqNode.start(join(directory, 'rabbitmq')).then(
      (rabbitmq) => ({ rabbitmq, whyShared: '' }),
      (error: Error) => ({ rabbitmq: undefined, whyShared: error.message }),
    ),
  ]);
  return {
    postgres,
    databaseUrl: postgres.url,
    amqpUrl: broker.rabbitmq?.url ?? sharedAmqpUrl,
    ...broker,
    async [Symbol.asyncDispose]() {
      await Promise.all([postgres.stop(), broker.rabbitmq?.kill()]);
      rmSync(directory, { recursive: true, force: true });
    },
  };
}
