import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Logger } from 'pino';
import { type Environment, hostEnvironment } from '../config.ts';
import { newId } from '../contract/ids.ts';
import { createScratch } from './scratch.ts';

/** Where a mall is put up that nothing shall stay of: scratch names on the servers, and a directory. */
export interface Place {
  /** Also of its database and its AMQP names. */
  readonly name: string;
  readonly directory: string;
  /** Empty: embedded. */
  readonly databaseUrl: string;
  /** Of this process, with all that leads a role to the place. */
  readonly environment: Environment;
  remove(): Promise<void>;
}

export interface PlaceOptions {
  /** `mallbots_<purpose>_...` is what it is called. */
  readonly purpose: string;
  /** Servers; empty: embedded. */
  readonly databaseUrl?: string;
  readonly amqpUrl?: string;
  readonly logLevel: string;
  readonly logger: Logger;
}

export async function createPlace(options: PlaceOptions): Promise<Place> {
  const { purpose, databaseUrl = '', amqpUrl = '', logLevel, logger } = options;
  const name = `mallbots_${purpose}_${newId().slice(-12)}`;
  const scratch = await createScratch(name, { databaseUrl, amqpUrl, logger });
  const directory = mkdtempSync(join(tmpdir(), `${name}-`));
  // The embedded PostgreSQL may run as another user, who has to get through.
  chmodSync(directory, 0o755);
  return {
    name,
    directory,
    databaseUrl: scratch.databaseUrl,
    environment: {
      ...hostEnvironment,
      DATABASE_URL: scratch.databaseUrl,
      AMQP_URL: amqpUrl,
      MALLBOTS_NAMESPACE: scratch.namespace,
      MALLBOTS_DATA: directory,
      // The audit wants every trace whole, whatever this process's environment says to others.
      MALLBOTS_TRACE_FILE: join(directory, 'traces.jsonl'),
      MALLBOTS_TRACE_FILE_MAX_BYTES: undefined,
      OTEL_TRACES_SAMPLER: undefined,
      OTEL_TRACES_SAMPLER_ARG: undefined,
      MALLBOTS_LOG_LEVEL: logLevel,
    },
    async remove() {
      try {
        await scratch.remove();
      } finally {
        rmSync(directory, { recursive: true, force: true });
      }
    },
  };
}
