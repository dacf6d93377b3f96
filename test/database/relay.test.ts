import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { context, trace } from '@opentelemetry/api';
import { asc, isNull, sql } from 'drizzle-orm';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { unavailable } from '../../src/contract/errors.ts';
import { newId } from '../../src/contract/ids.ts';
import type { Draft } from '../../src/contract/message.ts';
import { createOutbox, type Outbox } from '../../src/database/outbox.ts';
import { outboxStatements } from '../../src/database/outbox-rows.ts';
import { connectDatabase } from '../../src/database/postgres.ts';
import { type Relay, retentionMs, startRelay } from '../../src/database/relay.ts';
import { traceparentOf } from '../../src/telemetry/propagation.ts';
import type { TestDatabase } from '../support/database.ts';
import { silentLogger } from '../support/silent-logger.ts';
import { recordingTelemetry } from '../support/telemetry.ts';
import { message, ready, tables, withMall } from './mall.ts';
import { bayOf, RecordingBroker } from './recording-broker.ts';

let mall: TestDatabase;
let outbox: Outbox;
const relays: Relay[] = [];
const children: ChildProcess[] = [];
const telemetry = recordingTelemetry('orders');

beforeEach(async () => {
  mall = await withMall();
  outbox = createOutbox({ tables, source: '/orders', tracer: trace.getTracer('none') });
});
afterEach(async () => {
  // Of a test that timed out: it would hold the lock and the connections of a database that is dropped.
  for (const child of children.splice(0)) child.kill('SIGKILL');
  await Promise.all(relays.splice(0).map((relay) => relay.stop()));
  await mall[Symbol.asyncDispose]();
});

function relayTo(broker: RecordingBroker, database = mall.database, from = outbox): Relay {
  const relay = startRelay({
    database,
    broker,
    tables,
    schema: 'mall',
    outbox: from,
    tracer: telemetry.tracer,
    logger: silentLogger,
  });
  relays.push(relay);
  return relay;
}

const add = (...drafts: Draft[]) => mall.database.transaction((tx) => outbox.add(tx, drafts, 'cause'));
const unpublishedRows = () =>
  mall.database.query((orm) => orm.select().from(tables.outbox).where(isNull(tables.outbox.publishedAt)));
const allMarked = () => expect.poll(unpublishedRows, { timeout: 20_000 }).toEqual([]);
const numbers = (count: number) => Array.from({ length: count }, (_, index) => String(index));

describe('the outbox', () => {
  it('is marked without a wait for the disk, which nothing else on the connection is spared', async () => {
    const commitsOf = sql`select current_setting('synchronous_commit') as commits`;
    await mall.database.query((orm) =>
      orm.execute(sql`
        create table mall.seen (commits text);
        create function mall.see() returns trigger language plpgsql as $$
          begin insert into mall.seen values (current_setting('synchronous_commit')); return new; end $$;
        create trigger see before update on mall.outbox for each row execute function mall.see()`),
    );
    await add(ready('0', 1), ready('1', 1));
    await mall.database.query(async (orm) => {
      await outboxStatements(tables).markPublished(orm, [1, 2]);
      expect(await orm.execute(sql`select commits from mall.seen`)).toEqual([{ commits: 'off' }, { commits: 'off' }]);
      expect(await orm.execute(commitsOf)).toEqual([{ commits: 'on' }]);
    });
    expect(await unpublishedRows()).toEqual([]);
  });

  it('publishes nothing of a transaction that was rolled back', async () => {
    const broker = new RecordingBroker();
    relayTo(broker);
    const failed = mall.database.transaction(async (tx) => {
      await outbox.add(tx, [ready('a', 'no')], 'cause');
      throw new Error('no');
    });
    await expect(failed).rejects.toThrow('no');
    await add(ready('a', 'yes'));
    await allMarked();
    expect(broker.baysOf('a')).toEqual(['yes']);
  });

  it('tells of messages when they are committed, and not before', async () => {
    let told = 0;
    outbox.onAdded(() => {
      told += 1;
    });
    await mall.database.transaction(async (tx) => {
      await outbox.add(tx, [ready('a', 1), ready('b', 1)], 'cause');
      expect(told).toBe(0);
    });
    expect(told).toBe(1);
  });

  it('keeps a message whole, with its cause, and gives it an id', async () => {
    const broker = new RecordingBroker();
    relayTo(broker);
    const task = { id: newId(), fence: 7 };
    await add({ ...ready('a', 'B3'), correlationId: 'order', task });
    await allMarked();
    const [published] = broker.published;
    expect(published!.to).toEqual({ exchange: 'orders.events', routingKey: 'orders.ready' });
    expect(published!.message).toMatchObject({
      source: '/orders',
      key: 'a',
      correlationId: 'order',
      causationId: 'cause',
      task,
    });
    expect(published!.message.id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7/);
    expect(bayOf(published!.message)).toBe('B3');
  });
});

