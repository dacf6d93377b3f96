import { newId } from '../contract/ids.ts';
import { type Draft, seal } from '../contract/message.ts';
import { traceparentOf } from '../telemetry/propagation.ts';
import { toRow } from './message-row.ts';
import type { Transaction } from './port.ts';
import type { PlumbingTables } from './tables.ts';

export interface Outbox {
  /** What the messages carry as their source: `/orders`. */
  readonly source: string;
  /** Messages that are published if, and only if, `tx` commits; those of one key in the order given. The active span is their sender. */
  add(tx: Transaction, drafts: readonly Draft[], causationId: string): Promise<void>;
  /** Tells of commits in this process that added messages. Returns what takes the listener off again. */
  onAdded(listener: () => void): () => void;
}

/**
 * The relay is woken in this process, by the commit. A NOTIFY in the transaction would reach other processes too, but PostgreSQL takes a
 * database-wide lock for it until the commit is done, and all commits queue up behind each other; others find the row by polling.
 */
export function createOutbox({ tables, source }: { tables: Pick<PlumbingTables, 'outbox'>; source: string }): Outbox {
  const listeners = new Set<() => void>();
  return {
    source,
    async add(tx, drafts, causationId) {
      if (drafts.length === 0) return;
      const stamp = { source, time: new Date(), causationId, traceparent: traceparentOf() };
      const rows = drafts.map((draft) => toRow(seal(draft, { ...stamp, id: newId() })));
      await tx.orm.insert(tables.outbox).values(rows);
      tx.afterCommit(() => {
        for (const listener of listeners) listener();
      });
    },
    onAdded(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}
