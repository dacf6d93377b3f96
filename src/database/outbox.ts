import type { Tracer } from '@opentelemetry/api';
import { newId } from '../contract/ids.ts';
import { type Draft, seal } from '../contract/message.ts';
import { orderAttributes } from '../telemetry/attributes.ts';
import { beginLinkedTrace } from '../telemetry/linked-trace.ts';
import { traceparentOf } from '../telemetry/propagation.ts';
import { toRow } from './message-row.ts';
import type { Transaction } from './port.ts';
import type { PlumbingTables } from './tables.ts';

export interface Outbox {
  /** What the messages carry as their source: `/orders`. */
  readonly source: string;
  /** Messages that are published if, and only if, `tx` commits; those of one key in the order given. The active span is their sender, or what begins the trace of one that starts its own. */
  add(tx: Transaction, drafts: readonly Draft[], causationId: string): Promise<void>;
  /** As `add`, of several senders in one statement. */
  addAll(tx: Transaction, letters: readonly Letter[]): Promise<void>;
  /** Tells of commits in this process that added messages. Returns what takes the listener off again. */
  onAdded(listener: () => void): () => void;
}

export interface Letter {
  readonly draft: Draft;
  readonly causationId: string;
  /** Of its sender's span; empty for none. */
  readonly traceparent: string;
}

/**
 * The relay is woken in this process, by the commit. A NOTIFY in the transaction would reach other processes too, but PostgreSQL takes a
 * database-wide lock for it until the commit is done, and all commits queue up behind each other; others find the row by polling.
 */
export function createOutbox(o: {
  readonly tables: Pick<PlumbingTables, 'outbox'>;
  readonly source: string;
  readonly tracer: Tracer;
}): Outbox {
  const { tables, source, tracer } = o;
  const listeners = new Set<() => void>();
  return {
    source,
    add(tx, drafts, causationId) {
      const sender = traceparentOf();
      const senderOf = ({ startsTrace, body }: Draft) => {
        if (!startsTrace) return sender;
        const { traceparent, begun } = beginLinkedTrace(tracer, startsTrace, orderAttributes(body));
        tx.afterCommit(begun);
        return traceparent;
      };
      return this.addAll(
        tx,
        drafts.map((draft) => ({ draft, causationId, traceparent: senderOf(draft) })),
      );
    },
    async addAll(tx, letters) {
      if (letters.length === 0) return;
      const time = new Date();
      const rows = letters.map(({ draft, ...sender }) => toRow(seal(draft, { ...sender, source, time, id: newId() })));
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
