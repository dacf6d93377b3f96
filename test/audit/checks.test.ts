import { describe, expect, test } from 'vitest';
import { check, type Facts } from '../../src/audit/checks.ts';
import { subscriptions } from '../../src/contract/topology.ts';

const subscribersOf = (name: string) =>
  Object.entries(subscriptions).flatMap(([by, names]) => ((names as readonly string[]).includes(name) ? [by] : []));

const takenByAll = (messageId: string, name: string, more = { outcome: 'handled', handledAt: 1 }) =>
  subscribersOf(name).map((by) => ({ by, messageId, name, ...more }));

const kept: Facts = {
  orders: [{ orderId: 'o1', state: 'COMPLETED', traceId: 't1', ordered: 3, picked: 2, short: 1 }],
  invoices: [{ orderId: 'o1', currency: 'EUR', invoiced: 200, allowed: 0, paid: 300, refunded: 100 }],
  tasks: [{ taskId: 'k1', orderId: 'o1', kind: 'shop', state: 'SUCCEEDED', attempts: 1, fence: 1 }],
  sent: [
    { from: 'orders', messageId: 'm1', name: 'orders.placed', taskId: '', fence: 0, published: true },
    { from: 'hub', messageId: 'm2', name: 'bots.task_succeeded', taskId: 'k1', fence: 1, published: true },
  ],
  taken: [
    ...takenByAll('m1', 'orders.placed'),
    ...takenByAll('m2', 'bots.task_succeeded'),
    ...takenByAll('k1:1:started', 'bots.task_started'),
    ...takenByAll('k1:1:5', 'bots.item_picked'),
  ],
  parked: [],
  lines: [
    {
      ...{ orderId: 'o1', lineId: 'l1', state: 'COMPLETED', unitPriceMinor: 100, picked: 2, short: 1 },
      ...{ listPicked: 2, listShort: 1, taken: 6, returned: 3, gone: 1, missed: 1 },
    },
  ],
  products: [{ productId: 'p1', added: 10, stock: 6, copied: 6, committed: 0, out: 4 }],
  returns: [
    { taskId: 'r1', orderId: 'o1', state: 'done', carried: 2, returned: 2 },
    { taskId: 'r2', orderId: 'o1', state: 'lost', carried: 2, returned: 1 },
  ],
  bays: [],
  lists: [
    { orderId: 'o1', orderState: 'COMPLETED', state: 'completed', picked: 2 },
    { orderId: 'o2', orderState: 'CANCELLED', state: 'cancelled', picked: 2 },
    { orderId: 'o3', orderState: 'CANCELLED', state: 'completed', picked: 0 },
    { orderId: 'o4', orderState: 'REJECTED', state: 'stuck', picked: 0 },
  ],
  cancellations: [{ orderId: 'o2', refunded: true, goods: 'SETTLED' }],
};
const [line] = kept.lines as [Facts['lines'][number]];
const [product] = kept.products as [Facts['products'][number]];

const rules = (facts: Partial<Facts>) => check({ ...kept, ...facts }).map(({ rule }) => rule);

