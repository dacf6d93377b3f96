import { trace } from '@opentelemetry/api';
import { eq, sql } from 'drizzle-orm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Inbox } from '../../src/broker/consume.ts';
import { newId } from '../../src/contract/ids.ts';
import type { Message } from '../../src/contract/message.ts';
import { createInbox, type Handle } from '../../src/database/inbox.ts';
import { createParked, type Parked } from '../../src/database/parked.ts';
import type { TestDatabase } from '../support/database.ts';
import { effectsIn, leaveEffect, message, tables, withMall } from './mall.ts';

let mall: TestDatabase;
beforeAll(async () => {
  mall = await withMall();
});
afterAll(() => mall[Symbol.asyncDispose]());

function taking(handle: Handle): { inbox: Inbox; parked: Parked } {
  const options = { database: mall.database, tables, handle };
  return {
    inbox: createInbox(options),
    parked: createParked({ ...options, queue: 'orders.inbox', tracer: trace.getTracer('none') }),
  };
}

/** Fails while `isBroken`, after it has left its effect, which must not stay. */
function breakable() {
  const broken = { isBroken: true };
  const both = taking(async (it, tx) => {
    await leaveEffect(it, tx);
    if (broken.isBroken) throw new Error('the bay has collapsed');
  });
  return { broken, ...both };
}

async function outcomeOf({ id }: Message): Promise<string | undefined> {
  const [row] = await mall.database.query((orm) =>
    orm.select().from(tables.inbox).where(eq(tables.inbox.messageId, id)),
  );
  return row?.outcome;
}

const timesIn = async ({ id }: Message) => (await effectsIn(mall.database)).filter((effect) => effect === id).length;
const order = async (...messages: Message[]) => {
  const ids = messages.map(({ id }) => id);
  return (await effectsIn(mall.database)).filter((id) => ids.includes(id)).map((id) => ids.indexOf(id));
};

describe('a message', () => {
  const inbox = () => taking(leaveEffect).inbox;

  it('takes effect once, however often it comes', async () => {
    const it = message(newId());
    expect(await inbox().process(it)).toBe('handled');
    expect(await inbox().process(it)).toBe('duplicate');
    expect(await timesIn(it)).toBe(1);
    expect(await outcomeOf(it)).toBe('handled');
  });

  it('takes effect once when its deliveries come at the same moment', async () => {
    const it = message(newId());
    const outcomes = await Promise.all(Array.from({ length: 8 }, () => inbox().process(it)));
    expect(outcomes.toSorted()).toEqual([...Array(7).fill('duplicate'), 'handled']);
    expect(await timesIn(it)).toBe(1);
  });

  it('is new again when its handler failed, and leaves nothing behind', async () => {
    const { broken, inbox } = breakable();
    const it = message(newId(), '', { task: { id: newId(), fence: 3 } });
    await expect(inbox.process(it)).rejects.toThrow('the bay has collapsed');
    expect([await timesIn(it), await outcomeOf(it)]).toEqual([0, undefined]);
    broken.isBroken = false;
    expect(await inbox.process(it)).toBe('handled');
    expect(await timesIn(it)).toBe(1);
  });

  it('is handled by the delivery that waited when the one before it failed', async () => {
    const entered = Promise.withResolvers<void>();
    const fail = Promise.withResolvers<void>();
    const failing = taking(async () => {
      entered.resolve();
      await fail.promise;
    });
    const it = message(newId());
    const first = failing.inbox.process(it);
    await entered.promise;
    const second = inbox().process(it);
    fail.reject(new Error('no'));
    await expect(first).rejects.toThrow('no');
    expect(await second).toBe('handled');
  });
});

