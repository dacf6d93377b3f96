import { Verdict, type Welcome } from '../gen/fleet/v1/fleet.ts';
import type { Duration } from '../gen/google/protobuf/duration.ts';
import { envelopeMinor, type Introduction } from './hello.ts';
import type { Admitted } from './ledger.ts';
import type { HubLimits, HubTimes } from './limits.ts';

export const durationOf = (ms: number): Duration => ({
  seconds: Math.floor(ms / 1_000),
  nanos: Math.round((ms % 1_000) * 1_000_000),
});

/**
 * The answer to a Hello. `last_bot_seq` is 0, so that the bot sends again whatever was not acknowledged: what of it had arrived has the same
 * event ids and changes nothing. Hub frames of an earlier stream are not replayed: the verdicts say all that they could.
 */
export function welcomeOf(
  { held }: Introduction,
  { epoch, kept }: Admitted,
  session: { sessionId: string; hubId: string },
  { heartbeatMs, leaseMs }: HubTimes,
  { maxFrameBytes, maxUnacknowledged }: HubLimits,
): Welcome {
  const isKept = (taskId: string, fence: number) => kept.some((task) => task.taskId === taskId && task.fence === fence);
  return {
    ...session,
    epoch,
    resumed: false,
    resumeToken: Buffer.alloc(0),
    lastBotSeq: 0,
    heartbeatInterval: durationOf(heartbeatMs),
    leaseDuration: durationOf(leaseMs),
    verdicts: held.map(({ taskId, fence }) => ({
      taskId,
      fence,
      verdict: isKept(taskId, fence) ? Verdict.CONTINUE : Verdict.ABANDON,
      renewedFence: 0,
    })),
    envelopeMinor,
    maxFrameBytes,
    maxUnacknowledged,
  };
}
