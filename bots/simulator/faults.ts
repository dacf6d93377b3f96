import type { Item, ShopTask } from '../sdk/index.ts';
import { draw } from './random.ts';

/** Rates are 0 to 1. */
export interface FaultOptions {
  /** Their shelves are empty. */
  readonly shortSkus: readonly string[];
  /** How often a shelf holds one unit less than the line asks for. */
  readonly shortRate: number;
  /** How often a robot limps through a tour. */
  readonly slowRate: number;
  /** How often a robot loses its program and memory on a tour. */
  readonly crashRate: number;
  /** How often a robot loses its connection on a tour. */
  readonly disconnectRate: number;
}

export const noFaults: FaultOptions = { shortSkus: [], shortRate: 0, slowRate: 0, crashRate: 0, disconnectRate: 0 };

/** What goes wrong on one tour; the numbers count its legs, the one back to the depot included. */
export interface FaultPlan {
  /** 1 is normal. */
  readonly pace: number;
  readonly crashOnLeg: number | undefined;
  readonly disconnectOnLeg: number | undefined;
}

const slowPace = 1 / 3;

/** What is the same of a task in every run with one seed; ids are not. */
const contentOf = (task: ShopTask): string =>
  task.stops
    .flatMap(({ storeName, items }) => items.map(({ sku, quantity }) => `${storeName}/${sku}*${quantity}`))
    .join(',');

/** The same for the same seed, task and attempt. Another attempt has luck of its own, else a crash would meet every robot. */
export function planTour(seed: number, faults: FaultOptions, task: ShopTask, attempt: number): FaultPlan {
  const content = contentOf(task);
  const happens = (fault: string, rate: number) => draw(seed, fault, content, attempt) < rate;
  const legOf = (fault: string) => Math.floor(draw(seed, `${fault} leg`, content, attempt) * (task.stops.length + 1));
  return {
    pace: happens('slow', faults.slowRate) ? slowPace : 1,
    crashOnLeg: happens('crash', faults.crashRate) ? legOf('crash') : undefined,
    disconnectOnLeg: happens('disconnect', faults.disconnectRate) ? legOf('disconnect') : undefined,
  };
}

/** Units that the shelf holds of what `item` asks for: the same whoever looks. */
export function unitsOnShelf(seed: number, faults: FaultOptions, task: ShopTask, item: Item): number {
  if (faults.shortSkus.includes(item.sku)) return 0;
  const oneLess = draw(seed, 'short', contentOf(task), item.sku) < faults.shortRate;
  return oneLess ? Math.max(0, item.quantity - 1) : item.quantity;
}
