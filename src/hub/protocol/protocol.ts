import type { Logger } from 'pino';
import type { Database } from '../../database/port.ts';
import type { Telemetry } from '../../telemetry/setup.ts';
import type { Roster } from '../roster.ts';
import { type BotAnswer, writeAnswers } from './answer-store.ts';
import { seedBuiltIn } from './built-in.ts';
import { Catalogue } from './catalogue.ts';
import { Delivery } from './delivery.ts';
import { Interpreter } from './majors/interpreter.ts';
import { addUntranslated, type UntranslatedRow } from './majors/translation-store.ts';
import { startRollouts } from './rollouts.ts';
import { protocolService } from './service.ts';
import { Trials } from './trials.ts';
import { WriteBehind } from './write-behind.ts';

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
  // A frame about a revision is acknowledged before: a hub that dies takes its streams along, and in its next Hello a bot says what it has applied.
  const book = new WriteBehind<BotAnswer>({
    ...{ database, logger, what: 'what bots say of revisions', write: writeAnswers },
    keyOf: ({ botId, digest }) => `${botId} ${digest}`,
  }).start();
  const catalogue: Catalogue = new Catalogue({ database, logger, onChanged: (view) => void delivery.follow(view) });
  const delivery = new Delivery({ roster, catalogue, book, onWilling });
  const untranslated = new WriteBehind<UntranslatedRow>({
    ...{ database, logger, what: 'what cannot be translated', write: addUntranslated, onWritten: onWilling },
    keyOf: ({ taskId, attempted }) => `${taskId} ${attempted}`,
  }).start();
  const interpreter = new Interpreter({ database, catalogue, book: untranslated });
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
    interpreter,
    service: protocolService({ database, telemetry, onChanged: changed }),
    async stop(): Promise<void> {
      delivery.stop();
      await Promise.all([rollouts.stop(), catalogue.stop(), book.stop(), untranslated.stop(), trials.stop()]);
    },
  };
}
