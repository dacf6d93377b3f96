import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { invalid, refused, unavailable } from '../../src/contract/errors.ts';
import { newId } from '../../src/contract/ids.ts';
import { startStaff } from '../../src/gateways/staff/staff.ts';
import { Timeline } from '../../src/gen/analytics/v1/analytics.ts';
import { ReturnState, ShoppingList } from '../../src/gen/depot/v1/depot.ts';
import { BotView, type CancelTaskRequest, type LimitBotRequest, TaskView } from '../../src/gen/fleet/v1/fleet.ts';
import { CancelledGoods, type CancelOrderRequest, type Order, OrderState } from '../../src/gen/orders/v1/orders.ts';
import { ParkedMessage } from '../../src/gen/parked/v1/parked.ts';
import { InvoiceState, type PayRequest, type RefundRequest } from '../../src/gen/payments/v1/payments.ts';
import { anInvoice, anOrder, startDoubles } from '../gateways/doubles.ts';
import { staffContext } from '../gateways/staff/staff-context.ts';
import { recordingTelemetry } from '../support/telemetry.ts';

const main = join(import.meta.dirname, '../../src/cli/mallbots.js');
const euros = (minor: number) => ({ minor, currency: 'EUR' });

const adas = anOrder({ orderId: '0199c1f0-7c1e-7d0a-8a52-0d6f11c2b1aa', bay: 'B1', state: OrderState.COLLECTABLE });
const bobs = anOrder({ orderId: '0199c1f0-7c1e-7d0a-8a52-0d6f22c2b1aa', bay: 'B2', shopper: 'Bob' });
const cyds = anOrder({ orderId: '0199c1f0-7c1e-7d0a-8a52-0d6f33333333', bay: 'B3', shopper: 'Cyd' });
cyds.lines[0]!.short = 1;
/** Gone for five minutes. */
const dans = anOrder({ orderId: '0199c1f0-7c1e-7d0a-8a52-0d6f44444444', shopper: 'Dan', state: OrderState.COMPLETED });
dans.closedAt = new Date(Date.now() - 300_000);
/** In a bay, and unpaid. */
const eves = anOrder({ orderId: '0199c1f0-7c1e-7d0a-8a52-0d6f66666666', shopper: 'Eve', state: OrderState.READY });
const atDesk = [adas, bobs, cyds];
const all = [...atDesk, dans, eves];
const anyOf = (orderId: string): Order => all.find((order) => order.orderId === orderId)!;
const handedOver: string[] = [];
const recalled: CancelTaskRequest[] = [];
const limits: LimitBotRequest[] = [];
/** Ids of what is parked at Orders. */
const parked = new Set([17, 18]);
const parkedMessage = (id: number) =>
  ParkedMessage.fromPartial({
    id,
    messageId: `m${id}`,
    name: 'payments.paid',
    key: adas.orderId,
    source: '/payments',
    reason: id === 17 ? 'INVALID_ARGUMENT: the event has no amount' : 'waits behind an earlier message of its key',
    attempts: id === 17 ? 5 : 0,
    parkedAt: new Date('2026-01-05T10:10:00Z'),
    occurredAt: new Date('2026-01-05T10:09:00Z'),
    bodyJson: '{"orderId":"x"}',
  });
