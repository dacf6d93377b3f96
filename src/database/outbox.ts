import type { Tracer } from '@opentelemetry/api';
import { newId } from '../contract/ids.ts';
import { type Draft, seal } from '../contract/message.ts';
import { orderAttributes } from '../telemetry/attributes.ts';
import { beginLinkedTrace } from '../telemetry/linked-trace.ts';
import { traceparentOf } from '../telemetry/propagation.ts';
import { toRow } from './message-row.ts';
import { messagesAsJson, outboxStatements } from './outbox-rows.ts';
import type { Transaction } from './port.ts';
import type { PlumbingTables } from './tables.ts';

export interface Outbox {
  /** What the messages carry as their source: `/orders`. */
  readonly source: string;
  /**
   * Messages that are published if, and only if, `tx` commits; those of one key in the order given. The active span is their sender, or what begins
   * the trace of one that starts its own. They go with the COMMIT: what a transaction says comes last in it.
   */
  add(tx: Transaction, drafts: readonly Draft[], causationId: string): Promise<void>;
  /** As `add`, of several senders in one statement. */
  addAll(tx: Transaction, letters: readonly Letter[]): Promise<void>;
  /** For a statement of the caller's own that adds them (`insertMessages`); to be followed by `added` when that is committed. */
  asJson(letters: readonly Letter[]): string;
  added(): void;
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
  const statements = outboxStatements(tables);
  const sealed = (letters: readonly Letter[]) => {
    const time = new Date();
    return letters.map(({ draft, ...sender }) => toRow(seal(draft, { ...sender, source, time, id: newId() })));
  };
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
      tx.withCommit(statements.add(tx.orm, sealed(letters)));
      tx.afterCommit(() => this.added());
    },
    asJson: (letters) => messagesAsJson(sealed(letters)),
    added() {
      for (const listener of listeners) listener();
    },
    onAdded(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}
