import { ATTR_RPC_STATUS_CODE } from '@opentelemetry/semantic-conventions/incubating';
import { isAnswer } from '../telemetry/failure.ts';
import { linkPrefix } from '../telemetry/linked-trace.ts';
import { orderOf, type RecordedSpan } from '../telemetry/recorded-span.ts';

export interface TraceNode {
  readonly span: RecordedSpan;
  /** In the order of their beginnings. */
  readonly children: readonly TraceNode[];
  /** It names a parent that was not recorded: its process was killed, or did not sample, or it is a caller's that has traces elsewhere. */
  readonly isStray: boolean;
}

const byBeginning = (a: RecordedSpan, b: RecordedSpan): number => a.startUs - b.startUs || a.endUs - b.endUs;

/** What a trace begins with here: its root, else its first span. The root is elsewhere when a caller has traces of their own, and gone when its process was killed. */
export const rootOf = (spans: readonly RecordedSpan[]): RecordedSpan =>
  spans.find(({ parentSpanId }) => parentSpanId === '') ?? spans.toSorted(byBeginning)[0]!;

/** The spans of one trace as a tree. What has no parent that is there stands below the first span of the trace. */
export function treeOf(spans: readonly RecordedSpan[]): TraceNode {
  const known = new Set(spans.map(({ spanId }) => spanId));
  const sorted = spans.toSorted(byBeginning);
  const root = rootOf(sorted);
  const children = Map.groupBy(
    sorted.filter((span) => span !== root),
    ({ parentSpanId }) => (known.has(parentSpanId) ? parentSpanId : root.spanId),
  );
  const seen = new Set<string>();
  const nodeOf = (span: RecordedSpan): TraceNode => {
    // A span that was exported twice, or a ring: neither may go on for ever.
    seen.add(span.spanId);
    const below = children.get(span.spanId) ?? [];
    return {
      span,
      isStray: span.parentSpanId !== '' && !known.has(span.parentSpanId),
      children: below.flatMap((child) => (seen.has(child.spanId) ? [] : [nodeOf(child)])),
    };
  };
  return nodeOf(root);
}

export const hasFailed = ({ failed, attributes }: RecordedSpan): boolean =>
  failed && !isAnswer(attributes[ATTR_RPC_STATUS_CODE]);

/** Of the kiosk. */
export const placingOperation = 'POST /v1/orders';

/** A request that only looks: it runs beside what happens to the order, some for as long as that takes. */
export const isLook = ({ kind, name }: RecordedSpan): boolean => kind === 'server' && name.startsWith('GET ');

/** The request that places an order, on either side of it. */
export const isPlacing = (span: RecordedSpan): boolean =>
  span.kind === 'server' &&
  (span.name === placingOperation || span.name.endsWith('/PlaceOrder')) &&
  orderOf(span) !== '';

/** Whether a trace led to anything: effects leave as messages. */
export const hasEffect = (spans: readonly RecordedSpan[]): boolean =>
  spans.some(({ kind }) => kind === 'producer' || kind === 'consumer');

/** A span that only leads to a later trace: nothing of this one happened then. */
export const isLink = ({ name }: RecordedSpan): boolean => name.startsWith(linkPrefix);

/** What happened: without links, looks and what is below them. */
export function happenings(root: TraceNode): RecordedSpan[] {
  return isLook(root.span) || isLink(root.span) ? [] : [root.span, ...root.children.flatMap(happenings)];
}

export interface Gap {
  readonly startUs: number;
  readonly endUs: number;
  /** What ended it. */
  readonly next: RecordedSpan;
}

/** Times of at least `leastUs` in which nothing ran. */
export function gapsOf(spans: readonly RecordedSpan[], leastUs: number): Gap[] {
  const gaps: Gap[] = [];
  let coveredUs = Number.POSITIVE_INFINITY;
  for (const span of spans.toSorted((a, b) => a.startUs - b.startUs)) {
    if (span.startUs - coveredUs >= leastUs) gaps.push({ startUs: coveredUs, endUs: span.startUs, next: span });
    coveredUs = coveredUs === Number.POSITIVE_INFINITY ? span.endUs : Math.max(coveredUs, span.endUs);
  }
  return gaps;
}