describe('a relay', () => {
  it('publishes what was there before it started', async () => {
    await add(ready('a', 1));
    const broker = new RecordingBroker();
    relayTo(broker);
    await allMarked();
    expect(broker.baysOf('a')).toEqual(['1']);
  });

  it('keeps the order of each key, over many keys and more rows than it takes at once', async () => {
    const keys = numbers(30);
    const broker = new RecordingBroker(() => new Promise((resolve) => setImmediate(resolve)));
    relayTo(broker);
    for (const bay of numbers(40)) await add(...keys.map((key) => ready(key, bay)));
    await allMarked();
    for (const key of keys) expect(broker.baysOf(key)).toEqual(numbers(40));
  });

  it('publishes messages of one key one at a time, and those of others meanwhile', async () => {
    const release = Promise.withResolvers<void>();
    const broker = new RecordingBroker(async ({ key }) => {
      if (key === 'slow') await release.promise;
    });
    relayTo(broker);
    // More of the slow key, and earlier, than the relay fetches at once.
    await add(...numbers(600).map((bay) => ready('slow', bay)));
    await add(...numbers(20).map((bay) => ready('quick', bay)));
    await expect.poll(() => broker.baysOf('quick')).toEqual(numbers(20));
    expect(broker.baysOf('slow')).toEqual([]);
    release.resolve();
    await allMarked();
    expect(broker.baysOf('slow')).toEqual(numbers(600));
  });

  it('tries a failing key until it goes through, in order, and holds up no other', async () => {
    const refusals = new Map<string, number>();
    let isBroken = true;
    const broker = new RecordingBroker(async ({ key, ...it }) => {
      if (key !== 'bad' || !isBroken) return;
      const bay = bayOf({ key, ...it });
      refusals.set(bay, (refusals.get(bay) ?? 0) + 1);
      throw unavailable('no', 'NO');
    });
    relayTo(broker);
    await add(ready('bad', 0), ready('bad', 1), ready('good', 0));
    await expect.poll(() => refusals.get('0'), { timeout: 10_000 }).toBeGreaterThan(2);
    await add(ready('good', 1));
    await expect.poll(() => broker.baysOf('good')).toEqual(['0', '1']);
    expect([...refusals.keys()]).toEqual(['0']);
    isBroken = false;
    await allMarked();
    expect(broker.baysOf('bad')).toEqual(['0', '1']);
  });

  it('goes on past a message that only a newer program knows, which waits for that', async () => {
    const broker = new RecordingBroker();
    await add(ready('newer', 1), ready('newer', 2));
    const rename = (to: string) =>
      mall.database.query((orm) => orm.execute(sql`update mall.outbox set name = ${to} where id = 1`));
    await rename('orders.gift_wrapped');
    relayTo(broker);
    await add(ready('other', 1));
    await expect.poll(() => broker.baysOf('other')).toEqual(['1']);
    expect(broker.baysOf('newer')).toEqual([]);
    // As a program that knows it would read it.
    await relays.pop()!.stop();
    await rename('orders.ready');
    relayTo(broker);
    await allMarked();
    expect(broker.baysOf('newer')).toEqual(['1', '2']);
  });

  it('misses no row that was numbered early and committed late', async () => {
    const broker = new RecordingBroker();
    relayTo(broker);
    const numbered = Promise.withResolvers<void>();
    const commit = Promise.withResolvers<void>();
    const late = mall.database.transaction(async (tx) => {
      await outbox.add(tx, [ready('late', 1)], 'cause');
      numbered.resolve();
      await commit.promise;
    });
    await numbered.promise;
    await add(ready('early', 1));
    await expect.poll(() => broker.baysOf('early')).toEqual(['1']);
    commit.resolve();
    await late;
    await allMarked();
    expect(broker.baysOf('late')).toEqual(['1']);
    const order = await mall.database.query((orm) =>
      orm.select({ key: tables.outbox.key }).from(tables.outbox).orderBy(asc(tables.outbox.id)),
    );
    expect(order.map(({ key }) => key)).toEqual(['late', 'early']);
  });

  it('finds what another process has committed', async () => {
    const broker = new RecordingBroker();
    relayTo(broker, mall.database, createOutbox({ tables, source: '/orders', tracer: trace.getTracer('none') }));
    await add(ready('a', 1));
    await allMarked();
    expect(broker.baysOf('a')).toEqual(['1']);
  });

  it('works alone: a second one stands by, and goes on when the first has stopped', async () => {
    const other = connectDatabase({ url: mall.url, applicationName: 'other', logger: silentLogger });
    const [first, second] = [new RecordingBroker(), new RecordingBroker()];
    const relay = relayTo(first);
    await add(ready('a', 0));
    await allMarked();
    const standby = relayTo(second, other);
    for (const bay of [1, 2, 3]) await add(ready('a', bay));
    await allMarked();
    await relay.stop();
    await add(ready('a', 4));
    await allMarked();
    expect([first.baysOf('a'), second.baysOf('a')]).toEqual([['0', '1', '2', '3'], ['4']]);
    await standby.stop();
    await other.close();
  });

  it('goes on after its connections were cut', async () => {
    const broker = new RecordingBroker();
    relayTo(broker);
    await add(ready('a', 0));
    await allMarked();
    const others = sql`select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()`;
    await mall.database.query((orm) => orm.execute(others));
    await add(ready('a', 1));
    await allMarked();
    expect(broker.baysOf('a')).toEqual(['0', '1']);
  });

  it('publishes what was committed before it was told to stop', async () => {
    const broker = new RecordingBroker();
    const relay = relayTo(broker);
    await add(ready('a', 0));
    await allMarked();
    await add(...numbers(5).map((bay) => ready('b', bay)));
    await relay.stop();
    expect(broker.baysOf('b')).toEqual(numbers(5));
    expect(await unpublishedRows()).toEqual([]);
  });

  it('loses nothing and keeps the order when it is killed between the confirm and the mark', async () => {
    const keys = ['a', 'b', 'c'];
    for (const bay of numbers(10)) await add(...keys.map((key) => ready(key, bay)));
    const directory = mkdtempSync(join(tmpdir(), 'mallbots-relay-'));
    const log = join(directory, 'published');
    const child = fork(join(import.meta.dirname, 'relay-process.ts'), [mall.url, log, '17'], { execArgv: [] });
    children.push(child);
    expect(await once(child, 'exit')).toEqual([null, 'SIGKILL']);

    const broker = new RecordingBroker();
    relayTo(broker);
    await allMarked();
    const rows = await mall.database.query((orm) => orm.select().from(tables.outbox).orderBy(asc(tables.outbox.id)));
    const sent = [...readFileSync(log, 'utf8').trim().split('\n'), ...broker.published.map((it) => it.message.id)];
    rmSync(directory, { recursive: true });
    // Some came twice; without those that came before, which the receivers' inboxes know, it is every message in order.
    expect(sent.length).toBeGreaterThan(rows.length);
    for (const key of keys) {
      const ofKey = rows.filter((row) => row.key === key).map((row) => row.messageId);
      expect([...new Set(sent)].filter((id) => ofKey.includes(id))).toEqual(ofKey);
    }
  });
});

