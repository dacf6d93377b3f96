import type { Logger } from 'pino';
import type { JournalEntry } from '../../broker/journal.ts';
import type { Broker } from '../../broker/port.ts';
import { open, type Received } from '../../contract/message.ts';
import { journal } from '../../contract/topology.ts';
import type { Database } from '../../database/port.ts';
import { type BackoffPolicy, backoffMs, pause } from '../../kit/backoff.ts';
import { type Counted, fold } from './fold.ts';
import { readPosition, writeFacts } from './store.ts';

const backoff: BackoffPolicy = { firstMs: 100, maxMs: 5_000, factor: 2 };
/** Entries counted in one transaction: long enough that its round trips do not matter, short enough that its locks do not. */
const entriesPerTransaction = 1_000;

export interface Following {
  /** Ends after the transaction under way. */
  stop(): Promise<void>;
}

/**
 * Counts the journal from where it is counted to, and follows it; one process at a time, the others stand by. Goes on through every failure of
 * the broker or the database until it is stopped.
 */
export function followJournal(options: { broker: Broker; database: Database; logger: Logger }): Following {
  const stopping = new AbortController();
  const done = keepFollowing(options, stopping.signal);
  return {
    async stop() {
      stopping.abort();
      await done;
    },
  };
}

async function keepFollowing(options: Parameters<typeof followJournal>[0], stopping: AbortSignal): Promise<void> {
  const { database, logger } = options;
  for (let failures = 0; !stopping.aborted; ) {
    try {
      await database.withLock('analytics', stopping, (signal) =>
        followOnce(options, AbortSignal.any([signal, stopping]), () => {
          failures = 0;
        }),
      );
    } catch (error) {
      logger.warn({ err: error, failures }, 'the journal cannot be counted; tried again');
    }
    failures += 1;
    await pause(backoffMs(backoff, failures, Math.random()), stopping);
  }
}

async function followOnce(
  { broker, database, logger }: Parameters<typeof followJournal>[0],
  signal: AbortSignal,
  onCounted: () => void,
): Promise<void> {
  const after = await database.query(readPosition);
  for await (const batch of broker.read(journal, { after, follow: true, signal })) {
    for (let from = 0; from < batch.length && !signal.aborted; from += entriesPerTransaction) {
      const counted = batch.slice(from, from + entriesPerTransaction).flatMap((entry) => opened(entry, logger));
      const [first, ...rest] = counted;
      // What cannot be read is passed over again after a restart, which costs nothing.
      if (first) await database.transaction(({ orm }) => writeFacts(orm, fold([first, ...rest])));
      onCounted();
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
