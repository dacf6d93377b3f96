import type { Message } from '../../src/contract/message.ts';
import type { Topology } from '../../src/contract/topology.ts';

/** One exchange of each kind; two services that hear of orders, and a queue that workers share. */
export const testTopology: Topology = {
  exchanges: [
    { name: 'orders.events', type: 'topic' },
    { name: 'depot.tasks', type: 'direct' },
  ],
  queues: [
    {
      name: 'one.inbox',
      singleActiveConsumer: true,
      bindings: [{ exchange: 'orders.events', routingKey: 'orders.*' }],
    },
    { name: 'two.inbox', singleActiveConsumer: true, bindings: [{ exchange: 'orders.events', routingKey: '#.ready' }] },
    { name: 'work', singleActiveConsumer: false, bindings: [{ exchange: 'depot.tasks', routingKey: 'work' }] },
  ],
  streams: [
    {
      name: 'journal',
      maxAgeMs: 3_600_000,
      bindings: [
        { exchange: 'orders.events', routingKey: 'orders.*' },
        { exchange: 'orders.events', routingKey: 'orders.kept.*' },
        { exchange: 'depot.tasks', routingKey: 'work' },
      ],
    },
  ],
};

/** To `one.inbox` alone, to both inboxes, to the shared queue, to the journal alone, to nobody. */
export const toOne = { exchange: 'orders.events', routingKey: 'orders.placed' };
export const toBoth = { exchange: 'orders.events', routingKey: 'orders.ready' };
export const toWork = { exchange: 'depot.tasks', routingKey: 'work' };
export const toJournal = { exchange: 'orders.events', routingKey: 'orders.kept.placed' };
export const toNobody = { exchange: 'orders.events', routingKey: 'elsewhere.placed' };

export function message(id: string, more: Partial<Message> = {}): Message {
  return {
    id,
    name: 'orders.placed',
    source: '/orders',
    time: new Date('2026-01-02T03:04:05.678Z'),
    key: 'key',
    correlationId: 'order',
    causationId: 'request',
    traceparent: '',
    task: undefined,
    body: new TextEncoder().encode(`body of ${id}`),
    ...more,
  };
}

export const numbered = (count: number, more: Partial<Message> = {}): Message[] =>
  Array.from({ length: count }, (_, i) => message(`m${i + 1}`, more));

export const ids = (messages: Iterable<{ id: string }>): string[] => Array.from(messages, ({ id }) => id);
