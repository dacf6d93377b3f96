import { stripVTControlCharacters, styleText } from 'node:util';
import Table from 'cli-table3';
import columnsOf from 'string-width';
import { readable } from '../contract/readable.ts';

type Style = Parameters<typeof styleText>[0];

/** Coloured where standard output is a terminal that wants it: not with NO_COLOR, not in a pipe. */
export const coloured = (style: Style, text: string): string => styleText(style, text, { stream: process.stdout });

/** As `readable` says, so that what a newer role adds to a message does not get out as bytes. */
export const writeJson = (value: unknown): boolean =>
  process.stdout.write(`${JSON.stringify(readable(value), null, 2)}\n`);

/** The same in one line, for an object of many. */
export const jsonLine = (value: unknown): string => JSON.stringify(readable(value));

export const writeLine = (line = ''): boolean => process.stdout.write(`${line}\n`);

/** Columns of one cell: with the widest of the other columns, a table stays within 80 columns. */
const maxCellColumns = 26;

const graphemes = new Intl.Segmenter();

/** `text`, cut to so many columns, between characters as people see them. */
export function shortened(text: string, most: number): string {
  if (most <= 0) return '';
  if (columnsOf(text) <= most) return text;
  let [kept, width] = ['', 0];
  for (const { segment } of graphemes.segment(text)) {
    width += columnsOf(segment);
    if (width > most - 1) break;
    kept += segment;
  }
  return `${kept}…`;
}

/** Whether it is this program's own colouring, which is short and not to be cut. */
const isColoured = (text: string): boolean => stripVTControlCharacters(text) !== text;

/** `text` as the cell of a table with so many columns. The library would cut a character in the middle, and takes long for it. */
export const cellOf = (text: string, columns: number): string => (isColoured(text) ? text : shortened(text, columns));

/** Columns where standard output is no terminal: what a page of documentation holds. */
const columnsOfNoTerminal = 100;
export const terminalColumns = (): number => process.stdout.columns || columnsOfNoTerminal;

/** Of each cell of a table, columns: a border and a blank on either side. */
const aroundCell = 3;
/** A column that has to give way to others keeps so much: what is cut shorter says nothing. */
const leastCellColumns = 4;

/** `widths` of columns that fit into `most` together: the widest give way. */
function fitted(widths: readonly number[], most: number): number[] {
  const fit = [...widths];
  for (let over = fit.reduce((sum, width) => sum + width, 0) - most; over > 0; over--) {
    const widest = Math.max(...fit);
    if (widest <= leastCellColumns) break;
    fit[fit.indexOf(widest)]! -= 1;
  }
  return fit;
}

/** Rows under `head`, one line each, and of each cell so many columns; on a terminal as wide as that at most. */
export function writeTable(
  head: readonly string[],
  rows: ReadonlyArray<readonly string[]>,
  maxColumns = maxCellColumns,
): void {
  const cells = rows.map((row) => row.map((text) => cellOf(text, maxColumns)));
  const widths = head.map((name, at) =>
    Math.max(...[name, ...cells.map((row) => row[at] ?? '')].map((text) => columnsOf(text))),
  );
  // A terminal that nobody has told its size says 0.
  const room = (process.stdout.columns || Number.POSITIVE_INFINITY) - 1 - aroundCell * head.length;
  const fit = fitted(widths, room);
  const table = new Table({
    // The library counts the blanks in.
    colWidths: fit.map((width) => width + 2),
    head: head.map((name) => coloured('bold', name)),
    // The library's own colours do not ask whether anybody wants them.
    style: { head: [], border: [], compact: true },
  });
  table.push(...cells.map((row) => row.map((text, at) => cellOf(text, fit[at] ?? maxColumns))));
  writeLine(table.toString());
}

/** "1 item", "2 items". */
export const counted = (count: number, what: string): string => `${count} ${what}${count === 1 ? '' : 's'}`;

/** The time since `since` in its two largest units: "3m 12s". */
export function formatAge(since: Date, now: Date): string {
  const seconds = Math.max(0, Math.floor((now.getTime() - since.getTime()) / 1_000));
  const parts = [
    [Math.floor(seconds / 86_400), 'd'],
    [Math.floor(seconds / 3_600) % 24, 'h'],
    [Math.floor(seconds / 60) % 60, 'm'],
    [seconds % 60, 's'],
  ] as const;
  const first = parts.findIndex(([count]) => count > 0);
  if (first === -1) return '0s';
  return parts
    .slice(first, first + 2)
    .map(([count, unit]) => `${count}${unit}`)
    .join(' ');
}

/** "850 ms", "5.20 s", "3m 12s". */
export function formatDuration(ms: number): string {
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${(ms / 1_000).toPrecision(3)} s`;
  return formatAge(new Date(0), new Date(ms));
}
