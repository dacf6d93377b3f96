import type { Logger } from 'pino';
import { startEmbeddedPostgres } from '../../src/database/embedded.ts';
import { findPlace } from '../../src/database/embedded-place.ts';
import { findPostmaster } from '../../src/database/postmaster.ts';
import { freePort } from '../../src/kit/free-port.ts';

/** A PostgreSQL of the tests' own on a fixed port. Whatever ends it, it is started again at once, until `stop`. */
export interface PostgresServer {
  readonly url: string;
  /** `kill -9` of the postmaster; its children notice. */
  kill(): void;
  /** The fast shutdown: every connection is ended, nothing has to be recovered. */
  shutDown(): void;
  stop(): Promise<void>;
}

export async function startPostgresServer(directory: string, logger: Logger): Promise<PostgresServer> {
  const { url, stop } = await startEmbeddedPostgres({ directory, port: await freePort(), logger });
  const place = findPlace(directory, logger);
  const signal = (name: NodeJS.Signals) => {
    const postmaster = findPostmaster(place);
    if (!postmaster) throw new Error(`no PostgreSQL runs in ${place.directory}`);
    process.kill(postmaster.pid, name);
  };
  return { url, stop, kill: () => signal('SIGKILL'), shutDown: () => signal('SIGINT') };
}
