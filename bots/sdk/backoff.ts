/** How the waits between connection attempts grow. */
export interface BackoffPolicy {
  readonly firstMs: number;
  readonly maxMs: number;
  readonly factor: number;
}

/** First try soon, because most cuts are short; at most 10 s apart, so that a fleet is whole again soon after its hub. */
export const defaultBackoff: BackoffPolicy = { firstMs: 250, maxMs: 10_000, factor: 2 };

/**
 * The wait before try number `attempt` (1 is the first retry): exponential, with jitter over its upper half so that bots that were
 * cut off together do not come back together. `random` is in [0, 1).
 */
export function backoffMs(policy: BackoffPolicy, attempt: number, random: number): number {
  const ceiling = Math.min(policy.maxMs, policy.firstMs * policy.factor ** (attempt - 1));
  return Math.round(ceiling / 2 + (ceiling / 2) * random);
}

/** Resolves after `ms`, or at once when `signal` aborts; never rejects. */
export function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const done = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener('abort', done, { once: true });
  });
}
