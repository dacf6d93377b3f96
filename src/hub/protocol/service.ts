import type { Database } from '../../database/port.ts';
import { RegistryService } from '../../gen/protocol/v1/protocol.ts';
import { implement } from '../../rpc/server.ts';
import type { Telemetry } from '../../telemetry/setup.ts';
import { registryApi } from './api.ts';
import { checkRevision } from './check/check.ts';
import { StatusFeed } from './status-feed.ts';

export interface ProtocolServicePorts {
  readonly database: Database;
  readonly telemetry: Telemetry;
  /** A kind has changed, durably. */
  readonly onChanged: () => void;
}

/** protocol.v1.Registry as a hub's server has it; `close` ends the streams of those who watch. */
export function protocolService({ database, telemetry, onChanged }: ProtocolServicePorts) {
  const feed = new StatusFeed(database);
  const api = registryApi({ database, check: checkRevision, onChanged, feed });
  return {
    definition: RegistryService,
    implementation: implement(RegistryService, api, telemetry),
    close: () => feed.close(),
  };
}
