import { sql } from 'drizzle-orm';
import { pickMs, walkMs } from '../../bots/simulator/floor.ts';
import type { Stage } from '../../src/demo/stage.ts';
import { atMost, type Benchmark, figure, median, type Servers, type Surroundings } from './figure.ts';
import { type Load, underLoad } from './mall.ts';
import { rawTransactionsPerSecond } from './raw-transactions.ts';

/** Bots so fast and so many that the program is what is measured, and as many shoppers as keep it busy. */
const busy: Load = { orders: 200, bots: 60, botProcesses: 2, timeScale: 1_000, shoppers: 60 };
/** A bot for every order, so that none waits for one, at a speed at which walking is most of the time. */
const calm: Load = { orders: 12, bots: 12, botProcesses: 2, timeScale: 20, shoppers: 12 };

/** What the program may add to the bots' own time. */
const readyGoal = 1.25;

const embedded: Servers = { databaseUrl: '', amqpUrl: '' };

type Stack = 'embedded' | 'production';

const on = (stack: Stack, { servers, signal }: Surroundings) => ({
  servers: stack === 'embedded' ? embedded : servers,
  signal,
});

function ordersPerSecond(stack: Stack): Benchmark {
  const name = `orders per second, ${stack}`;
  return {
    names: [name],
    needsServers: stack === 'production',
    run: (around) =>
      underLoad(on(stack, around), busy, async ({ backends }, elapsedMs) => [
        figure(name, '1/s', {
          value: busy.orders / (elapsedMs / 1_000),
          reference: await rawTransactionsPerSecond(backends.database.url),
          referenceName: 'two-statement transactions on the same PostgreSQL',
        }),
      ]),
  };
}

interface OrderTimes {
  readonly readyMs: number;
  readonly routeMetres: number;
  readonly quantities: readonly number[];
}

const readOrderTimes = ({ backends }: Stage): Promise<OrderTimes[]> =>
  backends.database.query(async (orm) => [
    ...((await orm.execute(sql`
      select extract(epoch from o.ready_at - o.placed_at)::float8 * 1000 as "readyMs", d.route_metres as "routeMetres",
        (select json_agg(l.quantity) from orders.lines l where l.order_id = o.id) as quantities
      from orders.orders o join depot.lists d on d.order_id = o.id
      where o.ready_at is not null`)) as unknown as OrderTimes[]),
  ]);

/** What a bot that starts at the depot takes at least. */
const walkingMs = ({ routeMetres, quantities }: OrderTimes): number =>
  walkMs(routeMetres, 1, calm.timeScale) + quantities.reduce((sum, units) => sum + pickMs(units, calm.timeScale), 0);

function timeToReady(stack: Stack): Benchmark {
  const name = `order to ready, ${stack} (median)`;
  return {
    names: [name],
    needsServers: stack === 'production',
    run: (around) =>
      underLoad(on(stack, around), calm, async (stage) => {
        const times = await readOrderTimes(stage);
        const measured = {
          value: median(times.map(({ readyMs }) => readyMs)),
          reference: median(times.map(walkingMs)),
          referenceName: `walking and picking at ${calm.timeScale} times life (median)`,
        };
        return [figure(name, 'ms', measured, atMost(readyGoal))];
      }),
  };
}

const stacks: readonly Stack[] = ['embedded', 'production'];

export const orderBenchmarks: readonly Benchmark[] = [...stacks.map(ordersPerSecond), ...stacks.map(timeToReady)];
