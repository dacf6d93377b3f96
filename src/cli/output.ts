import { stripVTControlCharacters, styleText } from 'node:util';
import Table from 'cli-table3';

type Style = Parameters<typeof styleText>[0];

/** Coloured where standard output is a terminal that wants it: not with NO_COLOR, not in a pipe. */
export const coloured = (style: Style, text: string): string => styleText(style, text, { stream: process.stdout });

export const writeJson = (value: unknown): boolean => process.stdout.write(`${JSON.stringify(value, null, 2)}\n`);

export const writeLine = (line = ''): boolean => process.stdout.write(`${line}\n`);

/** Characters of one cell: with the widest of the other columns, a table stays within 80 columns. */
const maxCellChars = 26;

const graphemes = new Intl.Segmenter();

/** `text`, cut to so many characters. */
export function shortened(text: string, maxChars: number): string {
  if (maxChars <= 0) return '';
  if (text.length <= maxChars) return text;
  const characters = Array.from(graphemes.segment(text), ({ segment }) => segment);
  return characters.length > maxChars ? `${characters.slice(0, maxChars - 1).join('')}…` : text;
}

/** Columns where standard output is no terminal: what a page of documentation holds. */
const columnsOfNoTerminal = 100;
export const terminalColumns = (): number => process.stdout.columns || columnsOfNoTerminal;

/** Rows under `head`, one line each, and of each cell so many characters. */
export function writeTable(
  head: readonly string[],
  rows: ReadonlyArray<readonly string[]>,
  maxChars = maxCellChars,
): void {
  // What this program coloured is its own and short.
  const cell = (text: string) => (stripVTControlCharacters(text) === text ? shortened(text, maxChars) : text);
  const table = new Table({
    head: head.map((name) => coloured('bold', name)),
    // The library's own colours do not ask whether anybody wants them.
    style: { head: [], border: [], compact: true },
  });
  table.push(...rows.map((row) => row.map(cell)));
  writeLine(table.toString());
}

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
