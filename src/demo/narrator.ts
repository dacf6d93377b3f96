import { formatMoney } from '../contract/money.ts';
import type { SupervisorEvents } from '../runtime/supervisor.ts';
import type { Mall } from './mall.ts';
import type { ShopperEvents } from './shopper.ts';
import { type Names, tell } from './story.ts';

export type Say = (line: string) => void;

/** Width of the column that says who. */
const whoWidth = 9;

/** Tells the demo, a line per step: when, who, what. */
export class Narrator implements SupervisorEvents {
  readonly #say: Say;
  readonly #startedAt: number;

  constructor(say: Say, startedAt: number) {
    this.#say = say;
    this.#startedAt = startedAt;
  }

  say(who: string, what: string): void {
    const seconds = ((Date.now() - this.#startedAt) / 1_000).toFixed(1).padStart(6);
    this.#say(`${seconds} s  ${who.padEnd(whoWidth)} ${what}`);
  }

  started(name: string, pid: number): void {
    this.say(name, `starts (pid ${pid})`);
  }

  died(name: string, how: string, restartInMs: number): void {
    this.say(name, `is gone (${how}), comes back in ${restartInMs} ms`);
  }

  /** The shoppers' part, with names for the ids in their events. */
  cast(mall: Mall): ShopperEvents {
    const products = new Map(
      mall.stores.flatMap((store) => store.products.map(({ productId, name }) => [productId, name])),
    );
    const stores = new Map(mall.stores.map(({ storeId, name }) => [storeId, name]));
    return {
      placed: ({ shopper, lines, pays }, { total, pickupCode }) => {
        const items = lines.reduce((sum, { quantity }) => sum + quantity, 0);
        this.say(shopper, `orders ${items} items for ${formatMoney(total)}, will pay ${pays}, code ${pickupCode}`);
      },
      happened: ({ shopper }, _order, event) => {
        const productId = (event.data as { productId?: string }).productId ?? '';
        const names: Names = {
          shopper,
          product: () => products.get(productId) ?? 'something',
          store: (storeId) => stores.get(storeId) ?? 'a store',
        };
        const told = tell(event, names);
        if (told) this.say(told.who, told.what);
      },
    };
  }
}
