import { linkPrefix } from '../telemetry/linked-trace.ts';
import type { RecordedSpan } from '../telemetry/recorded-span.ts';
import { hasFailed, isLink, type TraceNode } from './trace-tree.ts';

/** One line of the waterfall: a span, or several that are one step to a reader. */
export interface Row {
  /** The branches of the tree before it. */
  readonly branch: string;
  /** `orders`, or `kiosk → orders` where one asks or tells the other. */
  readonly who: string;
  readonly what: string;
  readonly startUs: number;
  readonly endUs: number;
  readonly failed: boolean;
  /** Who waited for whom, what failed, what is missing. */
  readonly notes: readonly string[];
  readonly span: RecordedSpan;
}

/** Shorter waits are the way of things, us. */
export const minShownWaitUs = 100_000;

/** The rows of a trace. `unfolded`: one for each span. */
export function rowsOf(root: TraceNode, unfolded = false): Row[] {
  const rows: Row[] = [];
  const add = (node: TraceNode, parent: RecordedSpan | undefined, first: string, rest: string) => {
    const step = unfolded ? plain(node) : folded(node);
    const { span } = node;
    const spans = [span, ...step.merged.map((other) => other.span)];
    rows.push({
      branch: first,
      who: step.who,
      what: step.what,
      startUs: span.startUs,
      endUs: Math.max(...spans.map(({ endUs }) => endUs)),
      failed: spans.some(hasFailed),
      notes: [
        ...(node.isStray ? ['its parent was not recorded'] : []),
        ...leads(span),
        ...waits(span, parent),
        ...step.merged.flatMap((other) => waits(other.span, span)),
        ...spans.flatMap(failures),
      ],
      span,
    });
    for (const [index, child] of step.children.entries()) {
      const isLast = index === step.children.length - 1;
      add(child.node, child.parent, `${rest}${isLast ? '└ ' : '├ '}`, `${rest}${isLast ? '  ' : '│ '}`);
    }
  };
  add(root, undefined, '', '');
  return rows;
}

interface Step {
  readonly who: string;
  readonly what: string;
  /** Other spans that this row stands for. */
  readonly merged: readonly TraceNode[];
  readonly children: ReadonlyArray<{ readonly node: TraceNode; readonly parent: RecordedSpan }>;
}

const below = (node: TraceNode) => node.children.map((child) => ({ node: child, parent: node.span }));
const plain = (node: TraceNode): Step => ({
  who: node.span.service,
  what: node.span.name,
  merged: [],
  children: below(node),
});

/** A call is one row with its service's side; a message is one with those who only take note of it, and with the one that acts on it. */
function folded(node: TraceNode): Step {
  const { span, children } = node;
  const what = shortName(span);
  const ofSender = children.filter((child) => child.span.kind === 'server' || child.span.kind === 'consumer');
  if (span.kind !== 'client' && span.kind !== 'producer') return { ...plain(node), what };
  if (ofSender.length === 0) return { ...plain(node), what };
  const isQuiet = (child: TraceNode) => child.children.length === 0 && failures(child.span).length === 0;
  const merged = ofSender.length === 1 ? ofSender : ofSender.filter(isQuiet);
  const receivers = [...new Set(ofSender.map((child) => child.span.service))];
  return {
    who: `${span.service} → ${receivers.join(', ')}`,
    what,
    merged,
    children: [
      ...children.filter((child) => !merged.includes(child)).map((child) => ({ node: child, parent: span })),
      ...merged.flatMap(below),
    ].toSorted((a, b) => a.node.span.startUs - b.node.span.startUs),
  };
}

/** `PlaceOrder` of a call, `orders.placed` of a message: where it goes and by which exchange stands beside it. */
export function shortName(span: RecordedSpan): string {
  const { kind, name } = span;
  if (isLink(span)) return `${linkPrefix}${name.slice(linkPrefix.length).split('/').at(-1)}`;
  if (kind === 'client' || (kind === 'server' && !name.includes(' '))) return name.slice(name.lastIndexOf('/') + 1);
  if (kind !== 'producer' && kind !== 'consumer') return name;
  const [verb, destination = ''] = name.split(' ');
  const [, routingKey] = destination.split(':');
  if (!routingKey) return name;
  return verb === 'send' ? routingKey : `${verb} ${routingKey}`;
}

/** To a trace that began later; the beginning of its id is enough to find it below. */
const leads = (span: RecordedSpan): string[] =>
  isLink(span) ? span.links.map(({ traceId }) => `leads to trace ${traceId.slice(0, 8)}`) : [];

function waits(span: RecordedSpan, parent: RecordedSpan | undefined): string[] {
  if (!parent || isLink(span)) return [];
  const { kind, startUs, name, service } = span;
  if (kind === 'consumer') {
    const waitedUs = startUs - parent.startUs;
    return waitedUs >= minShownWaitUs
      ? [`${service} let it wait ${formatUs(waitedUs)} in ${name.split(':').at(-1)}`]
      : [];
  }
  const waitedUs = startUs - parent.endUs;
  if (kind === 'server' || waitedUs < minShownWaitUs) return [];
  if (kind === 'producer' && !name.startsWith('offer ')) return [`waited ${formatUs(waitedUs)} in the outbox`];
  return [
    name.startsWith('offer ')
      ? `waited ${formatUs(waitedUs)} for a bot`
      : `${formatUs(waitedUs)} after ${shortName(parent)}`,
  ];
}

/** A message is tried again after an error of its own: then it has failed only for a while. */
function failures(span: RecordedSpan): string[] {
  const exceptions = span.events.filter(({ name }) => name === 'exception');
  const said = exceptions.map(({ attributes }) => firstLine(String(attributes['exception.message'] ?? '')));
  if (hasFailed(span)) return [firstLine(span.message) || said.at(-1) || 'failed'];
  return said.length > 0 ? [`tried again ${said.length === 1 ? 'once' : `${said.length} times`}: ${said.at(-1)}`] : [];
}

const firstLine = (text: string): string => text.split('\n', 1)[0]!.trim();

/** A time as people say it, in at most seven characters: `0.4 ms`, `336 ms`, `4.98 s`, `12m 05s`, `3h 02m`. */
export function formatUs(us: number): string {
  if (us < 9_950) return `${(us / 1_000).toFixed(1)} ms`;
  if (us < 999_500) return `${Math.round(us / 1_000)} ms`;
  const seconds = us / 1_000_000;
  if (seconds < 99.95) return `${seconds.toFixed(seconds < 9.995 ? 2 : 1)} s`;
  const [whole, two] = [Math.round(seconds), (value: number) => String(value).padStart(2, '0')];
  if (whole < 6_000) return `${Math.floor(whole / 60)}m ${two(whole % 60)}s`;
  return `${Math.floor(whole / 3_600)}h ${two(Math.floor(whole / 60) % 60)}m`;
}
