import { formatMoney } from '../contract/money.ts';
import type { Happening, Timeline } from '../gen/analytics/v1/analytics.ts';
import type { OrderSheet } from '../gen/staff/v1/staff.ts';
import { coloured, counted, writeLine } from './output.ts';
import { shortId } from './staff-order-id.ts';

/** What the events call by ids. */
interface Names {
  readonly shopper: string;
  readonly product: (lineId: string) => string;
  readonly store: (storeId: string) => string;
}

/** What happened to an order, a line each, under the day that it happened on. */
export function writeTimeline(sheet: OrderSheet): void {
  const { order, list, timeline } = sheet;
  if (!order) return;
  if (!timeline) {
    writeLine('time line: not known now; start "mallbots analytics" or try again');
    return;
  }
  const products = new Map(order.lines.map(({ lineId, name }) => [lineId, name]));
  const stores = new Map(list?.stops.map(({ storeId, storeName }) => [storeId, storeName]));
  const names: Names = {
    shopper: order.shopper,
    product: (lineId) => products.get(lineId) ?? shortId(lineId),
    store: (storeId) => stores.get(storeId) ?? shortId(storeId),
  };
  for (const [day, happenings] of Map.groupBy(timeline.happenings, ({ at }) => dayOf(at))) {
    writeLine(`time line, ${day}`);
    for (const happening of happenings) {
      writeLine(`  ${coloured('dim', timeOf(happening.at))}  ${tell(happening, names)}`);
    }
  }
}

// Local time, as the clock on the wall has it.
const dayOf = (at: Date | undefined): string => at?.toLocaleDateString('sv-SE') ?? '';
const timeOf = (at: Date | undefined): string => at?.toLocaleTimeString('en-GB') ?? '';

function tell(happening: Happening, names: Names): string {
  const { name, botId, bay, quantity, attempt, kind } = happening;
  const because = happening.reason === '' ? '' : ` (${happening.reason})`;
  const sum = happening.amount ? formatMoney(happening.amount) : 'money';
  const items = `${quantity} x ${names.product(happening.lineId)}`;
  const store = names.store(happening.storeId);
  const isReturn = kind.startsWith('return');
  switch (name) {
    case 'orders.placed':
      return `${names.shopper} orders ${counted(quantity, 'item')} for ${sum}`;
    case 'orders.ready':
      return `ready in bay ${bay}`;
    case 'orders.collectable':
      return coloured('green', `ready and paid, in bay ${bay}`);
    case 'orders.pickup_refused':
      return coloured('yellow', `wrong code at the desk, ${quantity} in a row${because}`);
    case 'orders.identity_checked':
      return `no code: staff have seen who the shopper is${because}`;
    case 'orders.completed':
      return coloured('green', 'handed over');
    case 'orders.cancellation_requested':
      return coloured('yellow', `to be cancelled${because}`);
    case 'orders.cancelled':
      return coloured('red', `cancelled${because}`);
    case 'orders.rejected':
      return coloured('red', `rejected${because}`);
    case 'payments.invoice_issued':
      return `invoice of ${sum}`;
    case 'payments.adjusted':
      return `${sum} off the invoice`;
    case 'payments.paid':
      return `${sum} paid`;
    case 'payments.refunded':
      return `${sum} given back${because}`;
    case 'payments.cancelled':
      return 'invoice void';
    case 'depot.list_created':
      return `planned: ${counted(quantity, 'store')} on the way`;
    case 'depot.list_stuck':
      return coloured('red', `no robot can do it${because}`);
    case 'depot.return_ended':
      return `${counted(quantity, 'item')} back in the stores${because}`;
    case 'bots.task_started':
      return `${botId} ${isReturn ? 'begins to bring items back' : 'sets out'}${attempt > 1 ? `, attempt ${attempt}` : ''}`;
    case 'bots.stop_reached':
      return `${botId} reaches ${store}`;
    case 'bots.item_picked':
      return `${botId} picks ${items}`;
    case 'bots.item_short':
      return coloured('yellow', `${botId} cannot find ${items}`);
    case 'bots.item_returned':
      return `${botId} puts ${items} back on the shelf`;
    case 'bots.task_succeeded':
      return `${botId} ${isReturn ? 'has nothing more to bring back' : 'is back at the depot'}`;
    case 'bots.task_failed':
      return coloured('red', `${botId} fails${because}`);
    case 'bots.task_lost':
      return coloured('yellow', `${botId} is lost${because}`);
    case 'bots.task_cancelled':
      return `${botId || 'no robot'} is to stop${because}`;
    default:
      // Of a newer Analytics.
      return `${name}${because}`;
  }
}

/** For programs: what an event does not say is left out. */
export const timelineView = ({ countedTo, happenings }: Timeline) => ({
  countedTo: countedTo?.toISOString() ?? null,
  happenings: happenings.map(({ eventId, name, at, position, amount, ...said }) => ({
    ...{ eventId, name, at: at?.toISOString() ?? null, position },
    ...Object.fromEntries(Object.entries(said).filter(([, value]) => value !== '' && value !== 0)),
    ...(amount && { amount: { minor: amount.minor, currency: amount.currency } }),
  })),
});
