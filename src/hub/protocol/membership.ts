import type { Arm } from './rollout-record.ts';

const fnvOffset = 0x811c9dc5;
const fnvPrime = 0x01000193;

/**
 * Whether a bot is in the share of a rollout: the same answer on every hub and after every restart, another for the next rollout, and who is in a
 * share is in every larger one. FNV-1a over both names, mixed as murmur3 ends, since FNV alone leaves names that differ in their last character
 * close together.
 */
export function isMember(rolloutId: string, botId: string, percent: number): boolean {
  let hash = fnvOffset;
  for (const byte of Buffer.from(`${rolloutId}/${botId}`)) hash = Math.imul(hash ^ byte, fnvPrime);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return ((hash ^ (hash >>> 16)) >>> 0) / 2 ** 32 < percent / 100;
}

/**
 * Whose task it rather is while a revision is tried: of tasks the same share as of bots, so that ten percent of the fleet do ten percent of the work, neither
 * none of it nor all. What has failed once is not tried again.
 */
export const armOfTask = (
  { rolloutId, percent }: { readonly rolloutId: string; readonly percent: number },
  { taskId, attempt }: { readonly taskId: string; readonly attempt: number },
): Arm => (attempt === 1 && isMember(rolloutId, taskId, percent) ? 'canary' : 'control');
