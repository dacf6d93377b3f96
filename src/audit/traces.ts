import type { Facts, OrderFact, Violation } from './checks.ts';
import type { SpanFact } from './spans.ts';

export interface OrderTrace {
  readonly orderId: string;
  readonly traceId: string;
  readonly spans: number;
  readonly services: readonly string[];
}

/** One trace per order: the one that its placing request began. */
export function orderTraces(orders: readonly OrderFact[], spans: readonly SpanFact[]): OrderTrace[] {
  const byTrace = Map.groupBy(spans, ({ traceId }) => traceId);
  return orders.map(({ orderId, traceId }) => {
    const own = byTrace.get(traceId) ?? [];
    return { orderId, traceId, spans: own.length, services: [...new Set(own.map(({ service }) => service))].sort() };
  });
}

/** What the tables say that traces are held against. */
export type TracedFacts = Pick<Facts, 'orders' | 'tasks' | 'sent' | 'taken'>;

/**
 * Every promise about traces that `spans` break: `interrupted` tells that a process was killed, which takes the spans with it that it had
 * not exported yet. Then only what is there is judged: it must not stand in a trace of its own.
 */
export function checkTraces(facts: TracedFacts, spans: readonly SpanFact[], interrupted: boolean): Violation[] {
  const traces = new Traces(spans);
  return [
    ...facts.orders.flatMap((order) => strays(order, facts, traces)),
    ...(interrupted ? [] : [...facts.orders.flatMap((order) => gaps(order, facts, traces)), ...hops(facts, spans)]),
  ];
}

/** Spans by what they are looked up by. */
class Traces {
  readonly #byTrace: ReadonlyMap<string, readonly SpanFact[]>;
  readonly #byOrder: ReadonlyMap<string, readonly SpanFact[]>;

  constructor(spans: readonly SpanFact[]) {
    this.#byTrace = Map.groupBy(spans, ({ traceId }) => traceId);
    this.#byOrder = Map.groupBy(spans, ({ orderId }) => orderId);
  }

  of(traceId: string): readonly SpanFact[] {
    return this.#byTrace.get(traceId) ?? [];
  }

  about(orderId: string): readonly SpanFact[] {
    return this.#byOrder.get(orderId) ?? [];
  }

  /** The order's trace, then those that have to do with it and began on their own. */
  idsOf({ orderId, traceId }: OrderFact): string[] {
    return [...new Set([traceId, ...this.about(orderId).map((span) => span.traceId)])];
  }

  /** Traces that a way of links leads to from `traceId`, itself included: a return that a cancellation at the desk led to is linked to that. */
  linkedFrom(traceId: string): ReadonlySet<string> {
    const found = new Set([traceId]);
    for (const id of found)
      for (const { linkedTraceIds } of this.of(id)) for (const linked of linkedTraceIds) found.add(linked);
    return found;
  }

  /** Whether a way of links leads from `traceId` to `to`. */
  leads(traceId: string, to: string): boolean {
    return this.linkedFrom(traceId).has(to);
  }
}

const located = ({ name, service }: SpanFact): string => `"${name}" of ${service}`;

/**
 * Every span about an order is in the order's trace, or in one that started on its own later (at the desk, for a return) and is linked to it. A trace
 * whose first span, which would have the link, went down with a killed process says nothing; nor does one that says that it could
 * not know the order's. One search by the order's id finds them all, and no trace begins twice, whatever was killed.
 */
function strays(order: OrderFact, { tasks }: TracedFacts, traces: Traces): Violation[] {
  const rule = 'one trace per order';
  const { orderId, traceId } = order;
  const about = traces.about(orderId);
  if (about.length === 0) return [{ rule, subject: orderId, message: 'no span names the order' }];
  const ids = traces.idsOf(order);
  const astray = ids.filter((id) => {
    const wouldBeLinked = traces.of(id).some(({ parentSpanId, traceUnknown }) => parentSpanId === '' && !traceUnknown);
    return wouldBeLinked && !traces.leads(id, traceId);
  });
  const lost = about.filter((span) => astray.includes(span.traceId));
  const twice = ids.filter((id) => rootsOf(traces.of(id)).length > 1);
  const foreign = about.filter(({ correlationId }) => correlationId !== orderId);
  const returns = new Set(
    tasks.flatMap((task) => (task.orderId === orderId && task.kind === 'return' ? [task.taskId] : [])),
  );
  const mixed = traces.of(traceId).filter(({ taskId }) => returns.has(taskId));
  return [
    ...lost
      .slice(0, 1)
      .map(
        (span) => `${lost.length} spans are outside of trace ${traceId}, the first ${located(span)} in ${span.traceId}`,
      ),
    ...twice.map((id) => {
      const roots = rootsOf(traces.of(id));
      return `trace ${id} has ${roots.length} roots: ${roots.map(located).join(', ')}`;
    }),
    ...foreign.slice(0, 1).map((span) => `${located(span)} has the correlation id "${span.correlationId}"`),
    ...mixed.slice(0, 1).map((span) => `${located(span)} is about a return, which is a trace of its own`),
  ].map((message) => ({ rule, subject: orderId, message }));
}