const robot = BotView.fromPartial({
  botId: 'bot-7',
  connected: true,
  sessionState: 'READY',
  battery: 0.755,
  position: { x: 3.2, y: -4 },
  taskIds: ['0199c1f0-7c1e-7d0a-8a52-0d6f55555555'],
  kinds: [
    { kind: 'shop', digests: ['sha256:1'] },
    { kind: 'dance', digests: ['sha256:9'] },
  ],
  speaks: [
    { kind: 'shop', revision: 1, digest: 'sha256:1' },
    { kind: 'shop', revision: 2, digest: 'sha256:2' },
  ],
  credits: [
    { kind: 'shop', amount: 2, most: 0 },
    { kind: 'return', amount: 1 },
  ],
  maxUnacknowledged: 256,
  lastSeenAt: new Date(),
});
const task = TaskView.fromPartial({
  taskId: '0199c1f0-7c1e-7d0a-8a52-0d6f55555555',
  kind: 'shop',
  orderId: adas.orderId,
  state: 'SUSPECT',
  attempt: 2,
  maxAttempts: 3,
  fence: 9,
  botId: 'bot-7',
  since: new Date(Date.now() - 3_600_000),
});
const cydsTimeline = Timeline.fromPartial({
  happenings: [
    { name: 'orders.placed', at: new Date('2026-01-05T10:00:00Z'), quantity: 2, amount: euros(300) },
    {
      name: 'bots.stop_reached',
      at: new Date('2026-01-05T10:01:00Z'),
      botId: 'bot-7',
      storeId: cyds.lines[0]!.storeId,
    },
    {
      ...{ name: 'bots.item_short', at: new Date('2026-01-05T10:01:01Z'), botId: 'bot-7', quantity: 1 },
      lineId: cyds.lines[0]!.lineId,
    },
    { name: 'orders.pickup_refused', at: new Date('2026-01-05T10:02:00Z'), quantity: 5, reason: 'locked' },
    { name: 'orders.identity_checked', at: new Date('2026-01-05T10:02:01Z'), reason: 'passport of Cyd' },
  ],
});
const paid: PayRequest[] = [];
const cancelled: CancelOrderRequest[] = [];
const refunded: RefundRequest[] = [];
const proofs: string[] = [];

