import { ATTR_KEPT } from '../telemetry/attributes.ts';
import type { RecordedSpan } from '../telemetry/recorded-span.ts';
import { coloured, counted, shortened } from './output.ts';
import { formatUs, minShownWaitUs, type Row, rowsOf } from './trace-rows.ts';
import { beginning, type Story } from './trace-source.ts';
import { gapsOf, happenings, hasEffect, hasFailed, treeOf } from './trace-tree.ts';

type Spans = readonly RecordedSpan[];

/** Columns of the terminal for offset and duration, with a space behind each. */
const timesChars = 2 * 8;
/** A bar that is shorter says nothing, one that is longer takes the room of the names. */
const barChars = { least: 8, most: 40 };

export interface WaterfallOptions {
  /** Columns of the terminal. */
  readonly width: number;
  /** A row for each span. */
  readonly unfolded: boolean;
  readonly pageOf: (traceId: string) => string | undefined;
}

/** The order's trace, then those that are linked to it; each below what it is. */
export function waterfall(story: Story, options: WaterfallOptions): string[] {
  const { orderId, main, linked } = story;
  const told = linked.filter((trace) => hasEffect(trace) || trace.some(hasFailed));
  const looks = linked.filter((trace) => !told.includes(trace));
  return [
    ...(orderId ? [coloured('bold', `order ${orderId}`)] : []),
    ...traceLines(main, '', options),
    ...told.flatMap((trace) => {
      const after = formatUs(Math.max(0, beginning(trace) - beginning(main)));
      return ['', ...traceLines(trace, `, linked, ${after} after the order`, options)];
    }),
    ...(looks.length > 0 ? ['', lookLine(looks)] : []),
  ];
}

function traceLines(trace: Spans, about: string, { width, unfolded, pageOf }: WaterfallOptions): string[] {
  const root = treeOf(trace);
  const [startUs, endUs] = [beginning(trace), Math.max(...trace.map((span) => span.endUs))];
  const services = new Set(trace.map(({ service }) => service)).size;
  const failures = trace.filter(hasFailed).length;
  const page = pageOf(trace[0]!.traceId);
  return [
    `trace ${trace[0]!.traceId}${about}`,
    coloured(
      'dim',
      `${counted(trace.length, 'span')} of ${counted(services, 'service')}, ${formatUs(endUs - startUs)}, ${failures === 0 ? 'no error' : counted(failures, 'error')}${page ? `, ${page}` : ''}`,
    ),
    ...(trace.some(({ attributes }) => attributes[ATTR_KEPT] === true)
      ? [coloured('yellow', 'not sampled: only what failed or was parked is here')]
      : []),
    '',
    ...rowsOf(root, unfolded).map((row) => rowLine(row, startUs, endUs, width)),
    ...gapLines(happenings(root), startUs, width),
  ];
}

function rowLine(row: Row, startUs: number, endUs: number, width: number): string {
  const chars = Math.min(barChars.most, Math.max(barChars.least, Math.floor(width / 5)));
  const times = `${formatUs(row.startUs - startUs).padStart(7)} ${formatUs(row.endUs - row.startUs).padStart(7)} `;
  const room = Math.max(0, width - timesChars - chars - 1);
  const notes = row.notes.join('; ');
  const name = shortened(`${row.branch}${row.failed ? '✗ ' : ''}${row.who} ${row.what}`, room);
  const note = notes ? shortened(`  ${notes}`, room - name.length) : '';
  const bar = barOf(row, startUs, endUs, chars);
  return `${coloured('dim', times)}${coloured(row.failed ? 'red' : 'cyan', bar)} ${row.failed ? coloured('red', name) : name}${coloured(row.failed ? 'red' : 'yellow', note)}`.trimEnd();
}

/** Where in the trace's time the row is; never nothing, however short it was. */
function barOf(row: Row, startUs: number, endUs: number, chars: number): string {
  const scale = chars / Math.max(1, endUs - startUs);
  const from = Math.min(chars - 1, Math.floor((row.startUs - startUs) * scale));
  const long = Math.min(chars - from, Math.round((row.endUs - row.startUs) * scale));
  return `${' '.repeat(from)}${long === 0 ? '▏' : '█'.repeat(long)}`.padEnd(chars);
}

/** The longest times in which nothing of the trace ran. */
const maxGaps = 5;

function gapLines(spans: Spans, startUs: number, width: number): string[] {
  const gaps = gapsOf(spans, minShownWaitUs)
    .toSorted((a, b) => b.endUs - b.startUs - (a.endUs - a.startUs))
    .slice(0, maxGaps)
    .toSorted((a, b) => a.startUs - b.startUs);
  if (gaps.length === 0) return [];
  return [
    '',
    ...gaps.map((gap) =>
      coloured(
        'yellow',
        shortened(
          `gap: at ${formatUs(gap.startUs - startUs)} nothing ran for ${formatUs(gap.endUs - gap.startUs)}, until ${gap.next.service} ${gap.next.name}`,
          width,
        ),
      ),
    ),
  ];
}

function lookLine(looks: readonly Spans[]): string {
  const names = Map.groupBy(looks, (trace) => treeOf(trace).span.name);
  const told = [...names].map(([name, of]) => `${of.length} × ${name}`).join(', ');
  return coloured('dim', `linked, and changed nothing: ${told}`);
}
