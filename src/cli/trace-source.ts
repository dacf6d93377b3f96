import { invalid, type MallError, notFound, quoted } from '../contract/errors.ts';
import { isId } from '../contract/ids.ts';
import { orderOf, type RecordedSpan, taskOf } from '../telemetry/recorded-span.ts';
import { hasEffect, rootOf } from './trace-tree.ts';

/** Where traces are looked up: the local file, or Jaeger. Spans of one trace come together and complete, as far as they were kept. */
export interface TraceSource {
  /** For messages: a path or a URL. */
  readonly where: string;
  /** Every span of each trace in which a span names `id` as its order's or its task's. */
  about(id: string): Promise<readonly RecordedSpan[]>;
  /** Every span of these traces; of one that is not there, none. */
  traces(traceIds: readonly string[]): Promise<readonly RecordedSpan[]>;
  /** Ids of orders and tasks that end with `suffix`. */
  idsEndingWith(suffix: string): Promise<readonly string[]>;
  /** Traces of orders and what is linked to them, the newest that are at hand; a span comes once. */
  recent(): AsyncIterable<readonly RecordedSpan[]>;
  /** The same of those that have an error. */
  failed(): AsyncIterable<readonly RecordedSpan[]>;
  /** The page of a trace, where the source has one. */
  pageOf(traceId: string): string | undefined;
}

/** Fewer characters name too many orders. */
const minSuffixChars = 6;
const traceIdPattern = /^[0-9a-f]{32}$/;

/** Everything that was recorded about one order; about what is no order, the one trace. */
export interface Story {
  /** Empty when the trace is about no order. */
  readonly orderId: string;
  /** The trace that the order was placed in. */
  readonly main: readonly RecordedSpan[];
  /** Traces that began on their own and are linked, in the order of their beginnings. */
  readonly linked: ReadonlyArray<readonly RecordedSpan[]>;
}

/**
 * The story of what `given` names: an order or a task by its id or the end of it, or a trace.
 * @throws MallError INVALID_ARGUMENT (names nothing, or several), NOT_FOUND
 */
export async function storyOf(given: string, source: TraceSource): Promise<Story> {
  const wanted = given.toLowerCase();
  if (traceIdPattern.test(wanted)) {
    const spans = await source.traces([wanted]);
    const orderId = spans.map(orderOf).find(Boolean) ?? '';
    if (spans.length > 0) return orderId ? tell(orderId, source) : { orderId, main: spans, linked: [] };
  }
  const id = isId(wanted) ? wanted : await idEndingWith(wanted, given, source);
  const about = await source.about(id);
  const orderId = about.find((span) => taskOf(span) === id && orderOf(span) !== '');
  if (about.some((span) => orderOf(span) === id)) return tell(id, source, about);
  if (orderId) return tell(orderOf(orderId), source);
  throw unknown(given, source);
}

async function idEndingWith(wanted: string, given: string, source: TraceSource): Promise<string> {
  if (traceIdPattern.test(wanted)) throw unknown(given, source);
  if (wanted.length < minSuffixChars || !/^[0-9a-f-]+$/.test(wanted)) {
    const remedy = `give the id of an order, a task or a trace, or the last ${minSuffixChars} characters or more of an order's or a task's`;
    throw invalid('id', given, 'MALFORMED_ID', remedy);
  }
  const ids = [...new Set(await source.idsEndingWith(wanted))];
  if (ids.length > 1)
    throw invalid('id', given, 'AMBIGUOUS_ID', `several end so, give more of one: ${ids.slice(0, 10).join(', ')}`);
  if (!ids[0]) throw unknown(given, source);
  return ids[0];
}

function unknown(given: string, { where }: TraceSource): MallError {
  const remedy = `no order, task or trace in ${where} is called ${quoted(given)}; spans get there a second after they end, and old ones go`;
  return notFound('trace', 'id', given, remedy);
}

async function tell(orderId: string, source: TraceSource, known?: readonly RecordedSpan[]): Promise<Story> {
  const about = known ?? (await source.about(orderId));
  const ids = new Set(about.map(({ traceId }) => traceId));
  const linkedFrom = new Set(about.flatMap(({ links }) => links.map(({ traceId }) => traceId)));
  const more = [...linkedFrom].filter((id) => !ids.has(id));
  const spans = more.length > 0 ? [...about, ...(await source.traces(more))] : about;
  const traces = [...Map.groupBy(spans, ({ traceId }) => traceId).values()];
  const main = mainOf(traces, orderId);
  const linked = traces.filter((trace) => trace !== main).toSorted((a, b) => beginning(a) - beginning(b));
  return { orderId, main, linked };
}

export const beginning = (trace: readonly RecordedSpan[]): number => Math.min(...trace.map(({ startUs }) => startUs));

/** The order was placed in the oldest trace that links to none of the others, led to something, and begins with something about the order. */
function mainOf(traces: ReadonlyArray<readonly RecordedSpan[]>, orderId: string): readonly RecordedSpan[] {
  const ids = new Set(traces.map((trace) => trace[0]!.traceId));
  const score = (trace: readonly RecordedSpan[]) => {
    const { traceId, links } = rootOf(trace);
    const isLinkedOn = links.some((link) => link.traceId !== traceId && ids.has(link.traceId));
    return (isLinkedOn ? 0 : 4) + (hasEffect(trace) ? 2 : 0) + (orderOf(rootOf(trace)) === orderId ? 1 : 0);
  };
  return traces.toSorted((a, b) => score(b) - score(a) || beginning(a) - beginning(b))[0]!;
}