const cleanUp = new AsyncDisposableStack();
let address = '';
beforeAll(async () => {
  const services = cleanUp.use(
    await startDoubles({
      orders: {
        async listOrders({ states }) {
          return { orders: states.length === 0 ? all : all.filter(({ state }) => states.includes(state)) };
        },
        getOrder: async ({ orderId }) => anyOf(orderId) ?? Promise.reject(refusalOf(orderId)),
        async findPickup({ orderId, pickupCode }) {
          const order = pickupCode === 'K7P4-Q9T' ? adas : (anyOf(orderId) ?? adas);
          if (!pickupCode.startsWith('K')) throw wrongCodeOf(order);
          return order;
        },
        async handOver({ orderId, identityReason }) {
          proofs.push(identityReason || 'code');
          if (orderId === dans.orderId) return dans;
          if (orderId !== adas.orderId && orderId !== eves.orderId) throw refusalOf(orderId);
          handedOver.push(orderId);
          return { ...anyOf(orderId), state: OrderState.COMPLETED };
        },
        async cancelOrder(request) {
          const { orderId, reason, requestedBy } = request;
          const order = anyOf(orderId);
          if (order === dans) {
            throw refused(
              'order_id',
              orderId,
              'ORDER_COMPLETED',
              `order ${orderId} was handed over`,
              'bring them to the desk',
            );
          }
          cancelled.push(request);
          const isOver = order === adas;
          const goods = isOver ? CancelledGoods.SETTLED : CancelledGoods.RETURNING;
          const cancellation = { requestedBy, requestedAt: new Date(), refunded: isOver, goods, returnTaskIds: [] };
          const state = isOver ? OrderState.CANCELLED : OrderState.CANCELLING;
          return { ...order, state, reason, cancellation };
        },
      },
      payments: {
        getInvoice: async ({ orderId }) =>
          orderId === adas.orderId
            ? anInvoice(orderId, { state: InvoiceState.PAID, paid: euros(300), due: euros(0) })
            : anInvoice(orderId),
        async refund(request) {
          refunded.push(request);
          if (request.reason === 'no answer') throw unavailable('the database is away', 'DATABASE_UNAVAILABLE');
          const { orderId, reason, amount = euros(300) } = request;
          if (amount.minor > 300)
            throw invalid('amount.minor', amount.minor, 'AMOUNT_OUT_OF_RANGE', 'give 1 to 300 EUR');
          const sums = { total: euros(300 - amount.minor), paid: euros(300), refunded: amount, due: euros(0) };
          return anInvoice(orderId, { state: InvoiceState.PAID, ...sums, refunds: [{ amount, reason }] });
        },
        async pay(request) {
          paid.push(request);
          return anInvoice(request.orderId, { state: InvoiceState.PAID, paid: request.amount, due: euros(0) });
        },
      },
      depot: {
        listBays: async () => ({
          bays: atDesk.map(({ bay, orderId }) => ({ bay, orderId, since: new Date('2026-01-05T10:10:00Z') })),
          nextPageToken: '',
        }),
        getList: async ({ orderId }) =>
          ShoppingList.fromPartial({
            orderId,
            botId: 'bot-7',
            stops: [{ storeId: anyOf(orderId).lines[0]!.storeId, storeName: 'Grocer' }],
            returns: [
              {
                ...{ taskId: newId(), attempt: 1, botId: 'bot-5', state: ReturnState.UNDER_WAY },
                items: [{ lineId: 'l1', name: 'Apple', quantity: 2, returned: 1 }],
              },
              {
                ...{ taskId: newId(), attempt: 2, botId: 'bot-6', state: ReturnState.LOST, reason: 'too late' },
                items: [{ lineId: 'l1', name: 'Apple', quantity: 1, returned: 0 }],
              },
              {
                ...{ taskId: newId(), attempt: 3, botId: 'bot-8', fromDepot: true, state: ReturnState.REQUESTED },
                items: [{ lineId: 'l1', name: 'Apple', quantity: 2, returned: 0 }],
              },
            ],
          }),
      },
      hub: {
        listBots: async ({ connectedOnly }) => ({
          bots: connectedOnly
            ? [robot]
            : [robot, { ...robot, botId: 'bot-8', connected: false, sessionState: 'EXPIRED' }],
          nextPageToken: '',
        }),
        async limitBot(request) {
          limits.push(request);
          return robot;
        },
        async listTasks({ states, stuckFor, orderId }) {
          const isWanted = (!stuckFor || stuckFor.seconds <= 3_600) && ['', task.orderId].includes(orderId);
          return {
            tasks: isWanted && (states.length === 0 || states.includes('SUSPECT')) ? [task] : [],
            nextPageToken: '',
          };
        },
        async cancelTask(request) {
          recalled.push(request);
          return { ...task, state: 'CANCELLING' };
        },
      },
      analytics: { getTimeline: async () => cydsTimeline },
      parked: {
        orders: {
          listParked: async ({ afterId }) => ({
            messages: [...parked].filter((id) => id > afterId).map(parkedMessage),
          }),
          retryParked: async () => ({ settled: 1, left: 1, failure: 'INVALID_ARGUMENT: again' }),
          async dropParked({ id }) {
            parked.delete(id);
            return parkedMessage(id);
          },
        },
      },
    }),
  );
  const role = await startStaff(staffContext(services.address, recordingTelemetry('staff')));
  cleanUp.defer(() => role.drain());
  address = role.address;
});
afterAll(() => cleanUp.disposeAsync());
beforeEach(() => {
  handedOver.length = 0;
  paid.length = 0;
  cancelled.length = 0;
  refunded.length = 0;
  proofs.length = 0;
});

const refusalOf = (orderId: string) =>
  refused('order_id', orderId, 'NOT_PAID', `order ${orderId} is not paid`, 'take the payment first');

const wrongCodeOf = ({ orderId }: Order) =>
  refused(
    'pickup_code',
    'Z***',
    'PICKUP_CODE_WRONG',
    `the code is not the one of order ${orderId}`,
    '4 tries are left',
  );

