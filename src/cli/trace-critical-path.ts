import type { RecordedSpan } from '../telemetry/recorded-span.ts';
import { shortName } from './trace-rows.ts';
import type { Story } from './trace-source.ts';
import { happenings, hasEffect, hasFailed, treeOf } from './trace-tree.ts';

/** A stretch of time on the way, and what it went into. */
export interface Segment {
  readonly startUs: number;
  readonly endUs: number;
  /** Who ran, or was waited for. */
  readonly span: RecordedSpan;
  /** Nothing on the way ran: the time until `span` began. */
  readonly waiting: boolean;
}

export interface CriticalPath {
  readonly startUs: number;
  readonly endUs: number;
  /** Whether it ends with the hand-over; else with the last that happened. */
  readonly isPickedUp: boolean;
  /** From the beginning to the end without a gap: their lengths add up to the whole. */
  readonly segments: readonly Segment[];
}

/** Start times are whole milliseconds of a clock, durations are measured: what was inside of another may seem to end after it by so much, us. */
const clockErrorUs = 1_000;

const isPickup = (span: RecordedSpan): boolean =>
  span.kind === 'server' && span.name.endsWith('/HandOver') && !hasFailed(span);

/**
 * Where the time from the order to its pickup went. Backwards from the end: what ran then, before that what it had waited for, and so on. A span
 * has waited for those below it that were over before it went on, and for the one above it, or for the message, to begin at all. What somebody
 * started from outside, a payment or a pickup, came after what had happened last until then.
 */
export function criticalPathOf({ main, linked }: Story): CriticalPath {
  const spans = [main, ...linked.filter(hasEffect)].flatMap((trace) => happenings(treeOf(trace)));
  const startUs = Math.min(...main.map((span) => span.startUs));
  const isInMain = ({ traceId }: RecordedSpan) => traceId === main[0]!.traceId;
  const pickup = spans.filter(isPickup).toSorted((a, b) => b.endUs - a.endUs)[0];
  const happened = spans.filter(isInMain);
  const last = pickup ?? (happened.length > 0 ? happened : main).reduce((a, b) => (b.endUs > a.endUs ? b : a));
  const segments = new Walk(spans, startUs).backFrom(last);
  return { startUs, endUs: last.endUs, isPickedUp: pickup !== undefined, segments: segments.toReversed() };
}

const keyOf = (traceId: string, spanId: string) => `${traceId} ${spanId}`;

class Walk {
  readonly #spans: readonly RecordedSpan[];
  readonly #startUs: number;
  readonly #byKey: ReadonlyMap<string, RecordedSpan>;
  readonly #below: ReadonlyMap<string, readonly RecordedSpan[]>;
  readonly #segments: Segment[] = [];

  constructor(spans: readonly RecordedSpan[], startUs: number) {
    this.#spans = spans;
    this.#startUs = startUs;
    this.#byKey = new Map(spans.map((span) => [keyOf(span.traceId, span.spanId), span]));
    this.#below = Map.groupBy(spans, ({ traceId, parentSpanId }) => keyOf(traceId, parentSpanId));
  }

  /** The newest segment first. */
  backFrom(last: RecordedSpan): readonly Segment[] {
    const seen = new Set<RecordedSpan>();
    let span = last;
    let untilUs = last.endUs;
    for (;;) {
      seen.add(span);
      this.#inside(span, span.startUs, untilUs);
      untilUs = Math.min(untilUs, span.startUs);
      const before = this.#before(span, untilUs, seen);
      const fromUs = Math.min(untilUs, before?.endUs ?? this.#startUs);
      this.#add({ startUs: fromUs, endUs: untilUs, span, waiting: true });
      if (!before || fromUs <= this.#startUs) return this.#segments;
      untilUs = fromUs;
      span = before;
    }
  }

  /** What `span`, which begins at `untilUs`, came after. */
  #before(span: RecordedSpan, untilUs: number, seen: ReadonlySet<RecordedSpan>): RecordedSpan | undefined {
    const parent = this.#byKey.get(keyOf(span.traceId, span.parentSpanId));
    const isFromOutside = span.kind === 'server' && (parent === undefined || parent.endUs < untilUs);
    if (parent && !isFromOutside && !seen.has(parent)) return parent;
    const earlier = this.#spans.filter((other) => other.endUs <= untilUs && !seen.has(other));
    return earlier.length === 0 ? undefined : earlier.reduce((a, b) => (b.endUs > a.endUs ? b : a));
  }

  /** What `span` did from `fromUs` to `toUs`: what ran below it, and the rest itself. */
  #inside(span: RecordedSpan, fromUs: number, toUs: number): void {
    const untilUs = Math.min(toUs, span.endUs);
    let cursorUs = untilUs;
    const below = (this.#below.get(keyOf(span.traceId, span.spanId)) ?? []).filter(
      ({ startUs, endUs }) => startUs >= fromUs && endUs <= untilUs + clockErrorUs && startUs < endUs,
    );
    for (const child of below.toSorted((a, b) => b.endUs - a.endUs)) {
      const childEndUs = Math.min(child.endUs, cursorUs);
      if (child.startUs >= childEndUs || child.endUs > cursorUs + clockErrorUs) continue;
      this.#add({ startUs: childEndUs, endUs: cursorUs, span, waiting: false });
      this.#inside(child, child.startUs, childEndUs);
      cursorUs = child.startUs;
    }
    this.#add({ startUs: fromUs, endUs: cursorUs, span, waiting: false });
  }

  #add(segment: Segment): void {
    const startUs = Math.max(segment.startUs, this.#startUs);
    if (segment.endUs > startUs) this.#segments.push({ ...segment, startUs });
  }
}

export interface Share {
  readonly service: string;
  readonly operation: string;
  readonly waiting: boolean;
  readonly us: number;
  /** Segments that it is made of. */
  readonly count: number;
}

/** The segments by service and operation, the longest first. */
export function sharesOf(segments: readonly Segment[]): Share[] {
  const shares = new Map<string, Share>();
  for (const { span, waiting, startUs, endUs } of segments) {
    const { service } = span;
    const operation = shortName(span);
    const key = JSON.stringify([service, operation, waiting]);
    const { us = 0, count = 0 } = shares.get(key) ?? {};
    shares.set(key, { service, operation, waiting, us: us + endUs - startUs, count: count + 1 });
  }
  return [...shares.values()].toSorted((a, b) => b.us - a.us);
}
