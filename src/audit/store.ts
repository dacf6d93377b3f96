import { sql } from 'drizzle-orm';
import { migrations } from '../database/migrations.ts';
import type { Database, Orm } from '../database/port.ts';
import type { Facts, InvoiceFact, OrderFact, ParkedFact, SentFact, TakenFact, TaskFact } from './checks.ts';

/** Each schema that sends has an outbox, each that subscribes an inbox; the hub takes nothing in. */
const senders = migrations.map(({ schema }) => schema);
const takers = senders.filter((schema) => schema !== 'hub');

/** Reads every table of the mall: for a scratch mall or a test, not for one that has run for a year. */
export function readFacts(database: Database): Promise<Facts> {
  return database.query(async (orm) => ({
    orders: await readOrders(orm),
    invoices: await readInvoices(orm),
    tasks: await readTasks(orm),
    sent: await readSent(orm),
    taken: await readTaken(orm),
    parked: await readParked(orm),
  }));
}

const rows = async <T>(orm: Orm, statement: ReturnType<typeof sql>): Promise<T[]> => [
  ...((await orm.execute(statement)) as unknown as T[]),
];

const readOrders = (orm: Orm): Promise<OrderFact[]> =>
  rows(
    orm,
    sql`
      select o.id as "orderId", o.state, split_part(o.traceparent, '-', 2) as "traceId",
        sum(l.quantity)::int as ordered, sum(l.picked)::int as picked, sum(l.short)::int as short
      from orders.orders o join orders.lines l on l.order_id = o.id
      group by o.id order by o.id`,
  );

/** Straight from the events, so that a mistake in the service's own fold is found. */
const readInvoices = (orm: Orm): Promise<InvoiceFact[]> =>
  rows(
    orm,
    sql`
      select max(data->>'orderId') as "orderId", max(data->>'currency') as currency,
        case when bool_or(type = 'InvoiceCancelled') then 0 else
          (array_agg((data->>'totalMinor')::int order by version desc) filter (where data ? 'totalMinor'))[1] end as invoiced,
        coalesce(sum((data->>'amountMinor')::int) filter (where type = 'PaymentReceived'), 0)::int as paid,
        coalesce(sum((data->>'amountMinor')::int) filter (where type = 'RefundIssued'), 0)::int as refunded
      from payments.events group by stream_id`,
  );

const readTasks = (orm: Orm): Promise<TaskFact[]> =>
  rows(orm, sql`select task_id as "taskId", order_id as "orderId", state, attempt as attempts from hub.tasks`);

async function readSent(orm: Orm): Promise<SentFact[]> {
  const selects = senders.map(
    (schema) => sql`
      select ${schema}::text as from, message_id as "messageId", name, coalesce(task_id, '') as "taskId",
        published_at is not null as published
      from ${sql.identifier(schema)}.outbox`,
  );
  return rows(orm, sql.join(selects, sql` union all `));
}

async function readTaken(orm: Orm): Promise<TakenFact[]> {
  const selects = takers.map(
    (schema) => sql`select ${schema}::text as by, message_id as "messageId", name from ${sql.identifier(schema)}.inbox`,
  );
  return rows(orm, sql.join(selects, sql` union all `));
}

async function readParked(orm: Orm): Promise<ParkedFact[]> {
  const selects = takers.map(
    (schema) =>
      sql`select ${schema}::text as by, message_id as "messageId", name, reason from ${sql.identifier(schema)}.parked`,
  );
  return rows(orm, sql.join(selects, sql` union all `));
}
