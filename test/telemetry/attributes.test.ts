import * as conventions from '@opentelemetry/semantic-conventions/incubating';
import { describe, expect, test } from 'vitest';
import { type Draft, draft, seal } from '../../src/contract/message.ts';
import { TaskRef } from '../../src/gen/events/bots/v1/events.ts';
import { TaskRequested } from '../../src/gen/events/depot/v1/events.ts';
import { Ready } from '../../src/gen/events/orders/v1/events.ts';
import { StockReason } from '../../src/gen/events/stores/v1/events.ts';
import { processing, sending } from '../../src/telemetry/attributes.ts';

const sealed = (what: Draft) =>
  seal(what, { id: 'm1', source: '/test', time: new Date(0), causationId: 'c1', traceparent: '' });

const ready = draft('orders.ready', 'o1', Ready.fromPartial({ orderId: 'o1', bay: 'B1' }));
const stock = { productId: 'p1', storeId: 's1', stock: 1, delta: -1, reason: StockReason.PICKED, version: 2 };
const stockOf = (orderId: string) => ({ ...stock, orderId, lineId: orderId && 'l1', attempt: orderId ? 1 : 0 });
const started = draft(
  'bots.task_started',
  'o1',
  { task: TaskRef.fromPartial({ taskId: 't1', botId: 'bot-1', fence: 3 }) },
  { task: { id: 't1', fence: 3 } },
);

describe('the span of a message', () => {
  test('is named and described by the messaging conventions for RabbitMQ', () => {
    expect(sending(sealed(ready))).toMatchObject({
      name: 'send orders.events:orders.ready',
      attributes: {
        'messaging.system.name': 'rabbitmq',
        'messaging.operation.name': 'send',
        'messaging.operation.type': 'send',
        'messaging.destination.name': 'orders.events:orders.ready',
        'rabbitmq.destination.routing_key': 'orders.ready',
        'messaging.message.id': 'm1',
        'messaging.message.conversation_id': 'o1',
      },
    });
    expect(processing(sealed(ready), 'depot.inbox')).toMatchObject({
      name: 'process orders.events:orders.ready:depot.inbox',
      attributes: { 'messaging.operation.type': 'process' },
    });
  });

  test('names the queue of a direct exchange once', () => {
    const task = draft('depot.task_requested', 'o1', TaskRequested.fromPartial({ taskId: 't1', orderId: 'o1' }));
    expect(processing(sealed(task), 'hub.tasks').name).toBe('process depot.tasks:hub.tasks');
  });

  test('has no attribute that the installed version of the conventions does not know', () => {
    const known = new Set<unknown>(Object.values(conventions));
    const { attributes } = processing(sealed(started), 'depot.inbox');
    const foreign = Object.keys(attributes).filter((key) => !key.startsWith('mallbots.') && !known.has(key));
    expect(foreign).toEqual([]);
  });

  test('names order, task, fence and bot', () => {
    expect(processing(sealed(started), 'depot.inbox').attributes).toMatchObject({
      'mallbots.order_id': 'o1',
      'mallbots.correlation_id': 'o1',
      'mallbots.task_id': 't1',
      'mallbots.fence': 3,
      'mallbots.bot_id': 'bot-1',
    });
  });

  test('of Stores names an order only where there is one', () => {
    const picked = draft('stores.stock_changed', 'p1', stockOf('o1'), { correlationId: 'o1' });
    expect(sending(sealed(picked)).attributes).toMatchObject({ 'mallbots.order_id': 'o1' });
    const set = sending(sealed(draft('stores.stock_changed', 'p1', stockOf('')))).attributes;
    expect(set['mallbots.correlation_id']).toBe('p1');
    expect(set).not.toHaveProperty(['mallbots.order_id']);
  });

  test('of an event that cannot be decoded says what the envelope says', () => {
    const { attributes } = processing({ ...sealed(started), body: Buffer.from('ffff', 'hex') }, 'depot.inbox');
    expect(attributes).toMatchObject({ 'mallbots.task_id': 't1' });
    expect(attributes).not.toHaveProperty(['mallbots.bot_id']);
  });
});
