import type { Logger } from 'pino';
import type { Database } from '../../database/port.ts';
import type { Telemetry } from '../../telemetry/setup.ts';
import type { Roster } from '../roster.ts';
import { seedBuiltIn } from './built-in.ts';
import { Catalogue } from './catalogue.ts';
import { Delivery } from './delivery.ts';
import { protocolService } from './service.ts';
import { StatusBook } from './status-book.ts';

export interface ProtocolPorts {
  readonly database: Database;
  readonly roster: Roster;
  readonly telemetry: Telemetry;
  readonly logger: Logger;
  /** A bot can be given other tasks than before. */
  readonly onWilling: () => void;
  /** This hub has changed the protocol: the others are to hear of it. */
  readonly onChanged: () => void;
}

/** The mutable protocol as one hub has it: what there is, its delivery to the bots, and the service that changes it. */
export async function startProtocol({ database, roster, telemetry, logger, onWilling, onChanged }: ProtocolPorts) {
  await seedBuiltIn(database);
  const book = new StatusBook(database, logger).start();
  const catalogue: Catalogue = new Catalogue({ database, logger, onChanged: (view) => void delivery.follow(view) });
  const delivery = new Delivery({ roster, catalogue, book, onWilling });
  await catalogue.start();
  const changed = () => {
    catalogue.wake();
    onChanged();
  };
  return {
    catalogue,
    delivery,
    service: protocolService({ database, telemetry, onChanged: changed }),
    async stop(): Promise<void> {
      await Promise.all([catalogue.stop(), book.stop()]);
    },
  };
}
