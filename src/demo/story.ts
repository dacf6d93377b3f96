import { formatMoney } from '../contract/money.ts';
import { kinds } from '../gen/kinds.ts';
import type { Money, OrderEvent } from './kiosk-client.ts';

/** The events' own words, as the time line of the kiosk carries them; each event has some of them. */
interface Told {
  task?: { botId?: string; kind?: string };
  quantity?: number;
  storeId?: string;
  bay?: string;
  amount?: Money;
  reduction?: Money;
  reason?: string;
  requestedBy?: string;
}

interface Line {
  readonly who: string;
  readonly what: string;
}

export interface Names {
  readonly shopper: string;
  /** The product that the event is about. */
  product(): string;
  store(storeId: string): string;
}

/** One event of an order as who did what; undefined for what a reader of the story would not miss. */
export function tell({ name, data }: OrderEvent, names: Names): Line | undefined {
  const told = data as Told;
  const bot = told.task?.botId ?? 'a bot';
  if (told.task?.kind === kinds.return.kind) return tellReturn(name, told, bot, names);
  const whose = `${names.shopper}'s`;
  switch (name) {
    case 'bots.task_started':
      return { who: bot, what: `sets out with ${whose} list` };
    case 'bots.stop_reached':
      return { who: bot, what: `reaches ${names.store(told.storeId ?? '')}` };
    case 'bots.item_picked':
      return { who: bot, what: `picks ${told.quantity} × ${names.product()} for ${names.shopper}` };
    case 'bots.item_short':
      return { who: bot, what: `cannot find ${told.quantity} × ${names.product()} for ${names.shopper}` };
    case 'bots.task_lost':
      return { who: 'hub', what: `takes ${whose} list from ${bot}, which is gone, and gives it to another bot` };
    case 'bots.task_failed':
      return { who: 'hub', what: `gives ${whose} list up: ${told.reason}` };
    case 'bots.task_cancelled':
      return { who: 'hub', what: `ends ${whose} list: ${told.reason}` };
    case 'bots.task_succeeded':
      return { who: bot, what: `is back at the depot with ${whose} goods` };
    case 'depot.bay_assigned':
      return { who: 'depot', what: `puts ${whose} goods in bay ${told.bay}` };
    case 'payments.paid':
      return { who: names.shopper, what: `pays ${formatMoney(told.amount!)}` };
    case 'payments.adjusted':
      return { who: 'payments', what: `takes ${formatMoney(told.reduction!)} off ${whose} invoice` };
    case 'payments.refunded':
      return { who: 'payments', what: `gives ${formatMoney(told.amount!)} back to ${names.shopper}` };
    case 'orders.collectable':
      return { who: 'orders', what: `${whose} order is ready and paid` };
    case 'orders.pickup_refused':
      return { who: 'desk', what: `is shown a wrong code for ${whose} order` };
    case 'orders.identity_checked':
      return { who: 'desk', what: `knows ${names.shopper} without a code: ${told.reason}` };
    case 'orders.completed':
      return { who: 'desk', what: `hands ${whose} order over` };
    case 'orders.cancellation_requested':
      return {
        who: told.requestedBy === 'staff' ? 'desk' : names.shopper,
        what: `wants no goods any more: ${told.reason}`,
      };
    case 'orders.cancelled':
      return { who: 'orders', what: `cancels ${whose} order: ${told.reason}` };
    case 'orders.rejected':
      return { who: 'orders', what: `rejects ${whose} order: ${told.reason}` };
    default:
      return undefined;
  }
}

/** Of a bot that brings back what it had picked before its attempt came to nothing. */
function tellReturn(name: string, told: Told, bot: string, names: Names): Line | undefined {
  const goods = `what it had for ${names.shopper}`;
  switch (name) {
    case 'bots.task_started':
      return { who: bot, what: `sets out to bring back ${goods}` };
    case 'bots.stop_reached':
      return { who: bot, what: `reaches ${names.store(told.storeId ?? '')}` };
    case 'bots.item_returned':
      return { who: bot, what: `puts ${told.quantity} × ${names.product()} back on the shelf` };
    case 'bots.task_lost':
      return { who: 'hub', what: `waits for ${bot}, which is gone with ${goods}` };
    case 'bots.task_succeeded':
      return { who: bot, what: `has brought back ${goods}` };
    case 'bots.task_failed':
    case 'bots.task_cancelled':
      return { who: 'hub', what: `waits no longer for ${bot} and ${goods}: ${told.reason}` };
    default:
      return undefined;
  }
}
