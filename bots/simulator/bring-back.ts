import type {
  Place,
  ReturnItem,
  ReturnProgress,
  ReturnResult,
  ReturnStop,
  ReturnTask,
  Step,
  Task,
} from '../sdk/index.ts';
import { depot } from './floor.ts';

/** What a return needs of the robot that makes it. */
export interface Returner {
  /** Called before each leg: 0 leads to the first stop, the last one back to the depot. */
  setOut(leg: number): void;
  /** Resolves with the metres walked. */
  walkTo(place: Place): Promise<number>;
  /** Puts the item's units back on their shelf. */
  putBack(item: ReturnItem): Promise<void>;
  /** Takes so many units out of the bay. */
  collect(units: number): Promise<void>;
  onCollected(bay: string): void;
  onStop(stop: ReturnStop): void;
  onReturned(item: ReturnItem): void;
}

/**
 * Goods that nobody wants, from the depot where they are still there, store by store back to their shelves; then to the depot. What an earlier process of the robot has
 * reported is not done again.
 */
export async function bringBack(task: Task<ReturnTask, ReturnProgress>, robot: Returner): Promise<ReturnResult> {
  let walkedMetres = 0;
  const { stops } = task.payload;
  const before = task.resumedFrom.flatMap(({ step }) => step ?? []);
  const { collect } = task.payload;
  if (collect && before.length === 0) {
    await task.step('collect goods', {}, async () => {
      walkedMetres += await robot.walkTo(collect.place ?? depot);
      await robot.collect(stops.flatMap(({ items }) => items).reduce((sum, { quantity }) => sum + quantity, 0));
      robot.onCollected(collect.bay);
    });
  }
  for (const [stopIndex, stop] of stops.entries()) {
    const wasReached = before.some(({ $case, value }) => $case === 'stopReached' && value.stopIndex === stopIndex);
    const items = stop.items.filter(
      ({ lineId }) => !before.some(({ $case, value }) => $case === 'itemReturned' && value.lineId === lineId),
    );
    if (wasReached && items.length === 0) continue;
    robot.setOut(stopIndex);
    await task.step('visit store', { 'mallbots.store_id': stop.storeId }, async (visit) => {
      walkedMetres += await robot.walkTo(stop.place ?? depot);
      if (!wasReached) {
        await visit.progress({ step: { $case: 'stopReached', value: { storeId: stop.storeId, stopIndex } } });
        robot.onStop(stop);
      }
      for (const item of items) await returnItem(visit, stop, item, robot);
    });
  }
  robot.setOut(stops.length);
  await task.step('walk to depot', {}, async () => {
    walkedMetres += await robot.walkTo(task.payload.depot ?? depot);
  });
  return { walkedMetres };
}

function returnItem(
  visit: Step<ReturnProgress>,
  { storeId }: ReturnStop,
  item: ReturnItem,
  robot: Returner,
): Promise<void> {
  return visit.step('return item', { 'mallbots.sku': item.sku }, async (step) => {
    const { lineId, productId, quantity } = item;
    await robot.putBack(item);
    await step.progress({ step: { $case: 'itemReturned', value: { lineId, productId, storeId, quantity } } });
    robot.onReturned(item);
  });
}
