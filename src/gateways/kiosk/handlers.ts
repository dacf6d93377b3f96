import type { Logger } from 'pino';
import type { MessageName } from '../../contract/events.ts';
import { required } from '../../contract/message.ts';
import { subscriptions } from '../../contract/topology.ts';
import type { Money } from '../../gen/common/v1/common.ts';
import type { Handler, Handlers } from '../../role/messaging.ts';
import { addToTimeline, changeProduct, putProduct, putStore } from './store.ts';
import { timelineEntry } from './timeline.ts';

/** What Stores says of its products and itself; `stores.units_gone` is about an order. */
type CatalogueEvent = Exclude<Extract<MessageName, `stores.${string}`>, 'stores.units_gone'>;
type KioskHandlers = Handlers<'kiosk'>;

/** What the kiosk remembers of each event. `onTimeline` is told of an order whose time line has grown, after the commit. */
export function kioskHandlers(logger: Logger, onTimeline: (orderId: string) => void): KioskHandlers {
  const follow: Handler<MessageName> = async (event, tx) => {
    const entry = timelineEntry(event);
    await addToTimeline(tx.orm, entry);
    tx.afterCommit(() => onTimeline(entry.orderId));
    return [];
  };
  const everyEvent = Object.fromEntries(subscriptions.kiosk.map((name) => [name, follow]));
  return { ...everyEvent, ...catalogueHandlers(logger) } as KioskHandlers;
}

function catalogueHandlers(logger: Logger): { readonly [N in CatalogueEvent]: Handler<N> } {
  // A kiosk that joins a mall late has not heard of the products from before: their changes are not worth parking.
  const warnOfUnknown = (known: boolean, event: { name: string; body: { productId: string } }) => {
    if (!known)
      logger.warn({ event: event.name, productId: event.body.productId }, 'news of a product that was never added');
  };
  return {
    async 'stores.participation_changed'({ body: { storeId, name, participating, version } }, { orm }) {
      await putStore(orm, { storeId, name, participating, version });
      return [];
    },
    async 'stores.product_added'({ body: { productId, storeId, sku, name, price, stock, version } }, { orm }) {
      const { priceMinor, currency } = columnsOf(price);
      await putProduct(orm, { productId, storeId, sku, name, priceMinor, currency, stock, removed: false, version });
      return [];
    },
    async 'stores.price_changed'(event, { orm }) {
      const { productId, price, version } = event.body;
      warnOfUnknown(await changeProduct(orm, productId, { ...columnsOf(price), version }), event);
      return [];
    },
    async 'stores.stock_changed'(event, { orm }) {
      const { productId, stock, version } = event.body;
      warnOfUnknown(await changeProduct(orm, productId, { stock, version }), event);
      return [];
    },
    async 'stores.product_removed'(event, { orm }) {
      const { productId, version } = event.body;
      warnOfUnknown(await changeProduct(orm, productId, { removed: true, version }), event);
      return [];
    },
  };
}

function columnsOf(price: Money | undefined) {
  const { minor, currency } = required('price', price);
  return { priceMinor: minor, currency };
}
