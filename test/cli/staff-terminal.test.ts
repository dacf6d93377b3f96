import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { refused } from '../../src/contract/errors.ts';
import { startStaff } from '../../src/gateways/staff/staff.ts';
import { BotView, TaskView } from '../../src/gen/fleet/v1/fleet.ts';
import { type Order, OrderState } from '../../src/gen/orders/v1/orders.ts';
import { InvoiceState } from '../../src/gen/payments/v1/payments.ts';
import type { Role } from '../../src/role/role.ts';
import { anInvoice, anOrder, startDoubles } from '../gateways/doubles.ts';
import { staffContext } from '../gateways/staff/staff-context.ts';
import { Program } from '../support/program.ts';
import { PseudoTerminal } from '../support/pseudo-terminal.ts';
import { recordingTelemetry } from '../support/telemetry.ts';

const ctrlC = '\u0003';
const green = '\u001b[32m';
/** What Eve shows. */
const code = 'K7P4-Q9T';
const euros = (minor: number) => ({ minor, currency: 'EUR' });
const id = (end: string) => `0199c1f0-7c1e-7d0a-8a52-0d6f${end}`;

const adas = anOrder({ orderId: id('11c2b1aa'), bay: 'B1', state: OrderState.COLLECTABLE, paid: true });
const eves = anOrder({
  ...{ orderId: id('22222222'), bay: 'B2', state: OrderState.READY },
  shopper: 'Evelyn Wilhelmina von und zu Hohenstein the Younger',
});
/** More than any screen has lines. */
const many = Array.from({ length: 60 }, (_, at) => anOrder({ orderId: id(String(90_000_000 + at)), shopper: 'Bob' }));
const paid = new Set([adas.orderId]);
const handedOver: string[] = [];
let orders: Order[];

const cleanUp = new AsyncDisposableStack();
let role: Role;
let restart: () => Promise<void>;
beforeAll(async () => {
  const services = cleanUp.use(
    await startDoubles({
      orders: {
        listOrders: async () => ({ orders }),
        getOrder: async ({ orderId }) => orders.find((order) => order.orderId === orderId)!,
        async findPickup({ pickupCode, orderId }) {
          if (pickupCode.startsWith('K7P4') && orderId === eves.orderId) return eves;
          throw refused('pickup_code', pickupCode, 'PICKUP_CODE_WRONG', 'no such code', 'look again');
        },
        async handOver({ orderId }) {
          handedOver.push(orderId);
          return { ...orders.find((order) => order.orderId === orderId)!, state: OrderState.COMPLETED };
        },
      },
      payments: {
        getInvoice: async ({ orderId }) =>
          anInvoice(orderId, paid.has(orderId) ? { state: InvoiceState.PAID, paid: euros(300), due: euros(0) } : {}),
        async pay({ orderId }) {
          paid.add(orderId);
          return anInvoice(orderId, { state: InvoiceState.PAID, paid: euros(300), due: euros(0) });
        },
      },
      depot: {
        listBays: async () => ({
          bays: orders
            .filter(({ bay }) => bay !== '')
            .map(({ bay, orderId }) => ({ bay, orderId, since: new Date(Date.now() - 192_000) })),
          nextPageToken: '',
        }),
      },
      hub: {
        listBots: async () => ({
          bots: [
            BotView.fromPartial({ botId: 'bot-1', connected: true, sessionState: 'READY', battery: 0.755 }),
            BotView.fromPartial({ botId: 'bot-2', connected: true, sessionState: 'DETACHED' }),
          ],
          nextPageToken: '',
        }),
        listTasks: async () => ({
          tasks: [
            TaskView.fromPartial({
              ...{ taskId: id('77777777'), kind: 'shop', state: 'RUNNING', botId: 'bot-1' },
              orderId: many[0]!.orderId,
            }),
          ],
          nextPageToken: '',
        }),
      },
    }),
  );
  const start = (listen?: string) =>
    startStaff(staffContext(services.address, recordingTelemetry('staff'), { ...(listen && { listen }) }));
  role = await start();
  restart = async () => {
    const { address } = role;
    await role.drain();
    role = await start(address);
  };
  cleanUp.defer(() => role.drain());
});
afterAll(() => cleanUp.disposeAsync());
beforeEach(() => {
  orders = [adas, eves];
  handedOver.length = 0;
  paid.delete(eves.orderId);
});

