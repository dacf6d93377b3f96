import { describe, expect, test } from 'vitest';
import { check, type Facts } from '../../src/audit/checks.ts';
import { subscriptions } from '../../src/contract/topology.ts';

const subscribersOf = (name: string) =>
  Object.entries(subscriptions).flatMap(([by, names]) => ((names as readonly string[]).includes(name) ? [by] : []));

const takenByAll = (messageId: string, name: string) => subscribersOf(name).map((by) => ({ by, messageId, name }));

const kept: Facts = {
  orders: [{ orderId: 'o1', state: 'COMPLETED', traceId: 't1', ordered: 3, picked: 2, short: 1 }],
  invoices: [{ orderId: 'o1', currency: 'EUR', invoiced: 200, paid: 300, refunded: 100 }],
  tasks: [{ taskId: 'k1', orderId: 'o1', state: 'SUCCEEDED', attempts: 1 }],
  sent: [
    { from: 'orders', messageId: 'm1', name: 'orders.placed', taskId: '', published: true },
    { from: 'hub', messageId: 'm2', name: 'bots.task_succeeded', taskId: 'k1', published: true },
  ],
  taken: [
    ...takenByAll('m1', 'orders.placed'),
    ...takenByAll('m2', 'bots.task_succeeded'),
    ...takenByAll('k1:1:5', 'bots.item_picked'),
  ],
  parked: [],
};

const rules = (facts: Partial<Facts>) => check({ ...kept, ...facts }).map(({ rule }) => rule);

describe('the audit', () => {
  test('finds nothing in a mall that kept its promises', () => {
    expect(check(kept)).toEqual([]);
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
    ['a message taken twice', { taken: [...kept.taken, kept.taken[0]!] }, 'consumed exactly once'],
    [
      'a parked message',
      { parked: [{ by: 'stores', messageId: 'm9', name: 'bots.item_picked', reason: 'unknown product' }] },
      'nothing is parked',
    ],
  ])('finds %s', (_name, facts, rule) => {
    expect(rules(facts)).toContain(rule);
  });
});
