import { status } from '@grpc/grpc-js';
import { type BackoffPolicy, backoffMs } from './backoff.ts';
import { statusName } from './bot-state.ts';
import type { SessionEnd } from './session.ts';

/** A session that was ready this long ends the back-off's growth; a hub that drops the bot sooner is treated as failing. */
const stableAfterMs = 5_000;
/**
 * Longest wait while the hub says that the bot id is taken, ms: it is free at a moment that nothing announces, when the lease of a process
 * that died together with its hub has run out.
 */
const takenIdRetryMs = 2_000;

/** Failures in a row, the session that ended so included. */
export const failuresAfter = (before: number, { readyMs, retryAfterMs }: SessionEnd): number =>
  readyMs >= stableAfterMs || retryAfterMs !== undefined ? 0 : before + 1;

/** When to connect again, and why not now. `random` is in [0, 1). */
export function retryAfter(
  { code, details, retryAfterMs }: SessionEnd,
  failures: number,
  policy: BackoffPolicy,
  random: number,
): { retryInMs: number; reason: string } {
  if (retryAfterMs !== undefined) return { retryInMs: Math.round(retryAfterMs * random), reason: 'the hub drains' };
  const maxMs = code === status.ALREADY_EXISTS ? Math.min(policy.maxMs, takenIdRetryMs) : policy.maxMs;
  const retryInMs = backoffMs({ ...policy, maxMs }, Math.max(1, failures), random);
  return { retryInMs, reason: `${statusName(code)}: ${rootOf(details)}` };
}

/** What the library says, without how its load balancer came to it. */
const rootOf = (details: string): string =>
  /Last error: (?:Error: )?(.+?)\. Resolution note/.exec(details)?.[1] ?? details;