describe.each([80, 120])('at a terminal of %i columns', { timeout: 60_000 }, (columns) => {
  const at = (args: readonly string[], environment: Record<string, string> = {}) =>
    new PseudoTerminal(['staff', ...args], {
      columns,
      environment: { MALLBOTS_STAFF_ADDRESS: role.address, ...environment },
    });

  test('pickups are a coloured table that fits', async () => {
    using terminal = at(['pickups']);
    expect(await terminal.ended).toBe(0);
    expect(terminal.lines.join('\n')).toMatch(/B1 .*11c2b1aa .*Ada .*€3\.00 paid .*3m 12s/);
    expect(terminal.lines.join('\n')).toMatch(/B2 .*22222222 .*Evelyn Wilhel.*… .*€3\.00 due/);
    expect(terminal.wraps).toBe(0);
    expect(terminal.raw).toContain(`${green}€3.00 paid`);
  });

  test('NO_COLOR means no colour', async () => {
    using terminal = at(['pickups'], { NO_COLOR: '1' });
    await terminal.ended;
    expect(terminal.raw).toContain('€3.00 paid');
    expect(terminal.raw).not.toContain('\u001b[3');
  });

  test('a hand-over asks for the code and before it takes money, and ends with a receipt', async () => {
    using terminal = at(['hand-over', '22222222']);
    await terminal.shows(/code that the shopper shows/);
    terminal.type(`${code}\r`);
    await terminal.shows(/take €3\.00 of Evelyn.*\?/s);
    expect(handedOver).toEqual([]);
    terminal.type('y');
    expect(await terminal.ended).toBe(0);
    expect(handedOver).toEqual([eves.orderId]);
    await terminal.shows(/handed over to Evelyn[\s\S]*2 x Apple .*€1\.50 .*€3\.00[\s\S]*paid €3\.00/);
    expect(terminal.isCursorShown).toBe(true);
  });

  test('Ctrl-C at the question does nothing, and leaves the terminal as it was', async () => {
    using terminal = at(['hand-over', '22222222', '--code', code]);
    await terminal.shows(/take €3\.00/);
    terminal.type(ctrlC);
    expect(await terminal.ended).toBe(4);
    expect(handedOver).toEqual([]);
    expect(paid.has(eves.orderId)).toBe(false);
    expect(terminal.isCursorShown).toBe(true);
  });

  test('the board is redrawn in place, and Ctrl-C leaves the last one and the cursor', async () => {
    orders = [adas, eves, ...many];
    using terminal = at(['watch']);
    await terminal.shows(/bays taken 2, orders open 62, bots at work 1 of 2/);
    await terminal.shows(/B1 +11c2b1aa +Ada +paid/);
    await terminal.shows(/and \d+ more/);
    await terminal.shows(/bot-1 +ready +76 % +shop 90000000/);
    orders = [eves, ...many];
    await terminal.shows(/bays taken 1, orders open 61/);
    const { lines } = terminal;
    expect(lines.filter((line) => line.includes('bays taken'))).toHaveLength(1);
    expect(lines.join('\n')).not.toContain('11c2b1aa');
    expect(lines.length).toBeLessThanOrEqual(24);
    expect(terminal.wraps).toBe(0);
    terminal.type(ctrlC);
    expect(await terminal.ended).toBe(0);
    expect(terminal.lines.join('\n')).toContain('bays taken 1');
    expect(terminal.isCursorShown).toBe(true);
  });

  test('the board says when it is not live, and goes on when the role is back', async () => {
    using terminal = at(['watch']);
    await terminal.shows(/bays taken 2/);
    const back = restart();
    await terminal.shows(/not live/);
    await back;
    orders = [adas];
    await terminal.shows(/bays taken 1, orders open 1, bots at work 1 of 2/);
    expect(terminal.lines.join('\n')).not.toContain('not live');
    terminal.type(ctrlC);
    expect(await terminal.ended).toBe(0);
    expect(terminal.isCursorShown).toBe(true);
  });
});

test('the board fits a terminal that becomes another', { timeout: 60_000 }, async () => {
  orders = [adas, eves, ...many];
  using terminal = new PseudoTerminal(['staff', 'watch', '--staff', role.address], { columns: 120 });
  await terminal.shows(/bay +order .* bot +session/);
  terminal.resize(80, 20);
  await terminal.shows(/^bot +session/m);
  terminal.type(ctrlC);
  expect(await terminal.ended).toBe(0);
});

test('where nobody looks at a screen it is a line for each change, for programs a JSON object', {
  timeout: 60_000,
}, async () => {
  const watch = (...args: string[]) => new Program(['staff', 'watch', '--staff', role.address, ...args]);
  const [lines, json] = [watch(), watch('--json')];
  await lines.line(/bot bot-2 detached, idle$/);
  await json.line(/"bot-2"/);
  orders = [eves];
  await lines.line(/^\d\d:\d\d:\d\d {2}bay B1 free$/);
  await json.line(/"what":"bay","name":"B1","gone":true/);
  const [told, objects] = [await lines.kill('SIGINT'), await json.kill('SIGINT')];
  expect(told).toMatchObject({ code: 0, stderr: '' });
  expect(told.stdout).not.toContain('\u001b');
  expect(objects.code).toBe(0);
  for (const line of objects.stdout.split('\n')) expect(JSON.parse(line)).toHaveProperty('what');
});
