import type { Unsent } from './outbound.ts';
import type { Seat } from './roster.ts';

/** What waits in this hub for bots to read it. */
export interface OutboundStatus {
  readonly unsentFrames: number;
  readonly unsentBytes: number;
  /** Their bots read so little that they are offered nothing. */
  readonly slowStreams: number;
}

/** Added up when somebody asks: bots that read have nothing waiting, and cost a look each. */
export function outboundStatus(
  sessions: Iterable<Pick<Seat, 'takesOffers'> & { readonly unsent: Unsent }>,
): OutboundStatus {
  const status = { unsentFrames: 0, unsentBytes: 0, slowStreams: 0 };
  for (const { unsent, takesOffers } of sessions) {
    status.unsentFrames += unsent.frames;
    status.unsentBytes += unsent.bytes;
    if (unsent.frames + unsent.bytes > 0 && !takesOffers) status.slowStreams += 1;
  }
  return status;
}
