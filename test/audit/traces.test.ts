import { describe, expect, test } from 'vitest';
import type { SpanFact } from '../../src/audit/spans.ts';
import { checkTraces, orderTraces, type TracedFacts } from '../../src/audit/traces.ts';

let spansMade = 0;

/** A span of `service` about order o1, in its trace `t1`, where nothing else is said. */
function span(service: string, more: Partial<SpanFact> = {}): SpanFact {
  spansMade += 1;
  const name = `${service} works`;
  const plain = { correlationId: 'o1', taskId: '', linkedTraceIds: [], linkedSpanIds: [], traceUnknown: false };
  const message = { operation: '', messageId: '' };
  return {
    traceId: 't1',
    spanId: `s${spansMade}`,
    parentSpanId: '',
    name,
    service,
    orderId: 'o1',
    ...plain,
    ...message,
    ...more,
  };
}

const below = (parent: SpanFact, service: string, more: Partial<SpanFact> = {}) =>
  span(service, { traceId: parent.traceId, parentSpanId: parent.spanId, ...more });

const root = span('kiosk');
const placing = below(root, 'orders');
const sent = below(placing, 'orders', { operation: 'send', messageId: 'm1' });
const planned = below(sent, 'depot', { operation: 'process', messageId: 'm1' });
const invoiced = below(sent, 'payments', { operation: 'process', messageId: 'm1' });
const requested = below(planned, 'depot', { operation: 'send', messageId: 'm2' });
const ingested = below(requested, 'hub', { operation: 'process', messageId: 'm2' });
const walked = below(ingested, 'bot');
const pickup = span('staff', { traceId: 't2', linkedTraceIds: ['t1'] });
const completed = below(pickup, 'orders', { operation: 'send', messageId: 'm4' });
const noted = below(root, 'staff', { name: 'link HandOver', linkedTraceIds: ['t2'] });
const lost = below(ingested, 'depot', { linkedTraceIds: ['t5'] });
const wanted = span('depot', { traceId: 't5', name: 'request return', linkedTraceIds: ['t1'] });
const returned = below(wanted, 'bot', { taskId: 'r1', operation: 'send', messageId: 'm5' });
const whole = [
  root,
  placing,
  sent,
  planned,
  invoiced,
  requested,
  ingested,
  walked,
  pickup,
  completed,
  noted,
  lost,
  wanted,
  returned,
];

const order = { orderId: 'o1', traceId: 't1', state: 'COMPLETED', ordered: 1, picked: 1, short: 0 };
const outbox = { taskId: '', fence: 0, published: true };
const inbox = { outcome: 'handled', handledAt: 1 };
const facts: TracedFacts = {
  orders: [order],
  tasks: [
    { taskId: 'k1', orderId: 'o1', kind: 'shop', state: 'SUCCEEDED', attempts: 1, fence: 1 },
    { taskId: 'r1', orderId: 'o1', kind: 'return', state: 'SUCCEEDED', attempts: 1, fence: 1 },
  ],
  sent: [
    { from: 'orders', messageId: 'm1', name: 'orders.placed', ...outbox },
    { from: 'depot', messageId: 'm2', name: 'depot.task_requested', ...outbox },
  ],
  taken: [
    { by: 'depot', messageId: 'm1', name: 'orders.placed', ...inbox },
    { by: 'payments', messageId: 'm1', name: 'orders.placed', ...inbox },
  ],
};
const without = (...left: SpanFact[]) => whole.filter((one) => !left.includes(one));
const broken = (spans: readonly SpanFact[], interrupted = false) => checkTraces(facts, spans, interrupted);

