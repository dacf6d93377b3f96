import type { JsonObject } from '@bufbuild/protobuf';
import type { GenericTask } from '../sdk/index.ts';
import { depot, type Place } from './floor.ts';
import { placesIn, sayable } from './hearsay.ts';

/**
 * Walks to the places that the task has in it, and reports at each what the kind has words for; then to the depot. What an earlier process of the
 * robot has reported is not done again. `walkTo` resolves with the metres walked.
 */
export async function anyErrand(
  task: GenericTask,
  botId: string,
  walkTo: (place: Place) => Promise<number>,
): Promise<JsonObject> {
  const places = placesIn(task.payload);
  const known = { ...task.payload, botId, orderId: task.orderId };
  let walkedMetres = 0;
  for (const [index, place] of places.entries()) {
    if (index < task.resumedFrom.length) continue;
    await task.step('visit place', {}, async (visit) => {
      const metres = await walkTo(place);
      walkedMetres += metres;
      await visit.progress(
        sayable(task.messages.progress, { ...known, ...place, place: { ...place }, metres, walkedMetres }),
      );
    });
  }
  await task.step('walk to depot', {}, async () => {
    walkedMetres += await walkTo(depot);
  });
  return sayable(task.messages.result, { ...known, metres: walkedMetres, walkedMetres });
}
