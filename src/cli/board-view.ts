import { orderStateName } from '../gateways/order-view.ts';
import type { Board, BoardBay, BoardBot, BoardOrder } from '../gen/staff/v1/staff.ts';
import { shortId } from './staff-order-id.ts';

/** Words for a state that both the board and its changes have. */
export function stateOf({ state, paid, items, picked, short, botId }: BoardOrder): string {
  const name = orderStateName(state);
  if (name === 'ready' && paid) return 'collectable';
  if (name !== 'placed') return name;
  if (picked + short >= items) return botId === '' ? 'at the depot' : 'on its way back';
  if (botId === '') return 'waits for a bot';
  return picked > 0 ? 'being picked' : 'with a bot';
}

export const itemsOf = ({ items, picked, short }: BoardOrder): string =>
  `${picked}/${items - short}${short > 0 ? ` -${short}` : ''}`;

export const workOf = ({ tasks }: BoardBot): string =>
  tasks.map(({ kind, orderId, state }) => `${kind} ${shortId(orderId)}${suspicious(state)}`).join(', ');

const suspicious = (state: string): string =>
  ['SUSPECT', 'CANCELLING', 'OFFERED'].includes(state) ? ` (${state.toLowerCase()})` : '';

export const chargeOf = ({ batteryPercent }: BoardBot): string =>
  batteryPercent === undefined ? '' : `${batteryPercent} %`;

/** Things of the board by what they are and are called, as programs see them. */
export function thingsOf(board: Board): Map<string, BoardThing> {
  const things: BoardThing[] = [
    ...board.bays.map(bayThing),
    ...board.orders.map(orderThing),
    ...board.bots.map(botThing),
    ...board.unreachable.map((name) => ({
      what: 'service' as const,
      name,
      reachable: false,
      told: `cannot be reached`,
    })),
  ];
  return new Map(things.map((thing) => [`${thing.what} ${thing.name}`, thing]));
}

export interface BoardThing {
  readonly what: 'bay' | 'order' | 'bot' | 'service';
  readonly name: string;
  /** The rest of its line for people. What is different in it is a change. */
  readonly told: string;
  readonly [field: string]: unknown;
}

const bayThing = ({ bay, orderId, shopper, paid, since }: BoardBay): BoardThing => ({
  ...{ what: 'bay', name: bay, orderId, shopper, paid, since: since?.toISOString() ?? null },
  told: `${shortId(orderId)} of ${shopper || 'somebody'}, ${paid ? 'paid' : 'not paid'}`,
});

const orderThing = (order: BoardOrder): BoardThing => {
  const { orderId, shopper, state, paid, bay, botId, items, picked, short } = order;
  const at = [bay && `bay ${bay}`, botId, paid ? 'paid' : ''].filter(Boolean).join(', ');
  return {
    ...{ what: 'order', name: orderId, shopper, state: orderStateName(state), paid, bay: bay || null },
    ...{ botId: botId || null, items, picked, short, placedAt: order.placedAt?.toISOString() ?? null },
    told: `of ${shopper}: ${stateOf(order)}, ${itemsOf(order)} items${at ? `, ${at}` : ''}`,
  };
};

// Without the charge: it changes all the time.
const botThing = (bot: BoardBot): BoardThing => ({
  ...{ what: 'bot', name: bot.botId, session: bot.sessionState.toLowerCase() },
  ...{ batteryPercent: bot.batteryPercent ?? null, tasks: bot.tasks.map(({ _unknownFields: _, ...task }) => task) },
  told: `${bot.sessionState.toLowerCase()}${bot.tasks.length > 0 ? `, ${workOf(bot)}` : ', idle'}`,
});
