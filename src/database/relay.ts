import { once } from 'node:events';
import type { Tracer } from '@opentelemetry/api';
import type { Logger } from 'pino';
import type { Broker } from '../broker/port.ts';
import type { BackoffPolicy } from '../kit/backoff.ts';
import { withDeadline } from '../kit/deadline.ts';
import { Loop } from '../kit/loop.ts';
import { Dispatcher } from './dispatcher.ts';
import { standForLeader, type Term } from './leader.ts';
import type { Outbox } from './outbox.ts';
import { pruneInbox, pruneOutbox } from './outbox-rows.ts';
import type { Database } from './port.ts';
import type { PlumbingTables } from './tables.ts';

/**
 * Behind the wake-up, for rows that another process of the role has committed: nobody else waits for it. Measured with six relays in an idle
 * process and the embedded PostgreSQL: 3 % of a core at 250 ms, of the 5 % that a whole idle mall may take; hence a second.
 */
const pollMs = 1_000;
const backoff: BackoffPolicy = { firstMs: 100, maxMs: 5_000, factor: 2 };
/** For what is being published when the relay stops. What takes longer is published again by the next one. */
const stopGraceMs = 2_000;
/**
 * Ids of messages are kept for longer than the longest redrive (a queue drained after a weekend, a backup played back): what comes again
 * after that would be handled again.
 */
export const retentionMs = 7 * 24 * 3_600_000;
const pruneIntervalMs = 600_000;
/** Small, so that no lock is held for long. */
const pruneRows = 1_000;

export interface RelayOptions {
  readonly database: Database;
  readonly broker: Broker;
  readonly tables: Pick<PlumbingTables, 'outbox' | 'inbox'>;
  /** Name of the PostgreSQL schema: one relay of it works at a time, over all processes, which keeps the order; the others stand by. */
  readonly schema: string;
  readonly outbox: Outbox;
  readonly tracer: Tracer;
  readonly logger: Logger;
}

export interface Relay {
  /** Publishes what is committed by now as far as two seconds go; the rest stays in the table. */
  stop(): Promise<void>;
}

/**
 * Publishes the outbox to the broker: at least once, per key in the order of writing, marked after the confirm. Goes on through every
 * failure of either side until it is stopped.
 */
export function startRelay(given: RelayOptions): Relay {
  const options = { ...given, logger: given.logger.child({ schema: given.schema }) };
  const { database, schema, logger } = options;
  return standForLeader({ database, lock: `relay:${schema}`, logger }, (term) => {
    term.progressed();
    logger.debug('this relay publishes');
    return relayUntil(term, options);
  });
}

async function relayUntil({ signal, stopping }: Term, options: RelayOptions): Promise<void> {
  const { outbox, logger } = options;
  const given = new AbortController();
  const dispatcher = new Dispatcher({ ...options, source: outbox.source, onLaneFree: () => loop.wake() }, given.signal);
  const onError = (error: unknown, retryInMs: number) =>
    logger.warn({ err: error, retryInMs }, 'the relay cannot read its outbox; tried again');
  const loop = new Loop(() => dispatcher.turn(), { pollMs, backoff, onError });
  const pruning = new Loop(() => prune(options), {
    pollMs: pruneIntervalMs,
    backoff: { ...backoff, maxMs: pruneIntervalMs },
    onError: (error) => logger.warn({ err: error }, 'pruning failed; tried again'),
  });
  const off = outbox.onAdded(() => loop.wake());
  loop.start();
  pruning.start();
  if (!signal.aborted) await once(signal, 'abort');
  off();
  await Promise.all([loop.stop(), pruning.stop()]);
  // Whoever lost the lock begins nothing more: somebody else has it.
  if (!stopping.aborted) given.abort();
  const rest = stopping.aborted ? dispatcher.turn().then(() => dispatcher.idle()) : dispatcher.idle();
  await withDeadline('publishing the rest', stopGraceMs, rest).catch((error: unknown) => {
    logger.info({ err: error }, 'messages are left for the next relay');
  });
  given.abort();
}

/** True when there is more to delete. */
async function prune({ database, tables }: RelayOptions): Promise<boolean> {
  const published = await database.query((orm) => pruneOutbox(orm, tables, retentionMs, pruneRows));
  const handled = await database.query((orm) => pruneInbox(orm, tables, retentionMs, pruneRows));
  return published === pruneRows || handled === pruneRows;
}
