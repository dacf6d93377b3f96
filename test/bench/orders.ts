import { sql } from 'drizzle-orm';
import { pickMs, walkMs } from '../../bots/simulator/floor.ts';
import type { Stage } from '../../src/demo/stage.ts';
import { type Benchmark, median, type Servers } from './figure.ts';
import { type Load, underLoad } from './mall.ts';
import { rawTransactionsPerSecond } from './raw-transactions.ts';

/** Bots so fast and so many that the program is what is measured, and as many shoppers as keep it busy. */
const busy: Load = { orders: 200, bots: 60, botProcesses: 2, timeScale: 1_000, shoppers: 60 };
/** A bot for every order, so that none waits for one, at a speed at which walking is most of the time. */
const calm: Load = { orders: 12, bots: 12, botProcesses: 2, timeScale: 20, shoppers: 12 };

/** What the program may add to the robots' own time. */
const readyGoal = 1.25;

const embedded: Servers = { databaseUrl: '', amqpUrl: '' };

const ordersPerSecond = (stack: 'embedded' | 'production'): Benchmark => ({
  name: `orders per second, ${stack}`,
  needsServers: stack === 'production',
  run: (servers) =>
    underLoad(stack === 'embedded' ? embedded : servers, busy, async ({ backends }, elapsedMs) => {
      const value = busy.orders / (elapsedMs / 1_000);
      const reference = await rawTransactionsPerSecond(backends.database.url);
      return {
        name: `orders per second, ${stack}`,
        value,
        unit: '1/s',
        reference,
        referenceName: 'two-statement transactions on the same PostgreSQL',
        ratio: value / reference,
        goal: null,
        met: null,
      };
    }),
});

interface OrderTimes {
  readonly readyMs: number;
  readonly routeMetres: number;
  readonly quantities: readonly number[];
}

const readOrderTimes = ({ backends }: Stage): Promise<OrderTimes[]> =>
  backends.database.query(async (orm) => [
    ...((await orm.execute(sql`
      select extract(epoch from o.ready_at - o.placed_at)::float8 * 1000 as "readyMs", d.route_metres as "routeMetres",
        (select array_agg(l.quantity) from orders.lines l where l.order_id = o.id) as quantities
      from orders.orders o join depot.lists d on d.order_id = o.id
      where o.ready_at is not null`)) as unknown as OrderTimes[]),
  ]);

/** What a bot that starts at the depot takes at least. */
const walkingMs = ({ routeMetres, quantities }: OrderTimes): number =>
  walkMs(routeMetres, 1, calm.timeScale) + quantities.reduce((sum, units) => sum + pickMs(units, calm.timeScale), 0);

const timeToReady = (stack: 'embedded' | 'production'): Benchmark => ({
  name: `order to ready, ${stack}`,
  needsServers: stack === 'production',
  run: (servers) =>
    underLoad(stack === 'embedded' ? embedded : servers, calm, async (stage) => {
      const times = await readOrderTimes(stage);
      const value = median(times.map(({ readyMs }) => readyMs));
      const reference = median(times.map(walkingMs));
      const ratio = value / reference;
      return {
        name: `order to ready, ${stack} (median)`,
        value,
        unit: 'ms',
        reference,
        referenceName: `walking and picking at ${calm.timeScale} times life (median)`,
        ratio,
        goal: `<= ${readyGoal}`,
        met: ratio <= readyGoal,
      };
    }),
});

const stacks = ['embedded', 'production'] as const;

export const orderBenchmarks: readonly Benchmark[] = [...stacks.map(ordersPerSecond), ...stacks.map(timeToReady)];