describe('a fence', () => {
  const mark = (id: string, fence: number) => message(id, '', { task: { id, fence } });

  it('refuses what is below the highest that was seen, and nothing else', async () => {
    const { inbox } = taking(leaveEffect);
    const task = newId();
    const [first, second, late, equal] = [mark(task, 1), mark(task, 2), mark(task, 1), mark(task, 2)] as const;
    expect(await inbox.process(first)).toBe('handled');
    expect(await inbox.process(second)).toBe('handled');
    expect(await inbox.process(late)).toBe('stale');
    expect(await inbox.process(equal)).toBe('handled');
    expect(await outcomeOf(late)).toBe('stale');
    expect(await order(first, second, late, equal)).toEqual([0, 1, 3]);
    expect(await inbox.process(late)).toBe('duplicate');
  });

  it('is not raised by a message whose handler failed', async () => {
    const { inbox } = breakable();
    const task = newId();
    await expect(inbox.process(mark(task, 9))).rejects.toThrow();
    expect(await taking(leaveEffect).inbox.process(mark(task, 8))).toBe('handled');
  });

  it('of one task says nothing about another', async () => {
    const { inbox } = taking(leaveEffect);
    await inbox.process(mark(newId(), 5));
    expect(await inbox.process(mark(newId(), 1))).toBe('handled');
  });
});

describe('a parked message', () => {
  it('is kept whole, with its reason', async () => {
    const { inbox, parked } = taking(leaveEffect);
    const key = newId();
    const it = message(key, 'B7', { task: { id: newId(), fence: 4 } });
    await inbox.park(it, new Error('the bay has collapsed'), 5);
    const [row, ...others] = await parked.list({ key });
    expect(others).toEqual([]);
    expect(row).toMatchObject({ attempts: 5, reason: expect.stringContaining('the bay has collapsed') });
    expect({ ...row!.message, body: Buffer.from(row!.message.body) }).toEqual({ ...it, body: Buffer.from(it.body) });
  });

  it('is a duplicate when it comes again, and is parked once', async () => {
    const { inbox, parked } = taking(leaveEffect);
    const it = message(newId());
    await Promise.all([inbox.park(it, 'no', 5), inbox.park(it, 'no', 5), inbox.park(it, 'no', 5)]);
    expect(await inbox.process(it)).toBe('duplicate');
    expect(await parked.list({ key: it.key })).toHaveLength(1);
    expect(await timesIn(it)).toBe(0);
  });

  it('is not parked any more once another delivery handled it', async () => {
    const { inbox, parked } = taking(leaveEffect);
    const it = message(newId());
    await inbox.process(it);
    await inbox.park(it, 'no', 5);
    expect(await parked.list({ key: it.key })).toEqual([]);
    expect(await outcomeOf(it)).toBe('handled');
  });

  it('has the later ones of its key parked behind it, once, and no others', async () => {
    const { inbox, parked } = taking(leaveEffect);
    const key = newId();
    const [first, second, other] = [message(key), message(key), message(newId())] as const;
    await inbox.park(first, 'no', 5);
    expect(await inbox.process(second)).toBe('parked');
    expect(await inbox.process(second)).toBe('duplicate');
    expect(await inbox.process(other)).toBe('handled');
    expect((await parked.list({ key })).map((row) => row.message.id)).toEqual([first.id, second.id]);
    expect((await parked.list({ key })).map((row) => row.attempts)).toEqual([5, 0]);
  });
});

const waiting = sql`
  select from pg_locks join pg_database on pg_database.oid = pg_locks.database
  where datname = current_database() and locktype = 'advisory' and not granted`;

