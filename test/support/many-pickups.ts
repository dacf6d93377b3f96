import { type SQL, sql } from 'drizzle-orm';
import type { Database } from '../../src/database/port.ts';

export const orderCount = 100_000;

/** The id of the `n`th order, from 1. */
export const pickupOf = (n: number): string => `0199c1f0-7c1e-7d0a-8a52-${String(n).padStart(12, '0')}`;

const id = sql`('0199c1f0-7c1e-7d0a-8a52-' || lpad(n::text, 12, '0'))::uuid`;
/** In one statement, which has a deadline. */
const chunkOrders = 5_000;

const characters = '23456789BCDFGHJKMNPQRSTVWXYZ';

/** Each of 100,000 orders in a bay of its own, half of them paid and half being cancelled, with two lines; as the services would have left them. */
export async function fillWithPickups(database: Database): Promise<void> {
  for (let first = 1; first <= orderCount; first += chunkOrders) {
    for (const statement of pickups(first, first + chunkOrders - 1))
      await database.query((orm) => orm.execute(statement));
  }
  await database.query((orm) =>
    orm.execute(sql`
      insert into orders.cancellations (order_id, requested_by, requested_at, refunded, goods, return_task_ids, asks, goods_by)
      select id, 'SHOPPER', now(), true, 'SETTLED', '{}', 1, now() from orders.orders where state = 'CANCELLING'`),
  );
  for (const table of ['orders.orders', 'orders.lines', 'orders.cancellations', 'payments.events', 'depot.bays'])
    await database.query((orm) => orm.execute(sql.raw(`analyze ${table}`)));
}

function pickups(first: number, last: number): SQL[] {
  const numbers = sql`generate_series(${first}::int, ${last}::int) n`;
  return [
    sql`
      insert into orders.orders (id, idempotency_key, shopper, currency, state, paid, bay, placed_at, ready_at, reason, traceparent, pickup_code)
      select ${id}, 'key-' || n, 'Shopper ' || n, 'EUR',
        case when n % 2 = 0 then 'COLLECTABLE' else 'CANCELLING' end, n % 2 = 0, 'B' || n, now(), now(), '', '',
        substr('GHJKMNPQRSTVWXYZ', n / 21952 + 1, 1) || substr(${characters}, n / 784 % 28 + 1, 1)
          || substr(${characters}, n / 28 % 28 + 1, 1) || substr(${characters}, n % 28 + 1, 1) || '234'
      from ${numbers}`,
    sql`
      insert into orders.lines (order_id, position, id, product_id, store_id, sku, name, quantity, unit_price_minor, picked, short, held)
      select ${id}, position, gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), 'SKU', 'Thing', 2, 150, 2, 0, 0
      from ${numbers}, generate_series(0, 1) position`,
    sql`
      insert into payments.events (stream_id, version, type, schema_version, data, meta)
      select 'invoice-' || ${id}, version, case when version = 1 then 'InvoiceIssued' else 'PaymentReceived' end, 1,
        case when version = 1 then jsonb_build_object('orderId', ${id}, 'currency', 'EUR', 'totalMinor', 600, 'issuedAt', '2026-01-01T00:00:00Z',
            'lines', '[]'::jsonb)
          else jsonb_build_object('paymentId', gen_random_uuid(), 'idempotencyKey', 'key-' || n, 'amountMinor', 600) end,
        jsonb_build_object('causationId', 'test', 'occurredAt', '2026-01-01T00:00:00Z')
      from ${numbers}, generate_series(1, 2) version where version = 1 or n % 2 = 0`,
    sql`
      insert into depot.bays (number, order_id, since)
      select n, ${id}, timestamptz '2026-01-01T00:00:00Z' + n * interval '2 seconds' from ${numbers}
      on conflict (number) do update set order_id = excluded.order_id, since = excluded.since`,
  ];
}
