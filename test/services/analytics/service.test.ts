import { trace } from '@opentelemetry/api';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { readConfig } from '../../../src/config.ts';
import { addressOf } from '../../../src/contract/topology.ts';
import {
  AnalyticsService,
  type GetStatsRequest,
  type Stats,
  type Timeline,
} from '../../../src/gen/analytics/v1/analytics.ts';
import type { Role } from '../../../src/role/role.ts';
import { connectClient } from '../../../src/rpc/client.ts';
import { startAnalytics } from '../../../src/services/analytics/service.ts';
import { pruneTimeline } from '../../../src/services/analytics/timeline-store.ts';
import { type TestDatabase, withDatabase } from '../../support/database.ts';
import { describeWithJournal, type OpenJournal } from '../../support/journal-stacks.ts';
import { recordingTelemetry } from '../../support/telemetry.ts';
import { books, history, startMs, toys } from './history.ts';

describeWithJournal('analytics', suite);

function suite(open: OpenJournal): void {
  let db: TestDatabase;
  let mall: Awaited<ReturnType<OpenJournal>>;
  let role: Role;
  const telemetry = recordingTelemetry('analytics');
  const messages = history();

  const start = async () => {
    const config = readConfig({ MALLBOTS_ANALYTICS_LISTEN: '127.0.0.1:0' });
    role = await startAnalytics({ config, database: db.database, broker: mall.broker, telemetry });
  };
  const stats = async (request: GetStatsRequest = { since: undefined, until: undefined }): Promise<Stats> => {
    const client = connectClient(AnalyticsService, role.address, { tracer: trace.getTracer('test') });
    try {
      return await client.api.getStats(request);
    } finally {
      client.close();
    }
  };
  const orderIds = messages.flatMap(({ name, key }) => (name === 'orders.placed' ? [key] : []));
  const timelines = async (): Promise<Timeline[]> => {
    const client = connectClient(AnalyticsService, role.address, { tracer: trace.getTracer('test') });
    try {
      return await Promise.all(orderIds.map((orderId) => client.api.getTimeline({ orderId })));
    } finally {
      client.close();
    }
  };
  /** The figures, once they are counted up to the last of so many messages. */
  const countedTo = async (count: number): Promise<Stats> => {
    await expect.poll(async () => (await stats()).countedTo, { timeout: 20_000 }).toEqual(messages[count - 1]!.time);
    return stats();
  };
  const publish = async (from: number, to: number) => {
    for (const message of messages.slice(from, to)) await mall.broker.publish(addressOf(message.name), message);
  };

  beforeAll(async () => {
    db = await withDatabase();
    mall = await open(db);
    // Half of it has happened before anybody counts.
    await publish(0, 10);
    await start();
  });
  afterAll(async () => {
    await role.drain();
    await mall.close();
    await telemetry.shutdown();
    await db[Symbol.asyncDispose]();
  });

  it('joins late and counts what there was before it', async () => {
    const { orders, ready } = await countedTo(10);
    expect(orders).toMatchObject({ placed: 1, completed: 0, cancelled: 0, rejected: 0 });
    expect(ready?.count).toBe(0);
  });

  it('follows, goes on after a restart from where it was, and comes to the same when it counts from the beginning', async () => {
    await publish(10, 15);
    await countedTo(15);
    await role.drain();
    await publish(15, messages.length);
    // What a publisher says again that missed a confirm.
    await publish(15, messages.length);
    await start();
    const all = await countedTo(messages.length);
    expect(all).toMatchObject({
      orders: { placed: 3, completed: 1, cancelled: 1, rejected: 0 },
      hours: [
        { begin: new Date(startMs), placed: 1, ready: 1 },
        { begin: new Date(startMs + 3_600_000), placed: 2, ready: 1 },
      ],
      ready: { count: 2, p50Ms: 30_000, p90Ms: 90_000, p99Ms: 90_000, maxMs: 90_000 },
      bots: [
        { botId: 'bot-2', succeeded: 2, unsuccessful: 0, busyMs: 86_000, busyShare: expect.closeTo(86 / 3_708) },
        { botId: 'bot-1', succeeded: 1, unsuccessful: 1, busyMs: 19_000, busyShare: expect.closeTo(19 / 3_708) },
      ],
      shorts: [
        { storeId: toys, storeName: 'Little Orbit Toys', lines: 2, units: 3 },
        { storeId: books, storeName: 'Bookshelf', lines: 1, units: 1 },
      ],
    });

    const told = await timelines();
    const steps = told.map(({ happenings }) =>
      happenings.map(({ name, botId, quantity, bay, reason }) => [name, botId, quantity, bay, reason].filter(Boolean)),
    );
    expect(steps[0]).toEqual([
      ['orders.placed'],
      ['bots.task_started', 'bot-1'],
      ['bots.item_short', 'bot-1', 7],
      ['bots.task_lost', 'bot-1', 'lease'],
      ['bots.task_started', 'bot-2'],
      ['bots.item_short', 'bot-2', 1],
      ['bots.item_short', 'bot-2', 2],
      ['bots.task_succeeded', 'bot-2'],
      ['orders.ready', 'A1'],
      ['orders.pickup_refused', 5, 'locked'],
      ['orders.identity_checked', 'passport'],
      ['orders.completed'],
    ]);
    expect(steps[2]?.at(-1)).toEqual(['orders.cancelled', 'SOLD_OUT']);

    await role.drain();
    await db.database.query((orm) => orm.execute('drop schema analytics cascade'));
    await db.database.query((orm) => orm.execute('drop table mallbots.analytics'));
    await start();
    expect(await countedTo(messages.length)).toEqual(all);
    expect(await timelines()).toEqual(told);
  });

  it('counts a period, and says what is wrong with one', async () => {
    await countedTo(messages.length);
    const hour = new Date(startMs + 3_600_000);
    expect((await stats({ since: undefined, until: hour })).orders?.placed).toBe(1);
    const later = await stats({ since: hour, until: undefined });
    expect(later.orders?.placed).toBe(2);
    expect(later.bots.map(({ botId, succeeded }) => [botId, succeeded])).toEqual([
      ['bot-2', 1],
      ['bot-1', 1],
    ]);
    expect(await stats({ since: new Date(), until: undefined })).toMatchObject({
      orders: { placed: 0 },
      hours: [],
      ready: { count: 0, p50Ms: 0 },
      bots: [],
      shorts: [],
    });
    await expect(stats({ since: hour, until: hour })).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      detail: { field: 'until', reason: 'PERIOD_EMPTY' },
    });
  });

  it('keeps time lines as long as the journal does, counted from its newest event', async () => {
    await countedTo(messages.length);
    await expect(db.database.query((orm) => pruneTimeline(orm, 3_700_000))).resolves.toBe(false);
    expect((await timelines()).map(({ happenings }) => happenings.length)).toEqual([9, 4, 5]);
  });
}
