import { Verdict, type Welcome } from '../gen/fleet/v1/fleet.ts';
import type { Duration } from '../gen/google/protobuf/duration.ts';
import type { Admitted } from './admissions.ts';
import { envelopeMinor, type Introduction } from './hello.ts';
import type { HubLimits, HubTimes } from './limits.ts';

export const durationOf = (ms: number): Duration => ({
  seconds: Math.floor(ms / 1_000),
  nanos: Math.round((ms % 1_000) * 1_000_000),
});

/** What a bot and the hub still have of the streams before. */
export interface Resumption {
  /** Frames go on where they stopped, in both directions; else the bot starts with its full state. */
  readonly resumed: boolean;
  /** 0 unless resumed: the bot sends again whatever was not acknowledged, and what of it had arrived has the same event ids. */
  readonly lastBotSeq: number;
  readonly resumeToken: Buffer;
}

/** The answer to a Hello. */
export function welcomeOf(
  { held }: Introduction,
  { sessionId, epoch, kept, renewed, ended }: Admitted,
  { resumed, lastBotSeq, resumeToken }: Resumption,
  hubId: string,
  { heartbeatMs, leaseMs }: HubTimes,
  { maxFrameBytes, maxUnacknowledged }: HubLimits,
): Welcome {
  const verdictOf = (taskId: string, fence: number) => {
    const task = kept.find((task) => task.taskId === taskId);
    if (task?.fence === fence || ended.has(taskId)) return { verdict: Verdict.CONTINUE, renewedFence: 0 };
    if (task && renewed.get(taskId) === fence) return { verdict: Verdict.REPORT_IN_FULL, renewedFence: task.fence };
    return { verdict: Verdict.ABANDON, renewedFence: 0 };
  };
  return {
    sessionId,
    hubId,
    epoch,
    resumed,
    resumeToken,
    lastBotSeq,
    heartbeatInterval: durationOf(heartbeatMs),
    leaseDuration: durationOf(leaseMs),
    verdicts: held.map(({ taskId, fence }) => ({ taskId, fence, ...verdictOf(taskId, fence) })),
    envelopeMinor,
    maxFrameBytes,
    maxUnacknowledged,
  };
}
