import { sql } from 'drizzle-orm';
import { messagingSchemas } from '../database/migrations.ts';
import type { Database, Orm } from '../database/port.ts';
import { parseTraceparent } from '../telemetry/propagation.ts';
import type { BayFact, CancellationFact, LineFact, ListFact, ProductFact, ReturnFact } from './books.ts';
import type { Facts, InvoiceFact, OrderFact, ParkedFact, SentFact, TakenFact, TaskFact } from './checks.ts';

/** Each schema that sends has an outbox, each that subscribes an inbox; the hub takes nothing in. */
const senders = messagingSchemas;
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
    lines: await readLines(orm),
    products: await readProducts(orm),
    returns: await readReturns(orm),
    bays: await readBays(orm),
    lists: await readLists(orm),
    cancellations: await readCancellations(orm),
  }));
}

export const rows = async <T>(orm: Orm, statement: ReturnType<typeof sql>): Promise<T[]> => [
  ...((await orm.execute(statement)) as unknown as T[]),
];

async function readOrders(orm: Orm): Promise<OrderFact[]> {
  const orders = await rows<Omit<OrderFact, 'traceId'> & { readonly traceparent: string }>(
    orm,
    sql`
      select o.id as "orderId", o.state, o.traceparent,
        sum(l.quantity)::int as ordered, sum(l.picked)::int as picked, sum(l.short)::int as short
      from orders.orders o join orders.lines l on l.order_id = o.id
      group by o.id order by o.id`,
  );
  return orders.map(({ traceparent, ...order }) => ({
    ...order,
    traceId: parseTraceparent(traceparent)?.traceId ?? '',
  }));
}

/** Straight from the events, so that a mistake in the service's own fold is found. */
const readInvoices = (orm: Orm): Promise<InvoiceFact[]> =>
  rows(
    orm,
    sql`
      select max(data->>'orderId') as "orderId", max(data->>'currency') as currency,
        case when bool_or(type = 'InvoiceCancelled') then 0 else
          (array_agg((data->>'totalMinor')::int order by version desc) filter (where data ? 'totalMinor'))[1] end as invoiced,
        coalesce(sum((data->>'amountMinor')::int) filter (where type = 'PaymentReceived'), 0)::int as paid,
        coalesce(sum((data->>'reductionMinor')::int) filter (where type = 'AllowanceGranted'), 0)::int as allowed,
        coalesce(sum((data->>'amountMinor')::int) filter (where type = 'RefundIssued'), 0)::int as refunded
      from payments.events group by stream_id`,
  );

const readTasks = (orm: Orm): Promise<TaskFact[]> =>
  rows(
    orm,
    sql`select task_id as "taskId", order_id as "orderId", kind, state, attempt as attempts, fence from hub.tasks`,
  );

async function readSent(orm: Orm): Promise<SentFact[]> {
  const selects = senders.map(
    (schema) => sql`
      select ${schema}::text as from, message_id as "messageId", name, coalesce(task_id, '') as "taskId",
        coalesce(fence, 0)::int as fence,
        published_at is not null as published
      from ${sql.identifier(schema)}.outbox`,
  );
  return rows(orm, sql.join(selects, sql` union all `));
}

async function readTaken(orm: Orm): Promise<TakenFact[]> {
  const selects = takers.map(
    (schema) => sql`
      select ${schema}::text as by, message_id as "messageId", name, outcome,
        extract(epoch from handled_at)::float8 * 1000 as "handledAt"
      from ${sql.identifier(schema)}.inbox`,
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

const readLines = (orm: Orm): Promise<LineFact[]> =>
  rows(
    orm,
    sql`
      select l.order_id as "orderId", l.id as "lineId", o.state, l.unit_price_minor as "unitPriceMinor", l.picked, l.short,
        coalesce(d.picked, 0) as "listPicked", coalesce(d.short, 0) as "listShort",
        coalesce(s.taken, 0)::int as taken, coalesce(s.returned, 0)::int as returned,
        coalesce(s.gone, 0)::int as gone, coalesce(s.missed, 0)::int as missed
      from orders.lines l join orders.orders o on o.id = l.order_id
      left join depot.lines d on d.order_id = l.order_id and d.line_id = l.id::text
      left join (
        select k.order_id, k.line_id, sum(k.picked) as taken, sum(k.returned) as returned,
          sum(k.picked - k.returned) filter (where e.return_task_id is not null) as gone,
          sum(k.missed) filter (where e.return_task_id is null) as missed
        from stores.picks k left join stores.settled_returns e using (return_task_id) group by k.order_id, k.line_id
      ) s on s.order_id = l.order_id and s.line_id = l.id::text`,
  );

const readProducts = (orm: Orm): Promise<ProductFact[]> =>
  rows(
    orm,
    sql`
      select p.product_id as "productId", p.added_stock as added, p.stock, o.stock as copied, o.committed,
        coalesce(s.out, 0)::int as out
      from stores.products p join orders.products o on o.id = p.product_id
      left join (
        select product_id, sum(picked - returned + written_off) as out from stores.picks group by product_id
      ) s on s.product_id = p.product_id`,
  );

const readReturns = (orm: Orm): Promise<ReturnFact[]> =>
  rows(
    orm,
    sql`
      select r.task_id as "taskId", r.order_id as "orderId", r.state,
        sum(l.quantity)::int as carried, sum(l.returned)::int as returned
      from depot.returns r join depot.return_lines l using (task_id) group by r.task_id order by r.task_id`,
  );

const readBays = (orm: Orm): Promise<BayFact[]> =>
  rows(orm, sql`select number as bay, order_id as "orderId" from depot.bays where order_id is not null`);

const readLists = (orm: Orm): Promise<ListFact[]> =>
  rows(
    orm,
    sql`
      select d.order_id as "orderId", o.state as "orderState", d.state, coalesce(sum(l.picked), 0)::int as picked
      from depot.lists d join orders.orders o on o.id = d.order_id left join depot.lines l on l.order_id = d.order_id
      group by d.order_id, o.state`,
  );

const readCancellations = (orm: Orm): Promise<CancellationFact[]> =>
  rows(orm, sql`select order_id as "orderId", refunded, goods from orders.cancellations`);
