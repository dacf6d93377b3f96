import { sql } from 'drizzle-orm';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { newId } from '../../../src/contract/ids.ts';
import type { StreamLimits } from '../../../src/gateways/kiosk/order-events.ts';
import { addToTimeline } from '../../../src/gateways/kiosk/store.ts';
import { StuckReason } from '../../../src/gen/events/depot/v1/events.ts';
import { anOrder, type Doubles } from '../doubles.ts';
import { openEvents, openWithoutReading } from './event-source.ts';
import { anEvent, startTestKiosk } from './harness.ts';

const open: AsyncDisposable[] = [];
afterEach(async () => {
  for (const kiosk of open.splice(0)) await kiosk[Symbol.asyncDispose]();
});

/** Limits so that nothing but the wake-up is quick, unless a test is about another. */
const onlyWakeUps = { pollMs: 600_000, heartbeatMs: 600_000 };

async function start(doubles: Doubles = {}, limits: Partial<StreamLimits> = onlyWakeUps) {
  const kiosk = await startTestKiosk(doubles, limits);
  open.push(kiosk);
  const orderId = newId();
  return { kiosk, orderId, stream: `${kiosk.url}/v1/orders/${orderId}/events` };
}

const placed = (orderId: string) =>
  anEvent(
    'orders.placed',
    { orderId, shopper: 'Ada', lines: [], total: { minor: 300, currency: 'EUR' } },
    { time: new Date('2026-01-05T10:00:00Z') },
  );
const ready = (orderId: string) => anEvent('orders.ready', { orderId, bay: 'B1' });
const completed = (orderId: string) => anEvent('orders.completed', { orderId });

describe('the events of an order', () => {
  test('come from the first on, then as they happen, and end with the final one', async () => {
    const { kiosk, orderId, stream } = await start();
    await kiosk.hear(placed(orderId));
    await kiosk.hear(placed(newId()));
    const events = await openEvents(stream);

    expect(events.headers.get('content-type')).toBe('text/event-stream');
    expect(await events.take(1)).toMatchObject([
      {
        event: 'orders.placed',
        data: { orderId, shopper: 'Ada', at: '2026-01-05T10:00:00.000Z', total: { minor: 300 } },
      },
    ]);
    await kiosk.hear(ready(orderId));
    expect(await events.take(1)).toMatchObject([{ event: 'orders.ready', data: { bay: 'B1' } }]);
    await kiosk.hear(completed(orderId));
    expect(await events.rest()).toMatchObject([{ event: 'orders.completed' }]);
  });

  test('go on after the event that Last-Event-ID names', async () => {
    const { kiosk, orderId, stream } = await start();
    for (const event of [placed(orderId), ready(orderId), completed(orderId)]) await kiosk.hear(event);
    const all = await (await openEvents(stream)).rest();
    const resumed = await (await openEvents(stream, { 'last-event-id': all[0]!.id })).rest();

    expect(all.map(({ event }) => event)).toEqual(['orders.placed', 'orders.ready', 'orders.completed']);
    expect(resumed).toEqual(all.slice(1));
  });

  test('are over with 204 for who has the last of them, so that a browser stops asking', async () => {
    const { kiosk, orderId, stream } = await start();
    for (const event of [placed(orderId), completed(orderId)]) await kiosk.hear(event);
    const last = (await (await openEvents(stream)).rest()).at(-1)!;

    expect((await openEvents(stream, { 'last-event-id': last.id })).status).toBe(204);

    await kiosk.hear(
      anEvent('payments.refunded', { orderId, amount: { minor: 300, currency: 'EUR' }, reason: 'cancelled' }),
    );
    const more = await openEvents(stream, { 'last-event-id': last.id });
    expect(await more.rest()).toMatchObject([{ event: 'payments.refunded' }]);
  });

  test('come page by page when there are many', async () => {
    const { kiosk, orderId, stream } = await start({}, { ...onlyWakeUps, pageRows: 2 });
    for (const event of [placed(orderId), ready(orderId), ready(orderId), ready(orderId), completed(orderId)]) {
      await kiosk.hear(event);
    }

    expect(await (await openEvents(stream)).rest()).toHaveLength(5);
  });

  test('come also when another process took them in', async () => {
    const { kiosk, orderId, stream } = await start({}, { ...onlyWakeUps, pollMs: 20 });
    await kiosk.hear(placed(orderId));
    const events = await openEvents(stream);
    await events.take(1);
    await kiosk.database.transaction(({ orm }) =>
      addToTimeline(orm, { orderId, name: 'orders.completed', at: new Date(), data: {}, traceparent: '' }),
    );

    expect(await events.rest()).toMatchObject([{ event: 'orders.completed' }]);
  });

  test('say readable things: a bot, a time, a reason, and not the bytes that the bot sent', async () => {
    const { kiosk, orderId, stream } = await start();
    const at = new Date('2026-01-05T10:00:00Z');
    await kiosk.hear(
      anEvent('bots.item_picked', {
        task: { taskId: 't1', orderId, kind: 'shop', attempt: 1, fence: 1, botId: 'bot-1', occurredAt: at },
        lineId: 'l1',
        productId: 'p1',
        storeId: 's1',
        quantity: 2,
        original: { schema: undefined, payload: Buffer.from('bytes') },
      }),
    );
    await kiosk.hear(
      anEvent('depot.list_stuck', { orderId, taskId: 't1', reason: StuckReason.TASK_FAILED, message: 'no bot' }),
    );
    const [picked, stuck] = await (await openEvents(stream)).take(2);

    expect(picked?.data).toMatchObject({
      orderId,
      quantity: 2,
      task: { botId: 'bot-1', occurredAt: at.toISOString() },
    });
    expect(picked?.data).not.toHaveProperty('original');
    expect(stuck?.data).toMatchObject({ reason: 'TASK_FAILED', message: 'no bot' });
  });

  test('of an order that was placed a moment ago are waited for', async () => {
    const { kiosk, orderId, stream } = await start({
      orders: { getOrder: async ({ orderId }) => anOrder({ orderId }) },
    });
    const events = await openEvents(stream);
    expect(events.status).toBe(200);
    await kiosk.hear(placed(orderId));
    await kiosk.hear(completed(orderId));

    expect(await events.rest()).toHaveLength(2);
  });

  test('are 404 for an order that nobody knows, and 400 for ids that are none', async () => {
    const { kiosk, orderId } = await start();
    const path = `/v1/orders/${orderId}/events`;

    expect(await kiosk.get(path)).toMatchObject({ status: 404, body: { field: 'orderId', value: orderId } });
    expect(await kiosk.get('/v1/orders/1/events')).toMatchObject({ status: 400, body: { field: 'orderId' } });
    expect(await kiosk.get(path, { 'last-event-id': '-1' })).toMatchObject({
      status: 400,
      body: { field: 'Last-Event-ID', value: '-1' },
    });
  });
});

