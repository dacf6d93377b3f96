import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { unavailable } from '../../../src/contract/errors.ts';
import { startStaff } from '../../../src/gateways/staff/staff.ts';
import { BotView, TaskView } from '../../../src/gen/fleet/v1/fleet.ts';
import type { Order } from '../../../src/gen/orders/v1/orders.ts';
import { type Board, StaffService } from '../../../src/gen/staff/v1/staff.ts';
import type { Role } from '../../../src/role/role.ts';
import type { Api } from '../../../src/rpc/api.ts';
import { connectClient } from '../../../src/rpc/client.ts';
import { recordingTelemetry } from '../../support/telemetry.ts';
import { anOrder, startDoubles } from '../doubles.ts';
import { staffContext } from './staff-context.ts';

let looks = 0;
let orders: Order[] | undefined;
const cleanUp = new AsyncDisposableStack();
let role: Role;
let api: Api<StaffService>;
beforeAll(async () => {
  const services = cleanUp.use(
    await startDoubles({
      orders: {
        async listOrders() {
          if (orders) return { orders };
          throw unavailable('the database cannot be reached', 'DATABASE_UNAVAILABLE');
        },
      },
      depot: {
        // Another one at each look.
        listBays: async () => ({
          bays: (orders ?? []).map(({ orderId }) => ({ bay: `B${++looks}`, orderId, since: new Date(0) })),
          nextPageToken: '',
        }),
      },
      hub: {
        listBots: async () => ({
          bots: [BotView.fromPartial({ botId: 'bot-1', sessionState: 'READY', battery: 0.504 })],
          nextPageToken: '',
        }),
        listTasks: async () => ({
          tasks: [
            TaskView.fromPartial({ taskId: 't', kind: 'shop', botId: 'bot-1', orderId: orders?.[0]?.orderId ?? '' }),
          ],
          nextPageToken: '',
        }),
      },
    }),
  );
  role = await startStaff(staffContext(services.address, recordingTelemetry('staff')));
  const client = connectClient(StaffService, role.address, recordingTelemetry('desk'));
  cleanUp.defer(() => client.close());
  api = client.api;
});
afterAll(async () => {
  await role.drain();
  await cleanUp.disposeAsync();
});
beforeEach(() => {
  orders = [anOrder({ lines: [{ ...anOrder().lines[0]!, quantity: 3, picked: 1, short: 1 }] })];
  looks = 0;
});

async function boards(count: number): Promise<Board[]> {
  const read: Board[] = [];
  for await (const board of api.watchBoard({})) if (read.push(board) === count) break;
  return read;
}

test('the board puts bays, orders and bots together', async () => {
  const [board] = await boards(1);
  const [{ orderId, shopper }] = orders as [Order];
  expect(board).toMatchObject({
    bays: [{ bay: 'B1', orderId, shopper, paid: false }],
    orders: [{ orderId, botId: 'bot-1', items: 3, picked: 1, short: 1 }],
    bots: [{ botId: 'bot-1', sessionState: 'READY', batteryPercent: 50, tasks: [{ kind: 'shop', orderId }] }],
    unreachable: [],
  });
});

test('one look at the services is for all who watch', { timeout: 30_000 }, async () => {
  const watchers = 6;
  const [count, shown] = [3, await Promise.all(Array.from({ length: watchers }, () => boards(3)))];
  expect(shown.flat()).toHaveLength(watchers * count);
  expect(looks).toBeLessThan((watchers * count) / 2);
});

test('what cannot be asked stays as it was, and is named', { timeout: 30_000 }, async () => {
  const read: Board[] = [];
  for await (const board of api.watchBoard({})) {
    read.push(board);
    orders = undefined;
    if (board.unreachable.length > 0) break;
  }
  expect(read.at(-1)).toMatchObject({ unreachable: ['orders'] });
  expect(read.at(-1)!.orders).toEqual(read.at(-2)!.orders);
});

test('who watches is told that the role goes away', async () => {
  const watching = api.watchBoard({})[Symbol.asyncIterator]();
  await watching.next();
  const end = (async () => {
    for (;;) if ((await watching.next()).done) return;
  })();
  await Promise.all([
    expect(end).rejects.toMatchObject({ code: 'UNAVAILABLE', detail: { reason: 'STAFF_DRAINING' } }),
    role.drain(),
  ]);
});