describe('the audit', () => {
  test('finds nothing in a mall that kept its promises', () => {
    expect(check(kept)).toEqual([]);
  });

  test('lets progress of an attempt that was lost be known to some only, and to nobody twice', () => {
    const [task] = kept.tasks;
    const early = takenByAll('k1:1:4', 'bots.item_picked');
    const again: Partial<Facts> = {
      tasks: [{ ...task!, fence: 3 }],
      taken: [...kept.taken, ...takenByAll('k1:3:started', 'bots.task_started'), early[0]!],
    };
    expect(rules(again)).toEqual([]);
    expect(rules({ ...again, taken: [...again.taken!, early[0]!] })).toContain('consumed exactly once');
  });

  test('lets staff give back what was paid, down to nothing', () => {
    const [invoice] = kept.invoices;
    expect(rules({ invoices: [{ ...invoice!, invoiced: 150, allowed: 50, refunded: 150 }] })).toEqual([]);
    expect(rules({ invoices: [{ ...invoice!, invoiced: 0, allowed: 250, refunded: 300 }] })).toEqual([]);
  });

  test('lets what a lost attempt still says be taken in late as long as it has no effect', () => {
    const tasks = [{ ...kept.tasks[0]!, fence: 3 }];
    const late = (outcome: string): Partial<Facts> => ({
      tasks,
      taken: [
        ...kept.taken,
        ...takenByAll('k1:3:started', 'bots.task_started', { outcome: 'handled', handledAt: 2 }),
        ...takenByAll('k1:1:6', 'bots.item_picked', { outcome, handledAt: 3 }),
      ],
    });
    expect(rules(late('stale'))).toEqual([]);
    expect(new Set(rules(late('handled')))).toEqual(new Set(['an old fence has no effect']));
  });

  test.each<[string, Partial<Facts>, string]>([
    ['an order that has not ended', { orders: [{ ...kept.orders[0]!, state: 'READY' }] }, 'order ends'],
    ['an order without an invoice', { invoices: [] }, 'order is invoiced'],
    ['items that do not add up', { orders: [{ ...kept.orders[0]!, picked: 3 }] }, 'picked plus short equals ordered'],
    [
      'money kept beyond the invoice',
      { invoices: [{ ...kept.invoices[0]!, refunded: 0 }] },
      'invoiced equals paid minus refunded',
    ],
    [
      'a refund that the invoice knows nothing of',
      { invoices: [{ ...kept.invoices[0]!, allowed: 50 }] },
      'invoiced is what was picked',
    ],
    [
      'money kept for a cancelled order',
      { orders: [{ ...kept.orders[0]!, state: 'CANCELLED' }] },
      'invoiced equals paid minus refunded',
    ],
    ['a task that has not ended', { tasks: [{ ...kept.tasks[0]!, state: 'LEASED' }] }, 'task ends'],
    [
      'a task with two accepted results',
      {
        sent: [...kept.sent, { ...kept.sent[1]!, messageId: 'm3' }],
        taken: [...kept.taken, ...takenByAll('m3', 'bots.task_succeeded')],
      },
      'one accepted result per task',
    ],
    ['a task that ended without a result', { sent: [kept.sent[0]!] }, 'one accepted result per task'],
    [
      'a message that waits in an outbox',
      { sent: [{ ...kept.sent[0]!, published: false }, kept.sent[1]!] },
      'outbox is published',
    ],
    [
      'a message that one subscriber has not taken',
      { taken: kept.taken.filter(({ by, messageId }) => !(by === 'payments' && messageId === 'm1')) },
      'consumed exactly once',
    ],
    [
      'progress of a bot that one subscriber has not taken',
      { taken: kept.taken.filter(({ by, messageId }) => !(by === 'stores' && messageId === 'k1:1:5')) },
      'consumed exactly once',
    ],
    [
      'a task that is lost under the fence of the attempt that succeeds',
      {
        sent: [...kept.sent, { ...kept.sent[1]!, messageId: 'm3', name: 'bots.task_lost' }],
        taken: [...kept.taken, ...takenByAll('m3', 'bots.task_lost')],
      },
      'a task has a new fence after each loss',
    ],
    ['a message taken twice', { taken: [...kept.taken, kept.taken[0]!] }, 'consumed exactly once'],
    [
      'a parked message',
      { parked: [{ by: 'stores', messageId: 'm9', name: 'bots.item_picked', reason: 'unknown product' }] },
      'nothing is parked',
    ],
    [
      'progress of a bot that nobody has taken',
      { taken: kept.taken.filter(({ messageId }) => !messageId.startsWith('k1:')) },
      'start of a task is told',
    ],
    [
      'an invoice for other units than were picked',
      { lines: [{ ...line, unitPriceMinor: 99 }] },
      'invoiced is what was picked',
    ],
    ['goods that Stores never gave', { lines: [{ ...line, taken: 5 }] }, 'services count the same units'],
    ['a shortage that Stores counted twice', { lines: [{ ...line, missed: 2 }] }, 'services count the same units'],
    ['a list that differs from its order', { lines: [{ ...line, listShort: 0 }] }, 'services count the same units'],
    [
      'goods of a lost attempt of which nobody says that they are back or gone',
      { lines: [{ ...line, returned: 2 }] },
      'services count the same units',
    ],
    ['a return that is not over', { returns: [{ ...kept.returns[0]!, state: 'under_way' }] }, 'return ends'],
    [
      'goods gone for an order that was cancelled',
      { lines: [{ ...line, state: 'CANCELLED' }] },
      'services count the same units',
    ],
    ['units that vanished from the books', { products: [{ ...product, stock: 5, copied: 5 }] }, 'stock adds up'],
    ['a copy of the stock that is behind', { products: [{ ...product, copied: 8 }] }, 'stock adds up'],
    ['units promised to nobody', { products: [{ ...product, committed: 1 }] }, 'stock adds up'],
    [
      'goods that wait for nobody',
      { lists: [{ orderId: 'o2', orderState: 'CANCELLED', state: 'completed', picked: 1 }] },
      'a cancelled order has nothing',
    ],
    [
      'a bot that still picks for a cancelled order',
      { lists: [{ orderId: 'o2', orderState: 'CANCELLED', state: 'cancelling', picked: 0 }] },
      'a cancelled order has nothing',
    ],
    [
      'money of a cancelled order that nobody has settled',
      { cancellations: [{ orderId: 'o2', refunded: false, goods: 'SETTLED' }] },
      'a cancellation settles everything',
    ],
    [
      'goods of a cancelled order that came too late',
      { cancellations: [{ orderId: 'o2', refunded: true, goods: 'OVERDUE' }] },
      'a cancellation settles everything',
    ],
    ['a bay that was not cleared', { bays: [{ bay: 3, orderId: 'o1' }] }, 'bays are free again'],
  ])('finds %s', (_name, facts, rule) => {
    expect(rules(facts)).toContain(rule);
  });
});
