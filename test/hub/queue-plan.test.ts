import { type SQL, sql } from 'drizzle-orm';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { migrationsOf } from '../../src/database/migrations.ts';
import { lockOverdue, lockQueued, queuedHeads, type Takers, waitedFor, waits } from '../../src/hub/queue-store.ts';
import { type TestDatabase, withDatabase } from '../support/database.ts';
import { type PlanNode, planOf, touchedBy } from '../support/query-plan.ts';

const backlog = 100_000;
/** Heads that `takers` looks at: each of up to 64 rows; and what the search for bots that are waited for touches. */
const mostRows = 500;

let db: TestDatabase;
beforeAll(async () => {
  db = await withDatabase();
  await db.database.migrate('hub', migrationsOf('hub'));
  // Of the backlog, all but the last hundredth is for others: other digests, other bots.
  await db.database.query((orm) =>
    orm.execute(sql`
      insert into hub.tasks (task_id, order_id, kind, revision, digest, payload, priority, rank, only_bot_id, max_attempts, traceparent,
        correlation_id, causation_id, created_at, state, attempt, fence, not_before, deadline)
      select 't' || n, 'o' || n, 'shop', 1, case when n % 3 = 0 or n > ${backlog * 0.99}::int then 'ours' else 'theirs' end, '', 0, n,
        case when n <= ${backlog * 0.99}::int and n % 3 = 0 then 'away-' || n % 7 else '' end, 3, '', '', '', now(), 'QUEUED', 1, 0,
        now() - interval '1 second', now() + interval '1 hour'
      from generate_series(1, ${backlog}::int) n`),
  );
  // Unpublished events of other tasks, as after a time without a broker.
  await db.database.query((orm) =>
    orm.execute(sql`
      insert into hub.outbox (message_id, name, key, correlation_id, causation_id, traceparent, task_id, fence, body, occurred_at)
      select 'm' || n, 'bots.task_lost', 'k', '', '', '', 'gone-' || n, 1, '', now() from generate_series(1, 20000) n`),
  );
  await db.database.query((orm) => orm.execute(sql`analyze hub.tasks`));
  await db.database.query((orm) => orm.execute(sql`analyze hub.outbox`));
});
afterAll(() => db[Symbol.asyncDispose]());

async function scansOf(statement: SQL): Promise<PlanNode[]> {
  const nodes = await db.database.query((orm) => planOf(orm, statement));
  return nodes.filter((node) => node['Relation Name'] !== undefined);
}

function expectIndexed(scans: readonly PlanNode[]): void {
  expect(scans.map((node) => node['Node Type']).filter((type) => type.includes('Seq'))).toEqual([]);
  const indexes = scans.flatMap((node) => (node['Relation Name'] === 'tasks' ? [node['Index Name']] : []));
  expect(new Set(indexes)).toEqual(new Set(['tasks_queued']));
  expect(scans.reduce((sum, node) => sum + touchedBy(node), 0)).toBeLessThan(mostRows);
}

it.each<[string, Takers]>([
  ['tasks for others before theirs', { botIds: [''], digests: ['ours'], across: [] }],
  ['nothing at all for them', { botIds: [''], digests: ['unheard of'], across: [] }],
  ['tasks that wait for one of them', { botIds: ['', 'away-3'], digests: ['ours'], across: [] }],
])('bots find their tasks in a backlog of 100,000 without reading it: %s', async (_, { botIds, digests }) => {
  expectIndexed(await scansOf(queuedHeads(JSON.stringify(botIds), JSON.stringify(digests), 64)));
});

it('knows for whom tasks are queued without reading them', async () => {
  const away = Array.from({ length: 7 }, (_, n) => `away-${n}`);
  expect(await db.database.query(waitedFor)).toEqual(['', ...away]);
  expectIndexed(await scansOf(waits));
});

it('finds the same tasks as a look at all of them would', async () => {
  const { tasks } = await db.database.query((orm) =>
    lockQueued(orm, { botIds: ['', 'away-3'], digests: ['ours'], across: [] }, 10),
  );
  const ranks = tasks.map(({ taskId }) => Number(taskId.slice(1)));
  expect(tasks.filter(({ onlyBotId }) => onlyBotId === 'away-3')).toHaveLength(10);
  expect(tasks.filter(({ onlyBotId }) => onlyBotId === '')).toHaveLength(10);
  expect(ranks).toEqual([...ranks].sort((a, b) => a - b));
  expect((await db.database.query((orm) => lockOverdue(orm, 10))).tasks).toEqual([]);
});
