import type { Logger } from 'pino';
import { deleteTopology } from '../broker/rabbitmq.ts';
import { MallError } from '../contract/errors.ts';
import { mallTopology } from '../contract/topology.ts';
import { connectDatabase } from '../database/postgres.ts';
import { SqlState, sqlState } from '../database/sql-errors.ts';
import { rootMessage } from '../kit/root-message.ts';

/**
 * A database and AMQP names of the demo's own on servers that other things live on too: the demo starts clean whatever was there, its
 * checks may look at every row, and nothing of it stays.
 */
export interface Scratch {
  readonly databaseUrl: string;
  readonly namespace: string;
  remove(): Promise<void>;
}

export async function createScratch(
  name: string,
  { databaseUrl, amqpUrl, logger }: { databaseUrl: string; amqpUrl: string; logger: Logger },
): Promise<Scratch> {
  const url = databaseUrl ? new URL(databaseUrl) : undefined;
  const administrate = async (statement: string) => {
    const server = connectDatabase({ url: databaseUrl, poolSize: 1, applicationName: 'mallbots demo', logger });
    try {
      await server.query((orm) => orm.execute(statement));
    } finally {
      await server.close();
    }
  };
  if (url) {
    await administrate(`CREATE DATABASE "${name}"`).catch((error: unknown) => {
      throw sqlState(error) === SqlState.insufficientPrivilege ? forbidden(url.username, error) : error;
    });
    url.pathname = `/${name}`;
  }
  return {
    databaseUrl: url?.href ?? '',
    namespace: amqpUrl ? name : '',
    async remove() {
      if (amqpUrl) await deleteTopology(amqpUrl, name, mallTopology);
      if (url) await administrate(`DROP DATABASE IF EXISTS "${name}" WITH (FORCE)`);
    },
  };
}

function forbidden(user: string, cause: unknown): MallError {
  const remedy = `ALTER USER "${user}" CREATEDB, or give the URL of another user`;
  return new MallError(
    'FAILED_PRECONDITION',
    `the demo makes a database of its own, and ${user} may not (${rootMessage(cause)}); ${remedy}`,
    { reason: 'DATABASE_FORBIDDEN', field: '--database-url', value: user, remedy },
    { cause },
  );
}
