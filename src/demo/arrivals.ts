import { pause } from '../kit/backoff.ts';
import type { KioskClient } from './kiosk-client.ts';
import { type ShopperEvents, type ShopperPlan, shop } from './shopper.ts';

/** One shopper after the other at the kiosk, ms apart: a queue, and so that the story can be followed. */
const shopperEveryMs = 60;
/** Between two looks whether there is room in a mall that takes so many at a time. ms */
const lookEveryMs = 50;

export interface Arrivals {
  /** In the order in which they come. */
  readonly plans: readonly ShopperPlan[];
  /** So many come whatever happens, and more of `plans` while this says so. */
  readonly atLeast: number;
  readonly goesOn?: () => boolean;
  /** Shoppers whose orders are open at the same time; as many as come where it is not given. */
  readonly atOnce?: number;
}

/** Lets shoppers in, and resolves with how many came when the order of each has ended, or `signal` aborts. */
export async function letIn(
  { plans, atLeast, goesOn = () => false, atOnce = Number.POSITIVE_INFINITY }: Arrivals,
  kiosk: KioskClient,
  events: ShopperEvents,
  signal: AbortSignal,
): Promise<number> {
  const failed = Promise.withResolvers<never>();
  const visits: Promise<void>[] = [];
  let inside = 0;
  const come = async () => {
    for (const [index, plan] of plans.entries()) {
      while (inside >= atOnce && !signal.aborted) await pause(lookEveryMs, signal);
      if (signal.aborted || (index >= atLeast && !goesOn())) break;
      inside += 1;
      const visit = shop(`shopper-${index}`, plan, kiosk, events, signal)
        .catch((error: unknown) => {
          if (!signal.aborted) failed.reject(error);
        })
        .finally(() => {
          inside -= 1;
        });
      visits.push(visit);
      await pause(shopperEveryMs, signal);
    }
    await Promise.all(visits);
    return visits.length;
  };
  return Promise.race([come(), failed.promise]);
}
