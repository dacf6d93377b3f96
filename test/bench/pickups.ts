import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { trace } from '@opentelemetry/api';
import postgres from 'postgres';
import { hostEnvironment } from '../../src/config.ts';
import { createPlace } from '../../src/demo/place.ts';
import { openStage } from '../../src/demo/stage.ts';
import { StaffService } from '../../src/gen/staff/v1/staff.ts';
import { connectClient } from '../../src/rpc/client.ts';
import { createLogger } from '../../src/telemetry/logger.ts';
import { fillWithPickups, orderCount } from '../support/many-pickups.ts';
import { entryPoint } from '../support/program.ts';
import { type Benchmark, type Figure, figure, median, type Surroundings } from './figure.ts';

/** As many as the command asks for. */
const page = 100;
const warmLooks = 20;
const looks = 100;
/** Of the command, each a process. */
const starts = 15;
const goalMs = 200;

const names = [
  `staff pickups over ${orderCount.toLocaleString('en')} orders (median)`,
  'staff pickups as a command, from its start to its end (median)',
] as const;

export const staffPickups: Benchmark = { names, needsServers: true, run: measure };

/** Every role a process, as in production, and a bay for each of the orders. */
async function measure({ servers, signal }: Surroundings): Promise<Figure[]> {
  await using resources = new AsyncDisposableStack();
  const logger = createLogger('bench', 'error');
  const place = await createPlace({ purpose: 'bench', ...servers, logLevel: 'error', logger });
  resources.defer(() => place.remove());
  const stage = await openStage(place.environment, { processes: true, logger, events: {}, signal });
  resources.defer(() => stage.close());
  const { config, backends } = stage;
  await fillWithPickups(backends.database);
  const desk = connectClient(StaffService, config.address.staff, { tracer: trace.getTracer('bench') });
  resources.defer(() => desk.close());
  const sql = postgres(backends.database.url, { max: 2 });
  resources.defer(() => sql.end({ timeout: 5 }));

  const answers: number[] = [];
  const queries: number[] = [];
  for (let look = -warmLooks; look < looks; look += 1) {
    signal.throwIfAborted();
    const answer = await timed(() => desk.api.listPickups({ pageSize: page, pageToken: '' }));
    const raw = await timed(() => threeQueries(sql));
    if (look < 0) continue;
    answers.push(answer);
    queries.push(raw);
  }

  const environment = { ...hostEnvironment, MALLBOTS_STAFF_ADDRESS: config.address.staff };
  const node = (...args: string[]) => promisify(execFile)(process.execPath, args, { env: environment, signal });
  const commands: number[] = [];
  const bareNodes: number[] = [];
  for (let start = -1; start < starts; start += 1) {
    const command = await timed(() => node(entryPoint, 'staff', 'pickups'));
    const bare = await timed(() => node('--eval', ''));
    // The first ones fill the caches of the system and of Node.
    if (start < 0) continue;
    commands.push(command);
    bareNodes.push(bare);
  }
  return [
    figure(
      names[0],
      'ms',
      { value: median(answers), reference: median(queries), referenceName: 'its three queries through the driver' },
      { text: `< ${goalMs} ms`, met: (_, value) => value < goalMs },
    ),
    figure(names[1], 'ms', {
      value: median(commands),
      reference: median(bareNodes),
      referenceName: 'a node that starts and does nothing',
    }),
  ];
}

async function timed(work: () => Promise<unknown>): Promise<number> {
  const startedAt = performance.now();
  await work();
  return performance.now() - startedAt;
}

/** What Depot, Orders and Payments read for a page. */
async function threeQueries(sql: postgres.Sql): Promise<void> {
  const bays = await sql<Array<{ order_id: string }>>`
    select number, order_id, since from depot.bays where order_id is not null order by since, number limit ${page + 1}`;
  const ids = bays.slice(0, page).map((bay) => bay.order_id);
  const [orders] = await Promise.all([
    sql`
      select o.*, l.*, c.* from orders.orders o join orders.lines l on l.order_id = o.id
      left join orders.cancellations c on c.order_id = o.id where o.id = any(${ids})`,
    sql`select * from payments.events where stream_id = any(${ids.map((id) => `invoice-${id}`)}) order by stream_id, version`,
  ]);
  if (orders.length !== 2 * page) throw new Error(`${orders.length} lines of ${page} orders`);
}