const rootsOf = (spans: readonly SpanFact[]) => spans.filter(({ parentSpanId }) => parentSpanId === '');

/** The order's trace and each that has to do with it is one tree, with the services in it that had to do something. */
function gaps(order: OrderFact, { tasks }: TracedFacts, traces: Traces): Violation[] {
  const { orderId, traceId } = order;
  const reachable = traces.linkedFrom(traceId);
  const broken = traces.idsOf(order).flatMap((id) => {
    const spans = traces.of(id);
    const ids = new Set(spans.map(({ spanId }) => spanId));
    const orphans = spans.filter(({ parentSpanId }) => parentSpanId !== '' && !ids.has(parentSpanId));
    const hasEffect = spans.some(({ operation }) => operation === 'send');
    return [
      ...(rootsOf(spans).length === 0 ? [`trace ${id} has no root`] : []),
      ...orphans
        .slice(0, 1)
        .map((span) => `${orphans.length} spans of trace ${id} have no parent: ${located(span)} ...`),
      ...(hasEffect && !reachable.has(id)
        ? [`no link leads from the order's trace to ${id}, of ${located(spans[0]!)}`]
        : []),
    ];
  });
  const inTrace = new Set(traces.of(traceId).map(({ service }) => service));
  const linked = traces.idsOf(order).filter((id) => id !== traceId);
  const around = linked.flatMap((id) => traces.of(id).map(({ service }) => service));
  const delivered = tasks.some((task) => task.orderId === orderId && task.state === 'SUCCEEDED');
  const missing = [
    ...['kiosk', 'orders', 'payments', 'depot'].filter((service) => !inTrace.has(service)),
    ...(delivered ? ['hub', 'bot'].filter((service) => !inTrace.has(service)) : []),
    ...(order.state === 'COMPLETED' && !around.includes('staff') ? ['staff'] : []),
  ];
  return [
    ...broken.map((message) => ({ rule: 'an order is one tree of spans', subject: orderId, message })),
    ...missing.map((service) => ({
      rule: "every service is in the order's trace",
      subject: orderId,
      message: `${service} has no span in trace ${traceId}${service === 'staff' ? ', nor in one that is linked to it' : ''}`,
    })),
  ];
}

/** Each message that left an outbox has a span that sends it; each that was taken in one that processes it, below one that sends it. */
function hops({ sent, taken }: TracedFacts, spans: readonly SpanFact[]): Violation[] {
  const sends = Map.groupBy(
    spans.filter(({ operation }) => operation === 'send'),
    ({ messageId }) => messageId,
  );
  const processes = Map.groupBy(
    spans.filter(({ operation }) => operation === 'process'),
    ({ service, messageId }) => `${service} ${messageId}`,
  );
  // The hub has no inbox: what it takes in becomes a task.
  const tasks = sent.filter(({ name }) => name === 'depot.task_requested').map((task) => ({ ...task, by: 'hub' }));
  const messages = [
    ...sent
      .filter(({ messageId }) => !sends.has(messageId))
      .map(({ from, messageId, name }) => ({ messageId, message: `${from} has no span that sends ${name}` })),
    ...[...taken, ...tasks].flatMap(({ by, messageId, name }) => {
      const parents = new Set(sends.get(messageId)?.map(({ spanId }) => spanId));
      const own = processes.get(`${by} ${messageId}`) ?? [];
      if (own.length === 0) return [{ messageId, message: `${by} has no span that processes ${name}` }];
      // What was parked is retried in a trace of its own, which links to the sender's span.
      const isBelow = ({ parentSpanId, linkedSpanIds }: SpanFact) =>
        parents.has(parentSpanId) || linkedSpanIds.some((id) => parents.has(id));
      if (own.every(isBelow)) return [];
      return [{ messageId, message: `${by} processes ${name} in a span that is not below one that sends it` }];
    }),
  ];
  return messages.map(({ messageId, message }) => ({ rule: 'every hop is traced', subject: messageId, message }));
}