describe('a retry', () => {
  const park = async (count: number) => {
    const parts = breakable();
    const key = newId();
    const messages = Array.from({ length: count }, (_, index) => message(key, index));
    await parts.inbox.park(messages[0]!, 'no', 5);
    for (const later of messages.slice(1)) await parts.inbox.process(later);
    return { ...parts, key, messages };
  };

  it('handles the whole key in order, and then the key is as before', async () => {
    const { broken, inbox, parked, key, messages } = await park(3);
    broken.isBroken = false;
    expect(await parked.retry(key)).toEqual({ settled: 3, left: 0 });
    expect(await order(...messages)).toEqual([0, 1, 2]);
    expect(await Promise.all(messages.map(outcomeOf))).toEqual(['handled', 'handled', 'handled']);
    expect(await inbox.process(message(key))).toBe('handled');
    expect(await inbox.process(messages[0]!)).toBe('duplicate');
  });

  it('stops at the first that fails and says why', async () => {
    const { parked, key, messages } = await park(2);
    expect(await parked.retry(key)).toEqual({
      settled: 0,
      left: 2,
      failure: expect.stringContaining('the bay has collapsed'),
    });
    const rows = await parked.list({ key });
    expect(rows.map(({ attempts }) => attempts)).toEqual([6, 0]);
    expect(await outcomeOf(messages[0]!)).toBe('parked');
    expect(await order(...messages)).toEqual([]);
  });

  it('refuses a fence that has been overtaken meanwhile', async () => {
    const { inbox, parked } = taking(leaveEffect);
    const key = newId();
    const task = newId();
    const late = message(key, '', { task: { id: task, fence: 1 } });
    await inbox.park(late, 'no', 5);
    await inbox.process(message(newId(), '', { task: { id: task, fence: 2 } }));
    expect(await parked.retry(key)).toEqual({ settled: 1, left: 0 });
    expect([await outcomeOf(late), await timesIn(late)]).toEqual(['stale', 0]);
  });

  it('lets a message that arrives meanwhile in after the others, and leaves none behind', async () => {
    const key = newId();
    const arrival = message(key, 'arrives');
    const entered = Promise.withResolvers<void>();
    const go = Promise.withResolvers<void>();
    const { inbox, parked } = taking(async (it, tx) => {
      if (it.id === first.id) {
        entered.resolve();
        await go.promise;
      }
      await leaveEffect(it, tx);
    });
    const first = message(key, 'first');
    await inbox.park(first, 'no', 5);
    const retried = parked.retry(key);
    await entered.promise;
    // It sees the parked row, which the retry is about to delete, and waits for the retry's transaction.
    const arrived = inbox.process(arrival);
    await expect.poll(() => mall.database.query((orm) => orm.execute(waiting))).toHaveLength(1);
    go.resolve();
    await retried;
    expect(['handled', 'parked']).toContain(await arrived);
    await parked.retry(key);
    expect(await order(first, arrival)).toEqual([0, 1]);
    expect(await parked.list({ key })).toEqual([]);
  });

  it('by two at once handles each message once', async () => {
    const { broken, parked, key, messages } = await park(4);
    broken.isBroken = false;
    const results = await Promise.all([parked.retry(key), parked.retry(key)]);
    expect(results.reduce((sum, { settled }) => sum + settled, 0)).toBe(4);
    expect(await order(...messages)).toEqual([0, 1, 2, 3]);
  });
});

describe('a dropped message', () => {
  it('is gone for good, remembered, and no longer in the way', async () => {
    const { inbox, parked } = taking(leaveEffect);
    const key = newId();
    const [bad, good] = [message(key), message(key)] as const;
    await inbox.park(bad, 'no', 5);
    await inbox.process(good);
    const [row] = await parked.list({ key });
    expect((await parked.drop(row!.id)).message.id).toBe(bad.id);
    expect(await outcomeOf(bad)).toBe('dropped');
    expect(await parked.retry(key)).toEqual({ settled: 1, left: 0 });
    expect(await order(bad, good)).toEqual([1]);
    expect(await inbox.process(bad)).toBe('duplicate');
  });

  it('cannot be dropped twice', async () => {
    const { inbox, parked } = taking(leaveEffect);
    const it = message(newId());
    await inbox.park(it, 'no', 5);
    const [row] = await parked.list({ key: it.key });
    await parked.drop(row!.id);
    await expect(parked.drop(row!.id)).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });
});
