import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as (options: { readonly type: 'minor' }) => void;
/** What lives through two becomes old. */
const collections = 2;
/** The engine itself remembers one or the other of what it sees, while it learns how the code is used. */
const samples = 40;

/**
 * Of what `make` gives, the share that is gone after collections of young objects alone. What is not, though nobody uses it any more, is garbage that makes
 * full collections frequent, and those hold up a process with thousands of bots for a quarter of a second.
 */
export async function shareGoneYoung(make: () => Promise<object> | object): Promise<number> {
  const made: WeakRef<object>[] = [];
  for (let sample = 0; sample < samples; sample += 1) {
    made.push(new WeakRef(await make()));
    // A WeakRef holds what it names until the turn of the event loop ends in which it was made.
    await new Promise((resolve) => setImmediate(resolve));
    for (let done = 0; done < collections; done += 1) collect({ type: 'minor' });
  }
  return made.filter((each) => each.deref() === undefined).length / samples;
}
