import type { Logger } from 'pino';
import type { Database } from '../../database/port.ts';
import type { Telemetry } from '../../telemetry/setup.ts';
import type { Roster } from '../roster.ts';
import { seedBuiltIn } from './built-in.ts';
import { Catalogue } from './catalogue.ts';
import { Delivery } from './delivery.ts';
import { startRollouts } from './rollouts.ts';
import { protocolService } from './service.ts';
import { StatusBook } from './status-book.ts';
import { Trials } from './trials.ts';

export interface ProtocolPorts {
  readonly database: Database;
  readonly roster: Roster;
  readonly telemetry: Telemetry;
  readonly logger: Logger;
  readonly hubId: string;
  /** A bot can be given other tasks than before. */
  readonly onWilling: () => void;
  /** This hub has changed the protocol: the others are to hear of it. */
  readonly onChanged: () => void;
}

/** The mutable protocol as one hub has it: what there is, its delivery to the bots, and the service that changes it. */
export async function startProtocol(ports: ProtocolPorts) {
  const { database, roster, telemetry, logger, hubId, onWilling, onChanged } = ports;
  await seedBuiltIn(database);
  const book = new StatusBook(database, logger).start();
  const catalogue: Catalogue = new Catalogue({ database, logger, onChanged: (view) => void delivery.follow(view) });
  const delivery = new Delivery({ roster, catalogue, book, onWilling });
  const trials = new Trials({ database, logger, hubId, catalogue }).start();
  await catalogue.start();
  const changed = () => {
    catalogue.wake();
    onChanged();
  };
  const rollouts = startRollouts({ database, logger, catalogue, onChanged: changed });
  return {
    catalogue,
    delivery,
    trials,
    service: protocolService({ database, telemetry, onChanged: changed }),
    async stop(): Promise<void> {
      delivery.stop();
      await Promise.all([rollouts.stop(), catalogue.stop(), book.stop(), trials.stop()]);
    },
  };
}
