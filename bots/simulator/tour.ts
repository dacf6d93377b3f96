import type { Item, LineOutcome, Place, ShopProgress, ShopResult, ShopTask, Step, Stop, Task } from '../sdk/index.ts';
import { depot } from './floor.ts';

/** What a tour needs of the robot that makes it. */
export interface Walker {
  /** Called before each leg: 0 leads to the first stop, the last one back to the depot. */
  setOut(leg: number): void;
  /** Resolves with the metres walked. */
  walkTo(place: Place): Promise<number>;
  /** Takes what the shelf holds of the item; resolves with the units. */
  pick(item: Item): Promise<number>;
  onStop(stop: Stop): void;
  onPicked(item: Item, outcome: LineOutcome): void;
}

/** One shopping tour: store by store, then to the depot. */
export async function tour(task: Task<ShopTask, ShopProgress>, walker: Walker): Promise<ShopResult> {
  const lines: LineOutcome[] = [];
  let walkedMetres = 0;
  const { stops } = task.payload;
  for (const [stopIndex, stop] of stops.entries()) {
    walker.setOut(stopIndex);
    await task.step('visit store', { 'mallbots.store_id': stop.storeId }, async (visit) => {
      walkedMetres += await walker.walkTo(stop.place ?? depot);
      await visit.progress({ step: { $case: 'stopReached', value: { storeId: stop.storeId, stopIndex } } });
      walker.onStop(stop);
      for (const item of stop.items) lines.push(await pickItem(visit, stop, item, walker));
    });
  }
  walker.setOut(stops.length);
  await task.step('walk to depot', {}, async () => {
    walkedMetres += await walker.walkTo(task.payload.depot ?? depot);
  });
  return { lines, walkedMetres };
}

/** A line can be picked and short at once: some units were there. */
function pickItem(visit: Step<ShopProgress>, { storeId }: Stop, item: Item, walker: Walker): Promise<LineOutcome> {
  return visit.step('pick item', { 'mallbots.sku': item.sku }, async (step) => {
    const { lineId, productId } = item;
    const picked = await walker.pick(item);
    const short = item.quantity - picked;
    const report = ($case: 'itemPicked' | 'itemShort', quantity: number) =>
      step.progress({ step: { $case, value: { lineId, productId, storeId, quantity } } });
    if (picked > 0) await report('itemPicked', picked);
    if (short > 0) await report('itemShort', short);
    const outcome = { lineId, picked, short };
    walker.onPicked(item, outcome);
    return outcome;
  });
}
