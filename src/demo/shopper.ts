import { closesOrder } from '../contract/events.ts';
import { type BackoffPolicy, backoffMs, pause } from '../kit/backoff.ts';
import { type KioskClient, type KioskOrder, KioskRefusal, type OrderEvent } from './kiosk-client.ts';
import { drawOrders, type Mall } from './mall.ts';

export interface ShopperPlan {
  readonly shopper: string;
  readonly currency: string;
  readonly lines: ReadonlyArray<{ productId: string; quantity: number }>;
  /** At the kiosk right after ordering, at the kiosk when the goods are there, or at the desk. */
  readonly pays: 'early' | 'late' | 'at the desk';
}

/** The shoppers of `drawOrders`: some pay early; of the others every second one does so at the desk. */
export const planShoppers = (seed: number, mall: Mall, count: number): ShopperPlan[] =>
  drawOrders(seed, mall, count).map(({ shopper, lines, paysEarly }, index) => {
    const late = index % 4 === 1 ? 'at the desk' : 'late';
    return { shopper, currency: mall.currency, lines, pays: paysEarly ? 'early' : late };
  });

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
  for await (const event of kiosk.events(order.orderId)) {
    events.happened(plan, order, event);
    if (event.name === 'orders.ready' && plan.pays === 'late') await pay(key, order, kiosk, signal);
    if (closesOrder(event.name)) break;
  }
  await payment;
}

/** Pays what is due, once; what is due may fall between looking and paying, because an item turned out short. */
async function pay(key: string, { orderId }: KioskOrder, kiosk: KioskClient, signal: AbortSignal): Promise<void> {
  for (let tries = 1; !signal.aborted; tries += 1) {
    const { invoice, state } = await kiosk.order(orderId);
    if (state === 'cancelled' || state === 'rejected' || invoice?.state === 'paid' || invoice?.state === 'cancelled')
      return;
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
