import { bigserial, index, pgSchema, text } from 'drizzle-orm/pg-core';
import { instant } from '../columns.ts';
import { messageColumns } from '../tables.ts';

export const journalSchema = pgSchema('journal');

/** The stream of a mall whose broker is in the process. RabbitMQ keeps its own, and then this table stays empty. */
export const entries = journalSchema.table(
  'entries',
  {
    position: bigserial('position', { mode: 'number' }).primaryKey(),
    ...messageColumns(),
    source: text('source').notNull(),
    recordedAt: instant('recorded_at').notNull().defaultNow(),
  },
  (t) => [index('entries_recorded_at').on(t.recordedAt)],
);
