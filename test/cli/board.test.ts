import fc from 'fast-check';
import columnsOf from 'string-width';
import { describe, expect, it } from 'vitest';
import { boardChanges, changeJson, changeText } from '../../src/cli/board-changes.ts';
import { boardScreen } from '../../src/cli/board-screen.ts';
import { stateOf } from '../../src/cli/board-view.ts';
import { OrderState } from '../../src/gen/orders/v1/orders.ts';
import { Board, type BoardBay, type BoardBot, type BoardOrder } from '../../src/gen/staff/v1/staff.ts';

const at = new Date('2026-01-05T10:00:00Z');
const id = (end: string) => `0199c1f0-7c1e-7d0a-8a52-0d6f${end}`;
const order = (given: Partial<BoardOrder> = {}) => ({
  ...{ orderId: id('11c2b1aa'), shopper: 'Ada', state: OrderState.PLACED, items: 3, picked: 1, botId: 'bot-1' },
  ...given,
});
const bay: Partial<BoardBay> = { bay: 'B1', orderId: id('11c2b1aa'), shopper: 'Ada', since: at };
const bot = (given: Partial<BoardBot> = {}) => ({
  botId: 'bot-1',
  sessionState: 'READY',
  batteryPercent: 76,
  ...given,
});
const board = (given: { bays?: object[]; orders?: object[]; bots?: object[]; unreachable?: string[] }) =>
  Board.fromPartial({ at, ...given } as Parameters<typeof Board.fromPartial>[0]);

describe('the board on a screen', () => {
  // What libraries and terminals agree on the width of.
  const character = fc.constantFrom('a', 'W', ' ', 'é', '漢', '한', '😀');
  const name = fc.array(character, { minLength: 1, maxLength: 60 }).map((characters) => characters.join(''));
  const count = (most: number) => fc.nat(most);

  it('is never wider nor higher than the screen', () => {
    fc.assert(
      fc.property(
        fc.record({ columns: fc.integer({ min: 70, max: 220 }), rows: fc.integer({ min: 1, max: 60 }) }),
        fc.tuple(count(20), count(30), count(30), name, name, fc.boolean()),
        (size, [bays, orders, bots, shopper, botId, isLost]) => {
          const full = board({
            bays: Array.from({ length: bays }, () => ({ ...bay, shopper })),
            orders: Array.from({ length: orders }, () => order({ shopper, botId })),
            bots: Array.from({ length: bots }, () => bot({ botId })),
            unreachable: ['orders', 'depot', 'hub'],
          });
          const lines = boardScreen(full, size, new Date(), isLost ? 'not live' : '').split('\n');
          expect(lines.length).toBeLessThanOrEqual(size.rows);
          expect(Math.max(...lines.map((line) => columnsOf(line)))).toBeLessThanOrEqual(size.columns);
        },
      ),
      { numRuns: 30 },
    );
  });

  it('gives each part its share, and says how much more there is', () => {
    const text = boardScreen(
      board({ bays: [bay], orders: Array.from({ length: 30 }, () => order()), bots: [bot(), bot({ botId: 'bot-2' })] }),
      { columns: 80, rows: 23 },
      at,
    );
    expect(text.match(/11c2b1aa +Ada +being picked/g)).toHaveLength(12);
    expect(text).toContain('and 18 more');
    expect(text).toMatch(/^bot-2 /m);
  });

  it('says so where there is nothing', () => {
    const text = boardScreen(board({}), { columns: 80, rows: 23 }, at);
    expect(text).toMatch(/nothing waits in a bay[\s\S]*no order is open[\s\S]*no bot is connected/);
  });
});

describe('an order on the board', () => {
  it.each([
    [{ botId: '', picked: 0 }, 'waits for a bot'],
    [{ picked: 0 }, 'with a bot'],
    [{ picked: 2 }, 'being picked'],
    [{ picked: 2, short: 1 }, 'on its way back'],
    [{ picked: 2, short: 1, botId: '' }, 'at the depot'],
    [{ state: OrderState.READY, picked: 3 }, 'ready'],
    [{ state: OrderState.READY, picked: 3, paid: true }, 'collectable'],
    [{ state: OrderState.CANCELLING }, 'cancelling'],
  ])('%j %s', (given, told) => {
    expect(stateOf(board({ orders: [order(given)] }).orders[0]!)).toBe(told);
  });
});

describe('the changes of a board', () => {
  const told = (before: Board | undefined, after: Board) =>
    boardChanges(before, after).map((change) => changeText(change, at).replace(/^\S+ +/, ''));

  it('are all that is on it, then what is otherwise, new or gone', () => {
    const first = board({ orders: [order()], bots: [bot()] });
    expect(told(undefined, first)).toEqual([
      'order 11c2b1aa of Ada: being picked, 1/3 items, bot-1',
      'bot bot-1 ready, idle',
    ]);
    expect(told(first, first)).toEqual([]);
    const second = board({
      bays: [bay],
      orders: [order({ state: OrderState.READY, picked: 3, bay: 'B1', botId: '' })],
      bots: [bot({ batteryPercent: 75 })],
      unreachable: ['hub'],
    });
    expect(told(first, second)).toEqual([
      'bay B1 11c2b1aa of Ada, not paid',
      'order 11c2b1aa of Ada: ready, 3/3 items, bay B1',
      'service hub cannot be reached',
    ]);
    expect(told(second, board({}))).toEqual([
      'bay B1 free',
      'order 11c2b1aa closed',
      'bot bot-1 has left',
      'service hub is back',
    ]);
  });

  it('are a JSON object each for programs', () => {
    const [change] = boardChanges(undefined, board({ orders: [order()] }));
    expect(JSON.parse(changeJson(change!, at))).toEqual({
      ...{ at: at.toISOString(), what: 'order', name: id('11c2b1aa'), gone: false },
      ...{ shopper: 'Ada', state: 'placed', paid: false, bay: null, botId: 'bot-1' },
      ...{ items: 3, picked: 1, short: 0, placedAt: null },
    });
  });
});
