import { closesOrder } from '../contract/events.ts';
import { type BackoffPolicy, backoffMs, pause } from '../kit/backoff.ts';
import { type KioskClient, type KioskOrder, KioskRefusal, type OrderEvent } from './kiosk-client.ts';
import { drawOrders, type Mall } from './mall.ts';
import { SeededRandom } from './seeded.ts';

export interface ShopperPlan {
  readonly shopper: string;
  readonly currency: string;
  readonly lines: ReadonlyArray<{ productId: string; quantity: number }>;
  /** At the kiosk right after ordering, at the kiosk when the goods are there, or at the desk. */
  readonly pays: 'early' | 'late' | 'at the desk';
  /** Undefined for who wants the goods. */
  readonly cancels?: 'right away' | 'while a bot picks' | 'when it is ready' | undefined;
}

const cancelMoments = ['right away', 'while a bot picks', 'when it is ready'] as const;

/**
 * The shoppers of `drawOrders`: some pay early; of the others every second one does so at the desk. `cancelRate` (0 to 1) of them change their minds, at one
 * moment or another.
 */
export function planShoppers(seed: number, mall: Mall, count: number, cancelRate = 0): ShopperPlan[] {
  const random = new SeededRandom(seed ^ 0x0ca9_ce11);
  return drawOrders(seed, mall, count).map(({ shopper, lines, paysEarly }, index) => {
    const late = index % 4 === 1 ? 'at the desk' : 'late';
    const [changesMind, when] = [random.next() < cancelRate, random.whole(0, cancelMoments.length - 1)];
    const cancels = changesMind ? cancelMoments[when] : undefined;
    return { shopper, currency: mall.currency, lines, pays: paysEarly ? 'early' : late, cancels };
  });
}

export interface ShopperEvents {
  placed(plan: ShopperPlan, order: KioskOrder): void;
  happened(plan: ShopperPlan, order: KioskOrder, event: OrderEvent): void;
}

/** The invoice is issued a moment after the order, by another service. */
const invoiceBackoff: BackoffPolicy = { firstMs: 50, maxMs: 1_000, factor: 1.5 };

/** One shopper from the order to its end, through the kiosk alone. */
export async function shop(
  key: string,
  plan: ShopperPlan,
  kiosk: KioskClient,
  events: ShopperEvents,
  signal: AbortSignal,
): Promise<void> {
  const { shopper, currency, lines } = plan;
  const order = await kiosk.placeOrder(`${key}-order`, { shopper, currency, lines });
  events.placed(plan, order);
  const payment = plan.pays === 'early' ? pay(key, order, kiosk, signal) : Promise.resolve();
  const cancellation = plan.cancels === 'right away' ? cancel(key, order, kiosk) : Promise.resolve();
  for await (const event of kiosk.events(order.orderId)) {
    events.happened(plan, order, event);
    if (event.name === cancelsAfter(plan)) await cancel(key, order, kiosk);
    else if (event.name === 'orders.ready' && plan.pays === 'late') await pay(key, order, kiosk, signal);
    if (closesOrder(event.name)) break;
  }
  await Promise.all([payment, cancellation]);
}

function cancelsAfter({ cancels }: ShopperPlan): string | undefined {
  if (cancels === 'while a bot picks') return 'bots.item_picked';
  return cancels === 'when it is ready' ? 'orders.ready' : undefined;
}

/** Whoever comes too late keeps the goods. */
async function cancel(key: string, { orderId }: KioskOrder, kiosk: KioskClient): Promise<void> {
  try {
    await kiosk.cancel(`${key}-cancellation`, orderId, 'changed my mind');
  } catch (error) {
    if (!(error instanceof KioskRefusal && error.reason === 'ORDER_COMPLETED')) throw error;
  }
}

const isUnwanted = (state: string): boolean => ['cancelling', 'cancelled', 'rejected'].includes(state);

/** Pays what is due, once; what is due may fall between looking and paying, because an item turned out short. */
async function pay(key: string, { orderId }: KioskOrder, kiosk: KioskClient, signal: AbortSignal): Promise<void> {
  for (let tries = 1; !signal.aborted; tries += 1) {
    const { invoice, state } = await kiosk.order(orderId);
    if (isUnwanted(state) || invoice?.state === 'paid' || invoice?.state === 'cancelled') return;
    if (invoice) {
      try {
        await kiosk.pay(`${key}-payment-${invoice.due.minor}`, orderId, invoice.due);
        return;
      } catch (error) {
        if (!(error instanceof KioskRefusal)) throw error;
      }
    }
    await pause(backoffMs(invoiceBackoff, tries, Math.random()), signal);
  }
}
