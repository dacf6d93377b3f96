import { type SQL, sql } from 'drizzle-orm';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { migrationsOf } from '../../../src/database/migrations.ts';
import type { Orm } from '../../../src/database/port.ts';
import {
  countBots,
  countHours,
  countOrders,
  countShorts,
  measureReady,
  type Period,
} from '../../../src/services/analytics/store.ts';
import { type TestDatabase, withDatabase } from '../../support/database.ts';
import { planOf, touchedBy } from '../../support/query-plan.ts';

/** Placed a minute apart: more than a month of them. */
const orderCount = 50_000;
const ordersOfADay = 24 * 60;
const lastDay: Period = {
  since: new Date(Date.UTC(2026, 0, 1) + (orderCount - ordersOfADay) * 60_000),
  until: undefined,
};

let db: TestDatabase;
beforeAll(async () => {
  db = await withDatabase();
  await db.database.migrate('analytics', migrationsOf('analytics'));
  const numbers = sql`generate_series(1, ${orderCount}::int) n, lateral (select timestamptz '2026-01-01T00:00Z' + n * interval '1 minute') as times(at)`;
  const statements = [
    sql`insert into analytics.orders select 'order-' || n, at, at + interval '30 seconds', 'completed' from ${numbers}`,
    sql`insert into analytics.attempts select 'task-' || n, 1, 'bot-' || n % 20, at, at + interval '20 seconds', 'succeeded' from ${numbers}`,
    sql`insert into analytics.shorts select 'task-' || n, 1, 'line-' || n, 'store-' || n % 6, 1 from ${numbers} where n % 50 = 0`,
    ...['orders', 'attempts', 'shorts'].map((table) => sql.raw(`analyze analytics.${table}`)),
  ];
  for (const statement of statements) await db.database.query((orm) => orm.execute(statement));
});
afterAll(() => db[Symbol.asyncDispose]());

it.each([
  ['orders', countOrders],
  ['hours', countHours],
  ['times until ready', measureReady],
  ['robots', countBots],
  ['shorts', countShorts],
])('the figures of the last day about %s do not read the orders before it', async (_, count) => {
  const asked: SQL[] = [];
  const recorder = { execute: async (statement: SQL) => asked.splice(0, 1, statement) };
  await count(recorder as unknown as Orm, lastDay);
  const nodes = await db.database.query((orm) => planOf(orm, asked[0]!));

  const scans = nodes.filter((node) => /^(orders|attempts)_/.test(node['Index Name'] ?? '') || node['Relation Name']);
  expect(scans.length).toBeGreaterThan(0);
  for (const node of scans) expect(touchedBy(node), JSON.stringify(node)).toBeLessThanOrEqual(ordersOfADay + 1);
});
