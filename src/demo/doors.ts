import { pause } from '../kit/backoff.ts';
import { KioskClient } from './kiosk-client.ts';
import { drawMall, type Mall } from './mall.ts';
import { openMall } from './open-mall.ts';
import type { BotsOnStage, Stage } from './stage.ts';

const pollMs = 200;

/** What shoppers find. */
export interface OpenDoors {
  readonly mall: Mall;
  readonly kiosk: KioskClient;
}

/**
 * Opens the stores of a new mall, sends the bots in, and lets the first shopper in when the kiosk has the whole catalogue. The bots find
 * the mall's misplaced products short unless they are told what else.
 */
export async function openDoors(
  stage: Stage,
  bots: Omit<BotsOnStage, 'shortSkus'> & Partial<BotsOnStage>,
  signal: AbortSignal,
): Promise<OpenDoors> {
  const { address } = stage.config;
  const mall = drawMall(bots.seed);
  const { misplacedSkus } = await openMall(mall, address.stores);
  stage.startBots({ shortSkus: misplacedSkus, ...bots });
  const kiosk = new KioskClient(address.kiosk, signal);
  // The kiosk and Orders keep their own copies of the catalogue.
  while (!signal.aborted) {
    const { products } = await kiosk.products();
    if (products.length === productCount(mall)) break;
    await pause(pollMs, signal);
  }
  return { mall, kiosk };
}

export const productCount = ({ stores }: Mall): number =>
  stores.reduce((sum, { products }) => sum + products.length, 0);
