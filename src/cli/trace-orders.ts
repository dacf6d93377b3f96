import { orderOf, type RecordedSpan } from '../telemetry/recorded-span.ts';
import type { TraceSource } from './trace-source.ts';
import { hasEffect, hasFailed, isLook, isPlacing } from './trace-tree.ts';

/** What is known of an order's traces without holding their spans. */
export interface OrderSummary {
  readonly orderId: string;
  /** The one that it was placed in; where that is not at hand, the first that is. */
  readonly traceId: string;
  /** Its placing is at hand: else the beginning, and with it the duration, is of what is. */
  readonly isWhole: boolean;
  readonly startUs: number;
  /** Of the last that happened to it, the pickup included. */
  readonly endUs: number;
  readonly spans: number;
  readonly failures: number;
  /** Empty where nothing failed. */
  readonly firstFailure: string;
}

/** Traces that are held at once, in a few hundred bytes each; of more the oldest are forgotten. */
const maxTraces = 200_000;

interface TraceSummary {
  orderId: string;
  readonly traceId: string;
  startUs: number;
  endUs: number;
  spans: number;
  failures: number;
  firstFailure: string;
  firstFailureUs: number;
  hasEffect: boolean;
  places: boolean;
}

export async function slowestOrders(source: TraceSource, limit: number): Promise<OrderSummary[]> {
  const orders = await ordersOf(source.recent());
  return orders
    .filter(({ isWhole }) => isWhole)
    .toSorted((a, b) => b.endUs - b.startUs - (a.endUs - a.startUs))
    .slice(0, limit);
}

/** The newest first; also those of which nothing but the failure was kept. */
export async function failedOrders(source: TraceSource, limit: number): Promise<OrderSummary[]> {
  const orders = await ordersOf(source.failed());
  return orders
    .filter(({ failures }) => failures > 0)
    .toSorted((a, b) => b.startUs - a.startUs)
    .slice(0, limit);
}

async function ordersOf(found: AsyncIterable<readonly RecordedSpan[]>): Promise<OrderSummary[]> {
  const traces = new Map<string, TraceSummary>();
  for await (const spans of found) {
    for (const span of spans) add(traces, span);
    for (const traceId of traces.keys()) {
      if (traces.size <= maxTraces) break;
      traces.delete(traceId);
    }
  }
  const byOrder = Map.groupBy(traces.values(), ({ orderId }) => orderId);
  byOrder.delete('');
  return [...byOrder.values()].map(summaryOf);
}

function add(traces: Map<string, TraceSummary>, span: RecordedSpan): void {
  const { traceId, startUs, endUs } = span;
  let trace = traces.get(traceId);
  if (!trace) {
    trace = {
      ...{ orderId: '', traceId, startUs, endUs, spans: 0, failures: 0, firstFailure: '' },
      ...{ firstFailureUs: Number.POSITIVE_INFINITY, hasEffect: false, places: false },
    };
    traces.set(traceId, trace);
  }
  trace.spans += 1;
  trace.orderId ||= orderOf(span);
  trace.startUs = Math.min(trace.startUs, startUs);
  trace.hasEffect ||= hasEffect([span]);
  trace.places ||= isPlacing(span);
  if (!isLook(span)) trace.endUs = Math.max(trace.endUs, endUs);
  if (!hasFailed(span)) return;
  trace.failures += 1;
  if (startUs >= trace.firstFailureUs) return;
  trace.firstFailureUs = startUs;
  trace.firstFailure = `${span.service} ${span.name}${span.message ? `: ${span.message.split('\n', 1)[0]}` : ''}`;
}

function summaryOf(traces: readonly TraceSummary[]): OrderSummary {
  const sorted = traces.toSorted((a, b) => a.startUs - b.startUs);
  // Else only looks at it are at hand, or the end of a story whose beginning was dropped from the file, or was not sampled.
  const placing = sorted.find(({ places }) => places);
  const main = placing ?? sorted[0]!;
  const told = traces.filter((trace) => trace === main || trace.hasEffect || trace.failures > 0);
  const firstFailed = told.reduce((a, b) => (b.firstFailureUs < a.firstFailureUs ? b : a));
  const sum = (of: (trace: TraceSummary) => number) => told.reduce((total, trace) => total + of(trace), 0);
  const { orderId, traceId, startUs } = main;
  return {
    ...{
      orderId,
      traceId,
      isWhole: placing !== undefined,
      startUs,
      endUs: Math.max(...told.map(({ endUs }) => endUs)),
    },
    ...{ spans: sum(({ spans }) => spans), failures: sum(({ failures }) => failures) },
    firstFailure: firstFailed.firstFailure,
  };
}
