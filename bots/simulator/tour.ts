import type { JsonObject } from '@bufbuild/protobuf';
import {
  type Item,
  type LineOutcome,
  type Place,
  type ShopProgress,
  type ShopResult,
  type ShopTask,
  type Step,
  type Stop,
  shopKind,
  type Task,
  withFields,
} from '../sdk/index.ts';
import { depot } from './floor.ts';

/** What a tour needs of the robot that makes it. */
export interface Walker {
  /** Called before each leg: 0 leads to the first stop, the last one back to the depot. */
  setOut(leg: number): void;
  /** Resolves with the metres walked. */
  walkTo(place: Place): Promise<number>;
  /** Takes what the shelf holds of the item; resolves with the units. */
  pick(item: Item): Promise<number>;
  /** What it can say of itself, in whole numbers by name, where a revision that came after this program has words for it. */
  condition(): JsonObject;
  onStop(stop: Stop): void;
  onPicked(item: Item, outcome: LineOutcome): void;
}

/** One shopping tour: store by store, then to the depot. What an earlier process of the robot has reported is not done again. */
export async function tour(task: Task<ShopTask, ShopProgress>, walker: Walker): Promise<ShopResult> {
  const lines: LineOutcome[] = [];
  let walkedMetres = 0;
  const { stops } = task.payload;
  const before = task.resumedFrom.flatMap(({ step }) => step ?? []);
  for (const [stopIndex, stop] of stops.entries()) {
    const wasReached = before.some(({ $case, value }) => $case === 'stopReached' && value.stopIndex === stopIndex);
    const outcomes = stop.items.map((item) => outcomeOf(item, before));
    if (wasReached && outcomes.every((outcome) => outcome.isWhole)) {
      lines.push(...outcomes.map(({ lineId, picked, short }) => ({ lineId, picked, short })));
      continue;
    }
    walker.setOut(stopIndex);
    await task.step('visit store', { 'mallbots.store_id': stop.storeId }, async (visit) => {
      walkedMetres += await walker.walkTo(stop.place ?? depot);
      if (!wasReached) {
        const said: ShopProgress = { step: { $case: 'stopReached', value: { storeId: stop.storeId, stopIndex } } };
        await visit.progress(isOwn(task) ? said : withFields(said, { stopReached: walker.condition() }));
        walker.onStop(stop);
      }
      for (const [index, item] of stop.items.entries()) {
        const news = newsOf(task, `stops[${stopIndex}].items[${index}]`, item);
        lines.push(await pickItem(visit, stop, item, news, outcomes[index]!, walker));
      }
    });
  }
  walker.setOut(stops.length);
  await task.step('walk to depot', {}, async () => {
    walkedMetres += await walker.walkTo(task.payload.depot ?? depot);
  });
  return { lines, walkedMetres };
}

/** What is known of a line; whole when all of its units are accounted for. */
function outcomeOf({ lineId, quantity }: Item, before: ReadonlyArray<NonNullable<ShopProgress['step']>>) {
  const units = (wanted: 'itemPicked' | 'itemShort') =>
    before.reduce(
      (sum, { $case, value }) => ($case === wanted && value.lineId === lineId ? sum + value.quantity : sum),
      0,
    );
  const picked = units('itemPicked');
  const short = units('itemShort');
  return { lineId, picked, short, isWhole: picked + short >= quantity };
}

/** Whether the task is of the revision that this program was built with. */
const isOwn = ({ schema }: Task<ShopTask, ShopProgress>): boolean => schema.digest === shopKind.digest;

/** What a revision that came after this program says of an item: the robot repeats it where it says what became of the item. */
function newsOf(task: Task<ShopTask, ShopProgress>, path: string, item: Item): JsonObject | undefined {
  if (isOwn(task)) return undefined;
  const said = Object.entries((task.field(path) ?? {}) as JsonObject);
  return Object.fromEntries(said.filter(([name]) => !Object.hasOwn(item, name)));
}

/** A line can be picked and short at once: some units were there. */
function pickItem(
  visit: Step<ShopProgress>,
  { storeId }: Stop,
  item: Item,
  news: JsonObject | undefined,
  before: LineOutcome & { readonly isWhole: boolean },
  walker: Walker,
): Promise<LineOutcome> {
  const { lineId, picked, short, isWhole } = before;
  if (isWhole) return Promise.resolve({ lineId, picked, short });
  return visit.step('pick item', { 'mallbots.sku': item.sku }, async (step) => {
    const { lineId, productId } = item;
    // Units that were picked before are in the basket: what was not there is all that is left to say.
    const picked = before.picked > 0 ? before.picked : await walker.pick(item);
    const short = item.quantity - picked;
    const report = ($case: 'itemPicked' | 'itemShort', quantity: number) => {
      const said: ShopProgress = { step: { $case, value: { lineId, productId, storeId, quantity } } };
      return step.progress(news ? withFields(said, { [$case]: news }) : said);
    };
    if (picked > before.picked) await report('itemPicked', picked);
    if (short > 0) await report('itemShort', short);
    const outcome = { lineId, picked, short };
    walker.onPicked(item, outcome);
    return outcome;
  });
}
