import { trace } from '@opentelemetry/api';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { newId } from '../../src/contract/ids.ts';
import { draft } from '../../src/contract/message.ts';
import { StuckReason } from '../../src/gen/events/depot/v1/events.ts';
import { ParkedService } from '../../src/gen/parked/v1/parked.ts';
import { connectClient } from '../../src/rpc/client.ts';
import { startOrders } from '../../src/services/orders/service.ts';
import { startPayments } from '../../src/services/payments/service.ts';
import { type ServiceAlone, startAlone } from '../support/service-alone.ts';

let payments: ServiceAlone;
let client: ReturnType<typeof connectClient<typeof ParkedService>>;
beforeAll(async () => {
  payments = await startAlone('payments', startPayments);
  client = connectClient(ParkedService, payments.address, { tracer: trace.getTracer('test') });
});
afterAll(async () => {
  client.close();
  await payments[Symbol.asyncDispose]();
});

const orderId = newId();
const placed = draft('orders.placed', orderId, { orderId, shopper: 'Ada', lines: [], total: undefined });
const price = { minor: 150, currency: 'EUR' };
const line = { lineId: newId(), productId: newId(), sku: 'APPLE', name: 'Apple', storeId: newId(), quantity: 2 };
const whole = draft('orders.placed', orderId, {
  ...{ orderId, shopper: 'Ada', total: { ...price, minor: 300 } },
  lines: [{ ...line, unitPrice: price }],
});

it('lists, retries and drops what a service could not handle', async () => {
  const { api } = client;
  // It has no total: nobody can make an invoice of it, however often.
  const first = await payments.tell(placed);
  const second = await payments.tell(whole);
  const { messages } = await api.listParked({ key: orderId, afterId: 0 });
  expect(messages).toMatchObject([
    {
      messageId: first,
      name: 'orders.placed',
      source: '/test',
      reason: expect.stringMatching(/has no priced line$/),
      attempts: 5,
    },
    { messageId: second, name: 'orders.placed', reason: expect.stringContaining('waits behind'), attempts: 0 },
  ]);
  expect(JSON.parse(messages[0]!.bodyJson)).toEqual({ orderId, shopper: 'Ada', lines: [] });
  expect((await api.listParked({ key: '', afterId: messages[0]!.id })).messages).toHaveLength(1);
  expect((await api.listParked({ key: newId(), afterId: 0 })).messages).toEqual([]);

  expect(await api.retryParked({ key: orderId })).toMatchObject({
    ...{ settled: 0, left: 2 },
    failure: expect.stringMatching(/has no priced line$/),
  });
  expect(await api.dropParked({ id: messages[0]!.id })).toMatchObject({ messageId: first });
  await expect(api.dropParked({ id: messages[0]!.id })).rejects.toMatchObject({ code: 'NOT_FOUND' });
  expect(await api.retryParked({ key: orderId })).toMatchObject({ settled: 1, left: 0, failure: '' });
});

it('shows what a message says by the names of its fields and enums', async () => {
  await using orders = await startAlone('orders', startOrders);
  const { api, close } = connectClient(ParkedService, orders.address, { tracer: trace.getTracer('test') });
  const [key, taskId] = [newId(), newId()];
  const reason = StuckReason.UNPLANNABLE;
  // Nobody has placed it.
  await orders.tell(draft('depot.list_stuck', key, { orderId: key, taskId, reason, message: 'no way' }));
  const { messages } = await api.listParked({ key, afterId: 0 });
  expect(messages.map(({ bodyJson }) => JSON.parse(bodyJson))).toEqual([
    { orderId: key, taskId, reason: 'STUCK_REASON_UNPLANNABLE', message: 'no way' },
  ]);
  close();
});

it.each([
  ['retryParked', { key: '' }, 'key'],
  ['dropParked', { id: 0 }, 'id'],
] as const)('%s of %j names the field', async (method, request, field) => {
  const call = client.api[method] as (request: object) => Promise<unknown>;
  await expect(call(request)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT', detail: { field } });
});
