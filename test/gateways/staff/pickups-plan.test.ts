import { rmSync } from 'node:fs';
import type { SQL } from 'drizzle-orm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type EmbeddedPostgres, startEmbeddedPostgres } from '../../../src/database/embedded.ts';
import { migrationsOf } from '../../../src/database/migrations.ts';
import type { Orm } from '../../../src/database/port.ts';
import { type BayPlace, takenBays } from '../../../src/services/depot/bay-store.ts';
import { findOrderIdByCode, orderIdsByCode, orderRows, withIds } from '../../../src/services/orders/store.ts';
import { invoiceEvents } from '../../../src/services/payments/stream.ts';
import { type TestDatabase, withDatabase } from '../../support/database.ts';
import { temporaryDirectory } from '../../support/global-database.ts';
import { fillWithPickups, orderCount, pickupOf } from '../../support/many-pickups.ts';
import { type PlanNode, planOf, touchedBy } from '../../support/query-plan.ts';
import { databaseUrl } from '../../support/services.ts';
import { silentLogger } from '../../support/silent-logger.ts';

/** Entries of one page, and the rows that may be looked at for each of them: its lines, its events, its neighbours in an index. */
const page = 100;
const mostRows = page * 10;

const directory = temporaryDirectory();
let embedded: EmbeddedPostgres;
beforeAll(async () => {
  embedded = await startEmbeddedPostgres({ directory, logger: silentLogger });
});
afterAll(async () => {
  await embedded.stop();
  rmSync(directory, { recursive: true });
});

describe.each([
  { way: 'a server given by its URL', serverUrl: () => databaseUrl },
  { way: 'the embedded server', serverUrl: () => embedded.url },
])(`the pickups of ${orderCount} orders on $way`, ({ serverUrl }) => {
  let db: TestDatabase;
  beforeAll(async () => {
    db = await withDatabase(serverUrl());
    for (const schema of ['orders', 'payments', 'depot'] as const)
      await db.database.migrate(schema, migrationsOf(schema));
    await fillWithPickups(db.database);
  });
  afterAll(() => db[Symbol.asyncDispose]());

  /** What reads tables in the plan of the statement that `build` makes, after it has run. */
  async function scansOf(build: (orm: Orm) => { getSQL(): SQL }): Promise<PlanNode[]> {
    const nodes = await db.database.query((orm) => planOf(orm, build(orm).getSQL()));
    return nodes.filter((node) => node['Index Name'] !== undefined || node['Relation Name'] !== undefined);
  }

  function expectIndexed(scans: readonly PlanNode[], indexes: readonly string[]): void {
    expect(scans.filter((node) => node['Node Type'].includes('Seq')).map((node) => node['Relation Name'])).toEqual([]);
    expect(new Set(scans.flatMap((node) => node['Index Name'] ?? []))).toEqual(new Set(indexes));
    for (const node of scans) expect(touchedBy(node), JSON.stringify(node)).toBeLessThanOrEqual(mostRows);
  }

  it.each<[string, BayPlace | undefined]>([
    ['the first page', undefined],
    ['a page in the middle', ['2026-01-02T03:46:40.000Z', 50_000]],
  ])('finds the bays of %s by the index that has them in this order', async (_, after) => {
    expectIndexed(await scansOf((orm) => takenBays(orm, after, page + 1)), ['bays_taken']);
  });

  const ids = Array.from({ length: page }, (_, index) => pickupOf(1_000 * index + 1));

  it('finds the orders of a page by their ids, with their lines and cancellations', async () => {
    const scans = await scansOf((orm) => orderRows(orm, withIds(ids), page));
    expectIndexed(scans, ['orders_pkey', 'lines_order_id_position_pk', 'cancellations_pkey']);
  });

  it('finds the invoices of a page by their streams', async () => {
    expectIndexed(await scansOf((orm) => invoiceEvents(orm, ids)), ['events_stream_id_version_pk']);
  });

  it('finds an order by its code', async () => {
    const scans = await scansOf((orm) => orderIdsByCode(orm, 'G223567'));
    expectIndexed(scans, ['orders_by_code']);
    expect(await db.database.query((orm) => findOrderIdByCode(orm, 'G223567'))).toBe(pickupOf(1));
  });
});
