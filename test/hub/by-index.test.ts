import { sql } from 'drizzle-orm';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { newId } from '../../src/contract/ids.ts';
import { migrationsOf } from '../../src/database/migrations.ts';
import { outboxStatements } from '../../src/database/outbox-rows.ts';
import type { Orm } from '../../src/database/port.ts';
import { saveTasks, swapTasks } from '../../src/hub/change-store.ts';
import { renewLeases } from '../../src/hub/lease-store.ts';
import { outbox } from '../../src/hub/store.ts';
import type { Task } from '../../src/hub/task-phase.ts';
import { insertTasks, lockTasks } from '../../src/hub/task-store.ts';
import { type TestDatabase, withDatabase } from '../support/database.ts';
import { shopSchema } from './raw-bot.ts';

const leaseMs = 60_000;
const epoch = 3;
/** As many rows as bring the server to look at a table for the first time (`autovacuum_analyze_threshold`). */
const few = 50;
/** As many tasks as a mall of some size has in its first minute, before the server looks again. */
const others = 3_000;
/** Of a statement that finds a row by its key, also where it looks twice and where its row was written often. */
const mostRows = 20;

let db: TestDatabase;
beforeAll(async () => {
  db = await withDatabase();
  await db.database.migrate('hub', migrationsOf('hub'));
  const bot = sql`insert into hub.bots (bot_id, instance_id, boot_count, epoch, session_id, hub_id, connected, session_expires_at,
    last_seen_at) values ('b', 'i', 1, ${epoch}, 's', 'h', true, now(), now())`;
  await db.database.query((orm) => orm.execute(bot));
});
afterAll(() => db[Symbol.asyncDispose]());

const phase = { state: 'LEASED', botId: 'b', heldUntil: new Date(Date.now() + leaseMs) } as const;
const task: Task = {
  ...{ taskId: newId(), orderId: newId(), schema: shopSchema, payload: Buffer.from('tour'), priority: 0 },
  ...{ deadline: undefined, onlyBotId: '', maxAttempts: 3, position: undefined },
  ...{ traceparent: '', correlationId: '', causationId: '', createdAt: new Date(), since: new Date() },
  ...{ attempt: 1, fence: 1, lost: undefined, pinned: undefined, phase },
};
const { taskId } = task;

const versionOf = async (orm: Orm) => (await lockTasks(orm, [taskId])).tasks[0]!.version!;

/** What is done to a task while a bot has it. */
const writes: Record<string, (orm: Orm) => Promise<unknown>> = {
  swapped: async (orm) => swapTasks(orm, [{ task: { ...task, version: await versionOf(orm) }, epoch }], '[]', leaseMs),
  saved: (orm) => saveTasks(orm, [task]),
  renewed: (orm) => renewLeases(orm, [{ taskId, fence: 1, botId: 'b', epoch, running: false }], leaseMs),
  published: (orm) => outboxStatements({ outbox }).markPublished(orm, [1]),
};

const addTasks = (orm: Orm, count: number) =>
  orm.execute(sql`
    insert into hub.tasks (task_id, order_id, kind, revision, digest, payload, priority, rank, only_bot_id, max_attempts, traceparent,
      correlation_id, causation_id, created_at, state, attempt, fence, not_before)
    select gen_random_uuid(), 'o', 'shop', 1, '', '', 0, n, '', 3, '', '', '', now(), 'QUEUED', 1, 0, now()
    from generate_series(1, ${count}::int) n`);

const addMessages = (orm: Orm, count: number) =>
  orm.execute(sql`
    insert into hub.outbox (message_id, name, key, correlation_id, causation_id, traceparent, body, occurred_at)
    select gen_random_uuid(), 'n', 'k', '', '', '', '', now() from generate_series(1, ${count}::int)`);

/** Rows of the tables that these go to which this connection has read. */
async function rowsRead(orm: Orm): Promise<number> {
  const [row] = await orm.execute<{ read: number }>(sql`
    select sum(seq_tup_read + coalesce(idx_tup_fetch, 0))::int as read from pg_stat_xact_user_tables
    where schemaname = 'hub' and relname in ('tasks', 'outbox')`);
  return row!.read;
}

it('reads the rows that it writes, and not the table, also where it was prepared when the table was small', async () => {
  await db.database.transaction(async ({ orm }) => {
    await insertTasks(orm, [task], new Map(), leaseMs);
    await addTasks(orm, few);
    await addMessages(orm, few);
    await orm.execute(sql`analyze hub.tasks, hub.outbox`);
    // As often as it takes for the server to keep the plan.
    for (let time = 0; time < 6; time += 1) for (const write of Object.values(writes)) await write(orm);
    await addTasks(orm, others);
    await addMessages(orm, others);
    const read: { swapped?: number } & Record<string, number> = {};
    for (const [what, write] of Object.entries(writes)) {
      const before = await rowsRead(orm);
      await write(orm);
      read[what] = (await rowsRead(orm)) - before;
    }
    for (const rows of Object.values(read)) expect(rows, JSON.stringify(read)).toBeLessThan(mostRows);
    expect(read.swapped).toBeGreaterThan(0);
  });
});