describe('a stream of events', () => {
  test('is kept open by comments while nothing happens', async () => {
    const { kiosk, orderId, stream } = await start({}, { ...onlyWakeUps, heartbeatMs: 20 });
    await kiosk.hear(placed(orderId));
    const events = await openEvents(stream);
    await events.take(1);

    expect(await events.nextBlock()).toEqual([': heartbeat']);
  });

  test('ends with a hint when to come back while the kiosk drains', async () => {
    const { kiosk, orderId, stream } = await start();
    await kiosk.hear(placed(orderId));
    const events = await openEvents(stream);
    await events.take(1);
    kiosk.endStreams();

    expect(await events.nextBlock()).toEqual([expect.stringMatching(/^retry: \d+$/)]);
    expect(await events.nextBlock()).toBeUndefined();
  });

  test('is refused beyond the limit, until another one closes', async () => {
    const { kiosk, orderId, stream } = await start({}, { ...onlyWakeUps, maxStreams: 1 });
    await kiosk.hear(placed(orderId));
    const first = await openEvents(stream);
    await first.take(1);
    const path = `/v1/orders/${orderId}/events`;

    const answer = await kiosk.get(path);
    expect(answer).toMatchObject({ status: 429, body: { reason: 'TOO_MANY_STREAMS' } });
    expect(answer.headers.has('retry-after')).toBe(true);

    await kiosk.hear(completed(orderId));
    await first.rest();
    // The kiosk sees the close a moment after the client sees the end.
    await vi.waitFor(async () => expect((await openEvents(stream)).status).toBe(200), { interval: 5 });
  });

  test('holds no place for a client that left before it began', async () => {
    const asked = Promise.withResolvers<void>();
    const left = Promise.withResolvers<void>();
    const { kiosk, orderId, stream } = await start(
      {
        orders: {
          async getOrder({ orderId }) {
            asked.resolve();
            await left.promise;
            return anOrder({ orderId });
          },
        },
      },
      { ...onlyWakeUps, maxStreams: 1 },
    );
    const closed = kiosk.nextConnectionClosed();
    const hangUp = new AbortController();
    const leaving = fetch(stream, { signal: hangUp.signal });
    await asked.promise;
    hangUp.abort();
    await expect(leaving).rejects.toThrow();
    await closed;
    left.resolve();

    await kiosk.hear(placed(orderId));
    const events = await openEvents(stream);
    expect(events.status).toBe(200);
    await events.take(1);
    expect((await openEvents(stream)).status).toBe(429);
  });

  test('is cut when its client does not read', async () => {
    const { kiosk, orderId, stream } = await start({}, { ...onlyWakeUps, stallMs: 50 });
    await kiosk.hear(placed(orderId));
    // Far more than the sockets' own buffers hold.
    await kiosk.database.query((orm) =>
      orm.execute(sql`
        insert into kiosk.timeline (order_id, name, at, data, traceparent)
        select ${orderId}, 'orders.ready', now(), jsonb_build_object('bay', repeat('x', 500000)), '' from generate_series(1, 60)`),
    );

    const dropped = kiosk.nextConnectionClosed();
    const client = openWithoutReading(stream);
    await dropped;

    expect(await client.readNow()).toBe('cut');
  });
});
