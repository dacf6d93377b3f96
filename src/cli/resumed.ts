import { MallError } from '../contract/errors.ts';
import { type BackoffPolicy, backoffMs, pause } from '../kit/backoff.ts';

/** A restart of a role takes some seconds; whoever looks on shall not miss more than one of them. */
const backoff: BackoffPolicy = { firstMs: 100, maxMs: 1_000, factor: 2 };

const mayComeBack = (error: unknown): error is MallError =>
  error instanceof MallError && ['UNAVAILABLE', 'DEADLINE_EXCEEDED', 'RESOURCE_EXHAUSTED'].includes(error.code);

/** For `onLost` where lines are written. */
export const tellLost = ({ message }: Error): void =>
  console.error(`${message.split(';')[0]}; going on when it is back`);

/**
 * What `open` gives, and when that breaks off because nobody is there any more, what it gives when it is called again; it goes on from where it was, then.
 * `onLost` is told of each time that the stream was there and is not. Ends with `signal`, or when a stream ends in good order.
 * @throws what the first try of all throws, and what no second try would change
 */
export async function* resumed<T>(
  open: () => AsyncIterable<T>,
  onLost: (error: MallError) => void,
  signal: AbortSignal,
): AsyncGenerator<T> {
  let wasThere = false;
  for (let failures = 0; !signal.aborted; ) {
    try {
      for await (const item of open()) {
        wasThere = true;
        failures = 0;
        yield item;
      }
      return;
    } catch (error) {
      if (!wasThere || !mayComeBack(error)) throw error;
      if (failures === 0) onLost(error);
      failures += 1;
      await pause(backoffMs(backoff, failures, Math.random()), signal);
    }
  }
}