describe('the traces of a mall at rest', () => {
  test('are one tree per order, with the services that took part, and those linked to it', () => {
    expect(broken(whole)).toEqual([]);
    expect(orderTraces([order], whole)).toEqual([
      {
        orderId: 'o1',
        traceId: 't1',
        spans: 10,
        services: ['bot', 'depot', 'hub', 'kiosk', 'orders', 'payments', 'staff'],
      },
    ]);
  });

  test('may hold spans about no order, and of messages that were sent or taken twice', () => {
    const again = below(placing, 'orders', { operation: 'send', messageId: 'm1' });
    const twice = below(again, 'depot', { operation: 'process', messageId: 'm1' });
    expect(broken([...whole, again, twice, span('stores', { orderId: '', traceId: 't9' })])).toEqual([]);
  });

  test('break the promise where a span of the order stands in a trace of its own', () => {
    const violations = broken([...whole, span('payments', { traceId: 't3', name: 'refund' })], true);
    expect(violations).toMatchObject([{ rule: 'one trace per order', subject: 'o1' }]);
    expect(violations[0]?.message).toContain('"refund" of payments in t3');
  });

  test.each([
    [
      'a trace has a second root',
      [...whole, span('payments')],
      'trace t1 has 2 roots: "kiosk works" of kiosk, "payments works"',
    ],
    ['a linked trace has one', [...whole, span('staff', { traceId: 't2' })], 'trace t2 has 2 roots'],
    [
      'a span has another correlation id',
      [...whole, below(root, 'stores', { correlationId: 'p1' })],
      'has the correlation id "p1"',
    ],
    [
      'a return is within the trace',
      [...whole, below(root, 'bot', { taskId: 'r1' })],
      '"bot works" of bot is about a return',
    ],
  ])('break the promise where %s, also when a process was killed', (_, spans, message) => {
    for (const interrupted of [false, true]) {
      expect(broken(spans, interrupted)).toMatchObject([
        { rule: 'one trace per order', message: expect.stringContaining(message) },
      ]);
    }
  });

  test('may be linked by way of another', () => {
    const cancelled = below(pickup, 'depot', { linkedTraceIds: ['t6'] });
    const again = span('depot', { traceId: 't6', linkedTraceIds: ['t2'], operation: 'send', messageId: 'm6' });
    expect(broken([...whole, cancelled, again])).toEqual([]);
  });

  test('may hold a message that was parked and is processed again in a trace that is linked to its sender', () => {
    const retried = span('payments', {
      traceId: 't7',
      linkedTraceIds: ['t1'],
      linkedSpanIds: [sent.spanId],
      operation: 'process',
      messageId: 'm1',
    });
    expect(broken([...whole, retried])).toEqual([]);
  });

  test('break the promise where no span names the order', () => {
    expect(broken([], true)).toMatchObject([{ rule: 'one trace per order', message: 'no span names the order' }]);
  });

  test.each([
    ['a parent is missing', [...whole, span('stores', { parentSpanId: 'gone' })], 'have no parent: "stores works"'],
    [
      'a span of a linked trace has none',
      [...whole, span('depot', { traceId: 't2', parentSpanId: 'gone' })],
      'of trace t2',
    ],
    ['no link leads to the pickup', without(noted), "no link leads from the order's trace to t2"],
    ['no link leads to the return', without(lost), "no link leads from the order's trace to t5"],
  ])('break the promise where %s', (_, spans, message) => {
    expect(broken(spans)).toMatchObject([{ rule: 'an order is one tree of spans', subject: 'o1' }]);
    expect(broken(spans)[0]?.message).toContain(message);
  });

  test.each([
    ['bot', [walked]],
    ['staff', [pickup, completed]],
  ])('break the promise where %s has no part', (service, part) => {
    const violations = broken(without(...part));
    expect(violations).toMatchObject([{ rule: "every service is in the order's trace", subject: 'o1' }]);
    expect(violations[0]?.message).toMatch(new RegExp(`^${service} has no span in trace t1`));
  });

  test('need neither bot nor staff for an order that was called off before', () => {
    const early: TracedFacts = { ...facts, orders: [{ ...order, state: 'CANCELLED' }], tasks: [] };
    expect(checkTraces(early, without(walked, pickup, completed, noted, lost, wanted, returned), false)).toEqual([]);
  });

  test('break the promise where a hop is missing', () => {
    const unsent = {
      ...facts,
      sent: [...facts.sent, { from: 'depot', messageId: 'm3', name: 'depot.bay', ...outbox }],
    };
    expect(checkTraces(unsent, whole, false)).toMatchObject([
      { subject: 'm3', message: 'depot has no span that sends depot.bay' },
    ]);

    const taken = [...facts.taken, { by: 'kiosk', messageId: 'm1', name: 'orders.placed', ...inbox }];
    const [violation, ...more] = checkTraces({ ...facts, taken }, whole, false);
    expect(violation).toEqual({
      rule: 'every hop is traced',
      subject: 'm1',
      message: 'kiosk has no span that processes orders.placed',
    });
    expect(more).toEqual([]);
  });

  test('break the promise where a message is processed below something else than what sent it', () => {
    const elsewhere = below(root, 'payments', { operation: 'process', messageId: 'm1' });
    expect(broken([...without(invoiced), elsewhere])).toMatchObject([
      { message: 'payments processes orders.placed in a span that is not below one that sends it' },
    ]);
  });
});

describe('the traces of a mall in which a process was killed', () => {
  test('may lack what it had not exported', () => {
    expect(broken(without(sent, ingested, walked, pickup), true)).toEqual([]);
  });

  test('say nothing where the span with the link went down with its process, or could not know the order', () => {
    const cut = span('payments', { traceId: 't3', parentSpanId: 'gone' });
    const look = span('kiosk', { traceId: 't4', traceUnknown: true });
    expect(broken([...whole, cut, look, below(look, 'orders')], true)).toEqual([]);
  });
});
