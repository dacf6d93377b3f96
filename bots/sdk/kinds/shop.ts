import { ShopProgress, ShopResult, ShopTask } from '../../../src/gen/kinds/shop/v1/shop.ts';
import { kinds } from '../../../src/gen/kinds.ts';
import { defineKind } from '../kind.ts';

export type { Item, LineOutcome, Place, Stop } from '../../../src/gen/kinds/shop/v1/shop.ts';
export type { ShopProgress, ShopResult, ShopTask };

/** Walk to the stores of one order, pick its items, bring them to the depot. */
export const shopKind = defineKind<ShopTask, ShopProgress, ShopResult>({
  ...kinds.shop,
  task: ShopTask,
  progress: ShopProgress,
  result: ShopResult,
});
