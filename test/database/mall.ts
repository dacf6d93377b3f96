import { generateDrizzleJson, generateMigration } from 'drizzle-kit/api';
import { sql } from 'drizzle-orm';
import { pgSchema } from 'drizzle-orm/pg-core';
import { encodeBody } from '../../src/contract/events.ts';
import { newId } from '../../src/contract/ids.ts';
import { type Draft, draft, type Message, type TaskMark } from '../../src/contract/message.ts';
import { eventStoreTables } from '../../src/database/event-store.ts';
import type { Database, Transaction } from '../../src/database/port.ts';
import { plumbing } from '../../src/database/tables.ts';
import { type TestDatabase, withDatabase } from '../support/database.ts';

export const mallSchema = pgSchema('mall');
export const tables = plumbing(mallSchema);
export const eventTables = eventStoreTables(mallSchema);
/** What the handlers of these tests write: one row each time that one took effect. */
export const effects = mallSchema.table('effects', (t) => ({
  id: t.serial('id').primaryKey(),
  messageId: t.text('message_id').notNull(),
}));

/** The statements that drizzle-kit would write into a first migration. */
export const mallSql = (): Promise<string[]> =>
  generateMigration(generateDrizzleJson({}), generateDrizzleJson({ mallSchema, ...tables, ...eventTables, effects }));

/** A private database with the schema `mall` in it. */
export async function withMall(): Promise<TestDatabase> {
  const mall = await withDatabase();
  for (const statement of await mallSql()) await mall.database.query((orm) => orm.execute(sql.raw(statement)));
  return mall;
}

/** An event that says which bay an order is in; `bay` tells the messages of one key apart. */
export const ready = (key: string, bay: string | number): Draft =>
  draft('orders.ready', key, { orderId: key, bay: String(bay) });

export function message(key: string, bay: string | number = '', more: { id?: string; task?: TaskMark } = {}): Message {
  return {
    id: newId(),
    name: 'orders.ready',
    source: '/orders',
    time: new Date(),
    key,
    correlationId: key,
    causationId: 'cause',
    traceparent: '',
    body: encodeBody('orders.ready', { orderId: key, bay: String(bay) }),
    ...more,
  };
}

/** A handler whose effect is a row in the transaction. */
export const leaveEffect = async ({ id }: Message, tx: Transaction): Promise<void> => {
  await tx.orm.insert(effects).values({ messageId: id });
};

/** Ids of the messages that took effect, in order. */
export async function effectsIn(database: Database): Promise<string[]> {
  const rows = await database.query((orm) => orm.select().from(effects).orderBy(effects.id));
  return rows.map(({ messageId }) => messageId);
}