async function staff(...args: string[]) {
  const child = spawn(process.execPath, [main, 'staff', ...args], {
    env: { PATH: process.env.PATH, MALLBOTS_STAFF_ADDRESS: address },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const exit = new Promise<number | null>((resolve) => child.once('close', resolve));
  const [stdout, stderr, status] = await Promise.all([text(child.stdout), text(child.stderr), exit]);
  return { stdout, stderr, status };
}

describe('mallbots staff pickups', () => {
  test('is a table for people, without colours in a pipe', async () => {
    const { stdout, stderr, status } = await staff('pickups');
    const rows = stdout.split('\n').filter((line) => /B\d/.test(line));

    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
    expect(stdout).toMatch(/bay.*order.*shopper.*items.*money.*waiting/);
    expect(rows).toHaveLength(3);
    expect(rows[0]).toMatch(/B1 .*11c2b1aa .*Ada .*2 .*€3\.00 paid .*\d+d \d+h/);
    expect(rows[2]).toMatch(/B3 .*33333333 .*Cyd .*1 of 2 .*€3\.00 due/);
    expect(stdout).not.toContain('\u001b');
  });

  test('is one JSON object for programs', async () => {
    const { stdout, status } = await staff('pickups', '--json');

    expect(status).toBe(0);
    expect(JSON.parse(stdout).pickups).toMatchObject([
      {
        bay: 'B1',
        waitingSince: '2026-01-05T10:10:00.000Z',
        order: { orderId: adas.orderId, shopper: 'Ada', state: 'collectable' },
        invoice: { state: 'paid', due: { minor: 0, currency: 'EUR' } },
      },
      { bay: 'B2', order: { shopper: 'Bob' }, invoice: { state: 'open' } },
      { bay: 'B3' },
    ]);
  });

  test('says where nobody answers and what to do, with status 5', async () => {
    const { stdout, stderr, status } = await staff('pickups', '--json', '--staff', '127.0.0.1:1');

    expect({ stdout, status }).toEqual({ stdout: '', status: 5 });
    expect(stderr).toMatch(
      /^error: the staff role cannot be reached at 127\.0\.0\.1:1 \(connect ECONNREFUSED .*\); .*--staff host:port\n$/,
    );
  });
});

describe('mallbots staff show', () => {
  test('takes a whole id and shows lines with their fate, money, bot and what happened', async () => {
    const { stdout, status } = await staff('show', cyds.orderId);

    expect(status).toBe(0);
    expect(stdout).toContain(`order ${cyds.orderId} of Cyd: placed, bay B3`);
    expect(stdout).toMatch(/Apple .*Grocer .*€1\.50 .*2 .*1 short, 1 to be picked/);
    expect(stdout).toContain('money: €3.00 due');
    expect(stdout).toContain('bot: bot-7');
    expect(stdout).toContain('back from bot-5 to the stores: 1 of 2 items, under way\n');
    expect(stdout).toContain('back from bot-6 to the stores: 0 of 1 items, lost (too late)\n');
    expect(stdout.replaceAll(/\d\d:\d\d:\d\d/g, 'time')).toMatch(
      new RegExp(
        [
          '^time line, 2026-01-05$',
          '^  time  Cyd orders 2 items for €3\\.00$',
          '^  time  bot-7 reaches Grocer$',
          '^  time  bot-7 cannot find 1 x Apple$',
          '^  time  wrong code at the desk, 5 in a row \\(locked\\)$',
          '^  time  no code: staff have seen who the shopper is \\(passport of Cyd\\)$',
        ].join('\n'),
        'm',
      ),
    );
  });

  test('takes the end of an id as the table shows it', async () => {
    const { stdout } = await staff('show', '333333', '--json');

    expect(JSON.parse(stdout)).toMatchObject({
      order: { orderId: cyds.orderId },
      timeline: {
        happenings: [
          { name: 'orders.placed', at: '2026-01-05T10:00:00.000Z', amount: { minor: 300, currency: 'EUR' } },
          { name: 'bots.stop_reached', botId: 'bot-7' },
          { name: 'bots.item_short', quantity: 1 },
          { name: 'orders.pickup_refused', quantity: 5, reason: 'locked' },
          { name: 'orders.identity_checked', reason: 'passport of Cyd' },
        ],
      },
      invoice: { state: 'open' },
      list: { botId: 'bot-7', returns: [{ botId: 'bot-5', state: 'under_way', reason: null }, { state: 'lost' }, {}] },
    });
  });

  test('refuses an end that none of the pickups has, with status 3', async () => {
    const { stdout, stderr, status } = await staff('show', '999999');

    expect({ stdout, status }).toEqual({ stdout: '', status: 3 });
    expect(stderr).toMatch(/^error: .*999999.*mallbots staff pickups.*\n$/);
  });

  test('needs an order', async () => {
    const { stderr, status } = await staff('show');

    expect(status).toBe(2);
    expect(stderr).toContain("missing required argument 'order'");
  });
});

describe('mallbots staff pay', () => {
  test('takes what is due, with a key of its own each time', async () => {
    const first = await staff('pay', bobs.orderId);
    await staff('pay', bobs.orderId);

    expect(first.status).toBe(0);
    expect(first.stdout).toMatch(/^paid €3\.00\n/);
    expect(paid).toMatchObject([
      { orderId: bobs.orderId, amount: euros(300) },
      { orderId: bobs.orderId, amount: euros(300) },
    ]);
    expect(paid[0]?.idempotencyKey).not.toBe(paid[1]?.idempotencyKey);
  });
});

describe('mallbots staff hand-over', () => {
  test('completes the order', async () => {
    const { stdout, status } = await staff('hand-over', 'K7P4-Q9T');

    expect(status).toBe(0);
    expect(stdout).toMatch(/^handed over to Ada\n/);
    expect(stdout).toMatch(/2 x Apple .*€1\.50 .*€3\.00/);
    expect(stdout).toMatch(new RegExp(`order ${adas.orderId}: total €3\\.00, paid €3\\.00\n$`));
    expect(paid).toEqual([]);
    expect(handedOver).toEqual([adas.orderId]);
  });

  test('says of goods that left before that they did', async () => {
    const { stdout, status } = await staff('hand-over', dans.orderId, '--code', 'K8P4-Q9T');

    expect(stdout).toMatch(/^handed over to Dan \d+m \d+s ago; nothing was done now\n/);
    expect(status).toBe(0);
  });

  test('takes what is due first, when told to', async () => {
    const { status } = await staff('hand-over', eves.orderId, '--code', 'K8P4-Q9T', '--yes');

    expect(status).toBe(0);
    expect(paid).toMatchObject([{ orderId: eves.orderId, amount: euros(300) }]);
    expect(handedOver).toEqual([eves.orderId]);
  });

  test('passes on a refusal with its remedy, with status 4', async () => {
    const { stdout, stderr, status } = await staff('hand-over', bobs.orderId, '--code', 'K8P4-Q9T', '--json');

    expect({ stdout, status }).toEqual({ stdout: '', status: 4 });
    expect(stderr).toBe(`error: order ${bobs.orderId} is not paid; take the payment first\n`);
  });
});

describe('whoever takes the goods', () => {
  test('shows a code, which is tried before any money is taken', async () => {
    const { stderr, status } = await staff('hand-over', eves.orderId, '--code', 'Z8P4-Q9T', '--yes');

    expect(stderr).toBe(`error: the code is not the one of order ${eves.orderId}; 4 tries are left\n`);
    expect({ status, paid, handedOver }).toEqual({ status: 4, paid: [], handedOver: [] });
  });

  test.each(['AAAA-AA2', 'k0p4q9t', 'K7P4-Q9'])('is told what a code is where they show %s', async (given) => {
    const { stderr, status } = await staff('hand-over', given);

    expect(stderr).toContain('a code has 7 letters and digits, such as K7P4-Q9T');
    expect(status).toBe(2);
  });

  test('is not asked where nobody can be, and the error says what to give', async () => {
    const { stderr, status } = await staff('hand-over', adas.orderId);

    expect(stderr).toContain(`order ${adas.orderId} is handed over to who shows its code`);
    expect(stderr).toContain('--without-code');
    expect({ status, handedOver }).toEqual({ status: 4, handedOver: [] });
  });

  test('is known to staff otherwise when they say so, and how', async () => {
    const without = ['hand-over', adas.orderId, '--without-code', 'passport of Ada'];
    expect(await staff(...without)).toMatchObject({
      status: 4,
      stderr: expect.stringContaining('"hand over to Ada without a code (passport of Ada)?"; give --yes'),
    });
    expect(handedOver).toEqual([]);
    expect(await staff(...without, '--yes')).toMatchObject({ status: 0 });
    expect({ handedOver, proofs }).toEqual({ handedOver: [adas.orderId], proofs: ['passport of Ada'] });
  });
});

describe('mallbots staff refund', () => {
  const forACup = ['--reason', 'broken cup', '--yes'];

  test('gives back a part, and shows what and why', async () => {
    const { stdout, status } = await staff(...['refund', adas.orderId, '--amount', '0.50'], ...forACup);

    expect(status).toBe(0);
    expect(stdout).toMatch(/^€0\.50 given back to Ada\n/);
    expect(stdout).toContain('given back: €0.50 (broken cup)\n');
    expect(refunded).toMatchObject([{ orderId: adas.orderId, amount: euros(50), reason: 'broken cup' }]);
  });

  test('gives back all that was kept when no amount is said, and takes a key', async () => {
    const { stdout, status } = await staff('refund', adas.orderId, ...forACup, '--key', 'cup-1', '--json');

    expect(status).toBe(0);
    expect(JSON.parse(stdout).invoice).toMatchObject({
      refunds: [{ amount: { minor: 300, currency: 'EUR' }, reason: 'broken cup' }],
    });
    expect(refunded).toMatchObject([{ amount: undefined, idempotencyKey: 'cup-1' }]);
  });

  test('gives nothing back without a yes where nobody can be asked, with status 4', async () => {
    const { stderr, status } = await staff('refund', adas.orderId, '--reason', 'broken cup');

    expect(stderr).toContain('nobody can be asked here: "give €3.00 back to Ada (broken cup)?"; give --yes');
    expect({ status, refunded }).toEqual({ status: 4, refunded: [] });
  });

  test('says how to repeat what had no answer, with status 5', async () => {
    const { stderr, status } = await staff('refund', adas.orderId, '--yes', '--reason', 'no answer');

    expect(stderr).toMatch(/^error: the database is away; it may have been done: repeat it with --key /);
    expect(stderr).toContain(refunded[0]!.idempotencyKey);
    expect(status).toBe(5);
  });

  test('refuses more than was kept in the words of the desk, with status 2', async () => {
    expect(await staff('refund', adas.orderId, ...forACup, '--amount', '4.50')).toMatchObject({
      status: 2,
      stderr:
        'error: --amount is "4.50"; give more than nothing and at most €3.00, which is what was paid and not given back\n',
    });
  });

  test('needs a reason, and a sum that is one, with status 2', async () => {
    expect(await staff('refund', adas.orderId, '--yes')).toMatchObject({
      status: 2,
      stderr: expect.stringContaining("required option '--reason <text>'"),
    });
    expect(await staff('refund', adas.orderId, ...forACup, '--amount', '0,50')).toMatchObject({
      status: 2,
      stderr: 'error: --amount is "0,50"; give a sum in EUR such as 12.50\n',
    });
    expect(refunded).toEqual([]);
  });
});
describe('mallbots staff cancel', () => {
  test('says that money and goods go back, and how far that is', async () => {
    const { stdout, status } = await staff('cancel', bobs.orderId, '--reason', 'water damage');

    expect(status).toBe(0);
    expect(stdout).toMatch(/^it will not be handed over; money and goods go back\n/);
    expect(stdout).toContain('of Bob: cancelling, bay B2 (water damage)');
    expect(stdout).toContain('cancellation: wanted by staff, money not back yet, goods on their way back');
    expect(stdout).toContain('back from the depot with bot-8 to the stores: 0 of 2 items, requested\n');
    expect(cancelled).toMatchObject([{ orderId: bobs.orderId, reason: 'water damage' }]);
  });

  test('is one JSON object for programs, also of what is over', async () => {
    const { stdout, status } = await staff('cancel', adas.orderId, '--json');

    expect(status).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({
      order: { state: 'cancelled', cancellation: { requestedBy: 'staff', refunded: true, goods: 'settled' } },
      invoice: { state: 'paid' },
      list: { returns: [{}, {}, { fromDepot: true, botId: 'bot-8' }] },
    });
    expect(cancelled).toMatchObject([{ reason: '' }]);
    expect((await staff('cancel', adas.orderId)).stdout).toMatch(/^it is over already\n/);
  });

  test('is refused once handed over, with status 4', async () => {
    const { stdout, stderr, status } = await staff('cancel', dans.orderId);

    expect({ stdout, status }).toEqual({ stdout: '', status: 4 });
    expect(stderr).toBe(`error: order ${dans.orderId} was handed over; bring them to the desk\n`);
  });
});

describe('mallbots staff orders', () => {
  test('are the newest, or those in a state', async () => {
    const { stdout, status } = await staff('orders');
    expect(status).toBe(0);
    expect(stdout).toMatch(/11c2b1aa .*Ada .*collectable .*2 .*€3\.00 .*no .*ago/);
    expect(stdout).toMatch(/44444444 .*Dan .*completed/);
    const { stdout: json } = await staff('orders', '--state', 'completed', '--json');
    expect(JSON.parse(json).orders).toMatchObject([{ orderId: dans.orderId, state: 'completed' }]);
  });

  test('of a state that there is not are a usage error that names the states', async () => {
    const { stderr, status } = await staff('orders', '--state', 'lost');
    expect(status).toBe(2);
    expect(stderr).toContain('placed, ready, collectable');
  });
});

describe('the robots', () => {
  test('are a table with session, charge, place, tasks and the revisions that they speak', async () => {
    const { stdout, status } = await staff('fleet');
    expect(status).toBe(0);
    expect(stdout).toMatch(/bot-7 .*ready .*76 % .*3,-4 .*55555555 .*shop 0 of 2, return 1 .*shop@1,2 dance .*ago/);
    expect(stdout).not.toContain('bot-8');
    const { stdout: json } = await staff('fleet', '--all', '--json');
    expect(JSON.parse(json).bots).toMatchObject([{ botId: 'bot-7', session: { state: 'READY' } }, { botId: 'bot-8' }]);
    expect(JSON.parse(json).bots[0]).toMatchObject({
      credits: [
        { kind: 'shop', amount: 2, most: 0 },
        { kind: 'return', amount: 1, most: null },
      ],
      maxUnacknowledged: 256,
      speaks: [{ revision: 1 }, { kind: 'shop', revision: 2, digest: 'sha256:2' }],
    });
  });

  test('are taken out of service, limited, and back again', async () => {
    expect(await staff('limit', 'bot-7', '0')).toMatchObject({
      status: 0,
      stdout: 'bot-7 is given no more tasks; those that it has it finishes\n',
    });
    expect((await staff('limit', 'bot-7', '2', '--kind', 'shop')).stdout).toBe(
      'bot-7 is given at most 2 tasks of kind shop at once\n',
    );
    const { stdout: json } = await staff('limit', 'bot-7', '--json');
    expect(JSON.parse(json).bot).toMatchObject({ botId: 'bot-7', credits: [{ kind: 'shop' }, { kind: 'return' }] });
    expect(limits).toMatchObject([
      { botId: 'bot-7', kind: '', most: 0 },
      { botId: 'bot-7', kind: 'shop', most: 2 },
      { botId: 'bot-7', kind: '', most: undefined },
    ]);
    expect(await staff('limit', 'bot-7', '65')).toMatchObject({
      status: 2,
      stderr: expect.stringContaining('from 0 to 64'),
    });
  });

  test('have tasks, of which those that do not get on can be asked for', async () => {
    const { stdout } = await staff('tasks', '--stuck', '30m');
    expect(stdout).toMatch(/55555555 .*shop .*suspect .*2 of 3 .*bot-7 .*11c2b1aa .*1h/);
    expect((await staff('tasks', '--stuck', '2h')).stdout).toBe('no such task\n');
    expect((await staff('tasks', '--order', adas.orderId.slice(-8))).stdout).toContain('suspect');
    expect((await staff('tasks', '--order', cyds.orderId)).stdout).toBe('no such task\n');
    expect(await staff('tasks', '--order', '999999')).toMatchObject({ status: 3 });
    const { stdout: json } = await staff('tasks', '--state', 'suspect', '--json');
    expect(JSON.parse(json).tasks).toMatchObject([{ taskId: task.taskId, state: 'SUSPECT', fence: 9 }]);
    expect((await staff('tasks', '--stuck', 'long')).stderr).toContain('give an age such as 90s');
  });

  test('give a task back that is recalled, by the end of its id', async () => {
    const { stdout, status } = await staff('recall', '555555', '--reason', 'shopper left');
    expect(status).toBe(0);
    expect(stdout).toMatch(/^bot-7 is told to stop; /);
    expect(recalled).toMatchObject([{ taskId: task.taskId, reason: 'shopper left' }]);
    expect(await staff('recall', '999999')).toMatchObject({
      status: 3,
      stderr: expect.stringContaining('staff tasks'),
    });
  });
});

describe('mallbots staff parked', () => {
  test('lists what could not be handled, and what waits behind it', async () => {
    const { stdout, status } = await staff('parked', 'list');
    expect(status).toBe(0);
    expect(stdout).toMatch(/orders\/17 .*payments\.paid .*11c2b1aa .*5 .*INVALID_ARGUMENT/);
    expect(stdout).toMatch(/orders\/18 .*waits/);
    expect((await staff('parked', 'list', '--role', 'stores')).stdout).toBe('nothing is parked\n');
    expect(await staff('parked', 'list', '--role', 'kiosks')).toMatchObject({
      status: 2,
      stderr: expect.stringContaining('give one of orders, stores, payments, depot, kiosk'),
    });
  });

  test('shows one, with what it says', async () => {
    const { stdout } = await staff('parked', 'show', 'orders/17', '--json');
    expect(JSON.parse(stdout)).toMatchObject({ role: 'orders', id: 17, messageId: 'm17', body: { orderId: 'x' } });
    expect(await staff('parked', 'show', 'orders/99')).toMatchObject({ status: 3 });
    expect(await staff('parked', 'show', '17')).toMatchObject({ status: 2 });
  });

  test('retries what is behind it as well, and says what is left', async () => {
    expect((await staff('parked', 'retry', 'orders/17')).stdout).toBe('1 handled, 1 left: INVALID_ARGUMENT: again\n');
  });

  test('drops nothing unasked, and what it drops for good', async () => {
    const unasked = await staff('parked', 'drop', 'orders/18');
    expect(unasked).toMatchObject({ status: 4, stdout: '', stderr: expect.stringContaining('give --yes') });
    expect(parked).toContain(18);
    expect((await staff('parked', 'drop', 'orders/18', '--yes')).stdout).toMatch(/^payments\.paid m18 is given up/);
    expect(parked).not.toContain(18);
  });
});

test('mallbots staff --help has examples and the exit statuses', async () => {
  const { stdout, status } = await staff('--help');

  expect(status).toBe(0);
  expect(stdout).toContain('mallbots staff hand-over K7P4-Q9T');
  expect(stdout).toContain('4 refused');
});

test('a wrong address is a usage error', async () => {
  const { stderr, status } = await staff('pickups', '--staff', 'nowhere');

  expect(status).toBe(2);
  expect(stderr).toContain('give host:port');
});
