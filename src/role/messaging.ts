import { trace } from '@opentelemetry/api';
import { startConsumer } from '../broker/consume.ts';
import type { MessageName } from '../contract/events.ts';
import { type Draft, type Message, open, type Received } from '../contract/message.ts';
import { inboxOf, mallTopology, type Subscriber, type subscriptions } from '../contract/topology.ts';
import { createInbox } from '../database/inbox.ts';
import { migrationsOf } from '../database/migrations.ts';
import { createOutbox } from '../database/outbox.ts';
import { createParked, type Parked } from '../database/parked.ts';
import { watchPlumbing } from '../database/plumbing-metrics.ts';
import type { Transaction } from '../database/port.ts';
import { startRelay } from '../database/relay.ts';
import type { PlumbingTables } from '../database/tables.ts';
import { ATTR_REQUEST_ID } from '../telemetry/attributes.ts';
import type { RoleContext } from './role.ts';

/** Applies one event inside the inbox's transaction and answers with what follows from it. */
export type Handler<N extends MessageName> = (event: Received<N>, tx: Transaction) => Promise<readonly Draft[]>;

/** One handler for each event that the topology binds to the subscriber's queue: neither more nor fewer compile. */
export type Handlers<S extends Subscriber> = { readonly [N in (typeof subscriptions)[S][number]]: Handler<N> };

export interface Messaging {
  /**
   * A state change and its events in one transaction; the answer is durable when it resolves. `causationId` is the id of the request
   * that led to it.
   */
  commit<T>(causationId: string, work: (tx: Transaction) => Promise<Outcome<T>>): Promise<T>;
  /** The messages that could not be handled. */
  readonly parked: Parked;
  /** Stops the consumer first and the relay last, so that what the last handlers said still leaves. */
  drain(): Promise<void>;
}

export interface Outcome<T> {
  readonly result: T;
  readonly events: readonly Draft[];
}

/** What every role with messages has: its schema migrated, its queue consumed through the inbox, its events leaving through the outbox. */
export async function startMessaging<S extends Subscriber>(
  { database, broker, telemetry }: RoleContext,
  service: {
    readonly name: S;
    readonly tables: PlumbingTables;
    readonly handlers: Handlers<S>;
  },
): Promise<Messaging> {
  const { name, tables } = service;
  await database.migrate(name, migrationsOf(name));
  await broker.declare(mallTopology);

  const outbox = createOutbox({ tables, source: `/${name}`, tracer: telemetry.tracer });
  const relay = startRelay({ database, broker, tables, schema: name, outbox, ...telemetry });
  watchPlumbing(telemetry.meter, { database, tables });
  const handlers = service.handlers as Partial<Record<MessageName, Handler<MessageName>>>;
  const handle = async (message: Message, tx: Transaction) => {
    const handler = handlers[message.name];
    if (!handler) throw new Error(`${inboxOf(name)} got ${message.name}, which ${name} has no handler for`);
    await outbox.add(tx, await handler(open(message), tx), message.id);
  };
  const inbox = createInbox({ database, tables, handle });
  const consumer = await startConsumer({ broker, queue: inboxOf(name), inbox, ...telemetry });

  return {
    parked: createParked({ database, tables, queue: inboxOf(name), handle, tracer: telemetry.tracer }),
    commit(causationId, work) {
      // What the messages name as their cause can be found by it.
      trace.getActiveSpan()?.setAttribute(ATTR_REQUEST_ID, causationId);
      return database.transaction(async (tx) => {
        const { result, events } = await work(tx);
        await outbox.add(tx, events, causationId);
        return result;
      });
    },
    async drain() {
      await consumer.drain();
      await relay.stop();
    },
  };
}