it('sends each message in a span of its own, a child of whoever decided on it', async () => {
  const broker = new RecordingBroker();
  relayTo(broker);
  const decision = telemetry.tracer.startSpan('decide');
  await context.with(trace.setSpan(context.active(), decision), () => add(ready('order-1', 1)));
  decision.end();
  await allMarked();
  const own = telemetry.spans().filter(({ attributes }) => attributes['mallbots.order_id'] === 'order-1');
  expect(own.map(({ name, parentSpanContext }) => [name, parentSpanContext?.spanId])).toEqual([
    ['send orders.events:orders.ready', decision.spanContext().spanId],
  ]);
  const active = trace.setSpanContext(context.active(), own[0]!.spanContext());
  expect(broker.published[0]!.message.traceparent).toBe(traceparentOf(active));
});

it('deletes rows and ids that are older than the retention, and keeps the others and those of parked messages', async () => {
  const day = 24 * 3_600_000;
  const [old, young] = [new Date(Date.now() - retentionMs - day), new Date(Date.now() - retentionMs + day)];
  const { name } = message('a');
  await mall.database.query((orm) =>
    orm.insert(tables.inbox).values([
      { messageId: 'old', name, handledAt: old, outcome: 'handled' },
      { messageId: 'parked', name, handledAt: old, outcome: 'parked' },
      { messageId: 'young', name, handledAt: young, outcome: 'stale' },
    ]),
  );
  await add(ready('old', 1), ready('young', 1), ready('waits', 1));
  const publishedAt = sql`case key when 'old' then ${old.toISOString()}::timestamptz when 'young' then ${young.toISOString()}::timestamptz end`;
  await mall.database.query((orm) => orm.update(tables.outbox).set({ publishedAt }));
  const refuses = new RecordingBroker(() => Promise.reject(unavailable('no', 'NO')));
  relayTo(refuses);
  const kept = async () => {
    const ids = await mall.database.query((orm) => orm.select().from(tables.inbox).orderBy(tables.inbox.messageId));
    const rows = await mall.database.query((orm) => orm.select().from(tables.outbox).orderBy(tables.outbox.id));
    return [ids.map(({ messageId }) => messageId), rows.map(({ key }) => key)];
  };
  await expect.poll(kept).toEqual([
    ['parked', 'young'],
    ['young', 'waits'],
  ]);
});
