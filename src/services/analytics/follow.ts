import type { Logger } from 'pino';
import type { JournalEntry } from '../../broker/journal.ts';
import type { Broker } from '../../broker/port.ts';
import { open, type Received } from '../../contract/message.ts';
import { journal } from '../../contract/topology.ts';
import { standForLeader, type Term } from '../../database/leader.ts';
import type { Database } from '../../database/port.ts';
import { type Counted, fold } from './fold.ts';
import { readPosition, writeFacts } from './store.ts';
import { writeHappenings } from './timeline-store.ts';

/**
 * Entries counted in one transaction: long enough that its round trips do not matter, short enough that its locks do not. Each is one row of a statement at the
 * most, of up to 16 parameters; PostgreSQL takes 65,535.
 */
const entriesPerTransaction = 1_000;

export interface FollowOptions {
  readonly broker: Broker;
  readonly database: Database;
  readonly logger: Logger;
}

/**
 * Counts the journal from where it is counted to, and follows it; one process at a time, the others stand by. Goes on through every failure of
 * the broker or the database until it is stopped, which ends after the transaction under way.
 */
export function followJournal(options: FollowOptions): { stop(): Promise<void> } {
  const { database, logger } = options;
  return standForLeader({ database, lock: 'analytics', logger }, (term) => followUntil(term, options));
}

async function followUntil({ signal, progressed }: Term, { broker, database, logger }: FollowOptions): Promise<void> {
  const after = await database.query(readPosition);
  for await (const batch of broker.read(journal, { after, follow: true, signal })) {
    for (let from = 0; from < batch.length && !signal.aborted; from += entriesPerTransaction) {
      const counted = batch.slice(from, from + entriesPerTransaction).flatMap((entry) => opened(entry, logger));
      const [first, ...rest] = counted;
      // What cannot be read is passed over again after a restart, which costs nothing.
      if (first) {
        const facts = fold([first, ...rest]);
        await database.transaction(async ({ orm }) => {
          await writeHappenings(orm, [...facts.happenings.values()]);
          await writeFacts(orm, facts);
        });
      }
      progressed();
    }
  }
}

function opened({ position, message }: JournalEntry, logger: Logger): Counted[] {
  try {
    return [{ position, event: open(message) as Received }];
  } catch (error) {
    logger.warn({ err: error, position, message: message.id, name: message.name }, 'unreadable event passed over');
    return [];
  }
}
