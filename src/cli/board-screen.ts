import Table from 'cli-table3';
import columnsOf from 'string-width';
import type { Board } from '../gen/staff/v1/staff.ts';
import { chargeOf, itemsOf, stateOf, workOf } from './board-view.ts';
import { cellOf, coloured, formatAge, shortened } from './output.ts';
import { shortId } from './staff-order-id.ts';

/** From so many columns on the robots stand beside the rest. */
const columnsForTwo = 110;
/** Of the screen that has two halves, for bays and orders; what is left is the robots'. */
const leftShare = 0.58;
/** Behind each cell. */
const blank = 1;

interface Section {
  /** Name and width of each column; width 0 takes what is left. */
  readonly head: ReadonlyArray<readonly [string, number]>;
  readonly rows: ReadonlyArray<readonly string[]>;
  readonly none: string;
}

export interface Screen {
  readonly columns: number;
  readonly rows: number;
}

/** The board as text of so many columns and no more than so many rows. `note` is said on top: that it is not live, for example. */
export function boardScreen(board: Board, { columns, rows }: Screen, now: Date, note = ''): string {
  const sections = [baysOf(board, now), ordersOf(board, now), botsOf(board)] as const;
  const top = topOf(board, columns, now, note);
  const height = rows - top.length;
  return [...top, ...(columns < columnsForTwo ? fitted(sections, columns, height) : halves(sections, columns, height))]
    .slice(0, rows)
    .join('\n');
}

function halves([bays, orders, bots]: readonly [Section, Section, Section], columns: number, height: number): string[] {
  const left = Math.floor(columns * leftShare);
  const lines = fitted([bays, orders], left - blank, height);
  const beside = fitted([bots], columns - left, height);
  return Array.from({ length: Math.max(lines.length, beside.length) }, (_, at) => {
    const line = lines[at] ?? '';
    return `${line}${' '.repeat(Math.max(0, left - columnsOf(line)))}${beside[at] ?? ''}`;
  });
}

function topOf({ bays, orders, bots, unreachable }: Board, columns: number, now: Date, note: string): string[] {
  const atWork = bots.filter(({ tasks }) => tasks.length > 0).length;
  const counts = `bays taken ${bays.length}, orders open ${orders.length}, bots at work ${atWork} of ${bots.length}`;
  const told =
    note || (unreachable.length > 0 ? `as it was last, since they cannot be asked: ${unreachable.join(', ')}` : '');
  const title = shortened(`${now.toLocaleTimeString('en-GB')}  ${counts}`, columns);
  return [coloured('bold', title), ...(told === '' ? [] : [coloured('yellow', shortened(told, columns))])];
}

const baysOf = ({ bays }: Board, now: Date): Section => ({
  head: [
    ['bay', 6],
    ['order', 10],
    ['shopper', 0],
    ['money', 7],
    ['waiting', 8],
  ],
  rows: bays.map(({ bay, orderId, shopper, paid, since }) => [
    ...[bay, shortId(orderId), shopper, paid ? coloured('green', 'paid') : coloured('yellow', 'due')],
    since ? formatAge(since, now) : '',
  ]),
  none: 'nothing waits in a bay',
});

const ordersOf = ({ orders }: Board, now: Date): Section => ({
  head: [
    ['order', 10],
    ['shopper', 0],
    ['state', 17],
    ['items', 9],
    ['bot', 9],
    ['placed', 8],
  ],
  rows: orders.map((order) => [
    ...[shortId(order.orderId), order.shopper, stateOf(order), itemsOf(order), order.botId],
    order.placedAt ? formatAge(order.placedAt, now) : '',
  ]),
  none: 'no order is open',
});

const botsOf = ({ bots }: Board): Section => ({
  head: [
    ['bot', 14],
    ['session', 10],
    ['charge', 8],
    ['does', 0],
  ],
  rows: bots.map((bot) => [
    bot.botId,
    coloured(bot.sessionState === 'READY' ? 'green' : 'yellow', bot.sessionState.toLowerCase()),
    chargeOf(bot),
    workOf(bot),
  ]),
  none: 'no bot is connected',
});

/** The sections below each other, each with as many rows as there is room for when all get their share. */
function fitted(sections: readonly Section[], columns: number, height: number): string[] {
  // A head, and a line before it.
  let room = height - 2 * sections.length;
  const shown = sections.map(() => 0);
  const smallestFirst = sections
    .map((_, at) => at)
    .toSorted((a, b) => sections[a]!.rows.length - sections[b]!.rows.length);
  for (const [done, at] of smallestFirst.entries()) {
    shown[at] = Math.max(
      0,
      Math.min(Math.max(1, sections[at]!.rows.length), Math.floor(room / (sections.length - done))),
    );
    room -= shown[at]!;
  }
  return sections.flatMap((section, at) => ['', ...linesOf(section, columns, shown[at]!)]);
}

function linesOf({ head, rows, none }: Section, columns: number, room: number): string[] {
  const fixed = head.reduce((sum, [, width]) => sum + width, 0);
  const widths = head.map(([, width]) => width || Math.max(2, columns - fixed));
  const table = plainTable(widths);
  table.push(head.map(([name]) => coloured('bold', name)));
  const whole = rows.length <= room;
  table.push(
    ...rows
      .slice(0, whole ? room : Math.max(0, room - 1))
      .map((row) => row.map((text, at) => cellOf(text, widths[at]! - blank))),
  );
  const last = whole ? [] : [coloured('dim', `and ${rows.length - Math.max(0, room - 1)} more`)];
  const empty = rows.length === 0 && room > 0 ? [coloured('dim', none)] : [];
  return [...table.toString().split('\n'), ...empty, ...(room > 0 ? last : [])];
}

const noBorder = {
  top: '',
  'top-mid': '',
  'top-left': '',
  'top-right': '',
  bottom: '',
  'bottom-mid': '',
  'bottom-left': '',
  'bottom-right': '',
  left: '',
  'left-mid': '',
  mid: '',
  'mid-mid': '',
  right: '',
  'right-mid': '',
  middle: '',
};

const plainTable = (colWidths: number[]) =>
  new Table({
    chars: noBorder,
    colWidths,
    style: { head: [], border: [], 'padding-left': 0, 'padding-right': blank },
  });
