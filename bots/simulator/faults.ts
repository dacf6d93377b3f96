import type { Item, ReturnTask, ShopTask } from '../sdk/index.ts';
import { draw } from './random.ts';

/** Rates and shares are 0 to 1. */
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
  /** Kinds of which no revision is taken, and revisions that are not: `shop@2`, or a digest. */
  readonly rejectKinds: readonly string[];
  readonly rejectRevisions: readonly string[];
  /** How many of the robots do so. */
  readonly rejectShare: number;
}

export const noFaults: FaultOptions = {
  shortSkus: [],
  shortRate: 0,
  slowRate: 0,
  crashRate: 0,
  disconnectRate: 0,
  rejectKinds: [],
  rejectRevisions: [],
  rejectShare: 1,
};

/** What goes wrong on one tour; the numbers count its legs, the one back to the depot included. */
export interface FaultPlan {
  /** 1 is normal. */
  readonly pace: number;
  readonly crashOnLeg: number | undefined;
  readonly disconnectOnLeg: number | undefined;
}

const slowPace = 1 / 3;

/** What is the same of a task in every run with one seed; ids are not. */
const contentOf = (task: ShopTask | ReturnTask): string =>
  task.stops
    .flatMap(({ storeName, items }) => items.map(({ sku, quantity }) => `${storeName}/${sku}*${quantity}`))
    .join(',');

/** What a robot sets out for. */
export type Errand = 'shop' | 'return';

/**
 * The same for the same seed, task and attempt. Another attempt has luck of its own, else a crash would meet every robot; and so has the return
 * of what was picked until a crash.
 */
export function planTour(
  seed: number,
  faults: FaultOptions,
  task: ShopTask | ReturnTask,
  attempt: number,
  errand: Errand = 'shop',
): FaultPlan {
  const content = contentOf(task);
  const luck = (fault: string) => draw(seed, errand === 'shop' ? fault : `${errand} ${fault}`, content, attempt);
  const happens = (fault: string, rate: number) => luck(fault) < rate;
  const legOf = (fault: string) => Math.floor(luck(`${fault} leg`) * (task.stops.length + 1));
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
