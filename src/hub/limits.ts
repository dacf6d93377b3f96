import type { Config } from '../config.ts';
import type { BackoffPolicy } from '../kit/backoff.ts';

/** What an operator may set; `src/config.ts` has the variables and their ranges. */
export type HubLimits = Readonly<Required<Config['hubLimits']>>;

/**
 * Bytes of a block that small buffers share. A block stays until the last of them is gone, and each bot has some for seconds: Node's blocks of 64 kB grew to
 * 64 MB of kept bytes in 20 s (5,000 bots), at which V8 begins a full collection.
 */
export const sharedBufferBytes = 4 * 1024;

/**
 * How far the heap may grow above what was alive in it before V8 collects it whole again, percent. V8 would choose 20 to 300 by how fast it collects, and choose
 * least where that is slow: on busy processors, where a full collection of 5,000 bots holds up tasks for a quarter of a second, it took one every 12 s
 * in place of one a minute.
 */
export const heapGrowthPercent = 200;

export const defaultLimits: HubLimits = {
  /** Streams on one hub, those in the handshake included. About 60 kB each. */
  maxStreams: 20_000,
  /** Each bot has one; the rest is for tools. */
  maxConnections: 20_500,
  /** From one IPv4 address, or one IPv6 /64: a site's robots behind one router. More where a proxy stands before the hub. */
  maxConnectionsPerAddress: 1_000,
  /** A bot needs one; what RFC 9113 recommends as the least. */
  maxStreamsPerConnection: 100,
  /** What one connection may send, whatever it is: ten times what `framesPerSecond` usual frames are. */
  bytesPerSecond: 4 * 1024 * 1024,
  /** PING and SETTINGS of one connection: bots ask whether the hub is there every few seconds. */
  controlFramesPerSecond: 10,
  /** Streams of one connection that the bot gives up (Rapid Reset): each costs the set-up of a session. */
  resetsPerSecond: 5,
  /** Largest frame in bytes: a task of a few hundred items is a tenth of it. Told in Welcome. */
  maxFrameBytes: 256 * 1024,
  /** Reliable frames that a bot may have unacknowledged; told in Welcome. Several shopping tours' worth. */
  maxUnacknowledged: 256,
  /** Frames down that wait for one slow bot. Policy when full: lossy ones go first, then the stream (RESOURCE_EXHAUSTED). */
  maxQueuedFrames: 256,
  /** Bytes of tasks and revisions that one slow bot has not taken: two of the largest frames. Policy when full: it is offered nothing. */
  maxQueuedBytes: 512 * 1024,
  /** Frames down that wait for all bots together, some 300 bytes each in memory: 26 for each of 10,000. Policy: see `Outflow`. */
  maxUnsentFrames: 262_144,
  /** Of tasks and revisions for all bots together: 26 kB, or some 35 usual tasks, for each of 10,000. */
  maxUnsentBytes: 256 * 1024 * 1024,
  /** What one bot may send: a walking robot says a few frames a second. */
  framesPerSecond: 1_000,
  /** Frames of one bot that are refused: each costs a Nack and a line of log. After a lost task, what was under way about it is refused at once. */
  refusalsPerSecond: 50,
  /** Frames of all bots that wait for their effect while the broker or the database is slow; about a second's worth at the hub's best. */
  maxWaitingFrames: 16_384,
  /** The same in bytes on the wire; in memory a usual frame is some three times that. */
  maxWaitingBytes: 64 * 1024 * 1024,
  /** From the stream's start to a Hello. A bot on a bad radio link needs two round trips. */
  helloDeadlineMs: 5_000,
  /** A connection that brings nothing for longer is pinged, and cut when it brings nothing for as long again; bots beat as often. */
  keepaliveMs: 2_000,
};

export const hubLimits = (given: Config['hubLimits']): HubLimits => Object.freeze({ ...defaultLimits, ...given });

/** For the status of a stream that was flooded, or is not read, to reach the bot; then its connection is cut. */
export const hangUpAfterMs = 1_000;

/** Frames of one bot that may be refused at once: all that was under way, twice. */
export const refusalBurst = ({ refusalsPerSecond, maxUnacknowledged }: HubLimits): number =>
  refusalsPerSecond + 2 * maxUnacknowledged;

/** Bytes that one connection may send at once: all that may be unacknowledged, in the largest frames. */
export const byteBurst = ({ maxUnacknowledged, maxFrameBytes }: HubLimits): number => maxUnacknowledged * maxFrameBytes;

/** Above what a bot may send in a second: a reconnect resends all that is unacknowledged at once. Seconds' worth of frames. */
export const frameBurstSeconds = 2;

/**
 * Reliable frames of one bot that wait here before its stream is no longer read, above `maxUnacknowledged`: only a bot that breaks the
 * agreement is held back, together with its heartbeats.
 */
export const pendingSlack = 64;
/** The same in bytes on the wire: usual frames are a hundredth of it. */
export const maxPendingBytes = 8 * 1024 * 1024;

/** A bot that sends more telemetry than frames are agreed is not read for so long, so that it can coalesce what it has; the newest counts. */
export const telemetryPauseMs = 100;

/**
 * Frames down that are kept until a bot acknowledges them, to be sent again when it resumes: a lease and a cancel for each task that it may
 * hold. Policy when full: the oldest goes, and a bot that has not seen it starts with its full state instead.
 */
export const maxRetainedFrames = 128;

/** From SIGTERM until streams are ended: time for what is on the wire to be made durable and acknowledged. */
export const drainDeadlineMs = 3_000;

/** Bots of a draining hub come back after a random time up to this, so that they do not come as a herd. */
export const drainRetryAfterMs = 2_000;

/** Tasks offered, or leases expired, in one transaction: 64 rows take about 5 ms. */
export const maxTasksPerTransaction = 64;

/**
 * Transactions at once that take tasks in: with one, a task waits for half of another's on average, and more than a few only take
 * connections from what bots report.
 */
export const maxIngestFlushes = 3;

/** Hellos answered in one transaction: a fleet that comes back at once fills it, 256 bots with a task each take about 40 ms. */
export const maxAdmissionsPerTransaction = 256;

/** Unacknowledged tasks from the broker: as many as one insert takes. */
export const ingestPrefetch = 256;

/** The poll behind the notifications; a lost one costs at most this. */
export const dispatchPollMs = 1_000;

/**
 * How long a bot's wish for work may wait while no task is known to: who finishes a task is willing again, and several hundred of them a second
 * would have the queue searched as often, for nothing. ms
 */
export const idleLookMs = 25;

/** Requeued and ingested tasks within this time share one notification to the other hubs: NOTIFY serialises commits. */
export const notifyDebounceMs = 20;

/** Notes to the other hubs in one transaction: a fleet that comes over from another hub is told of bot by bot. */
export const maxNotesPerNotify = 256;

/** Between tries of what needs the broker or the database. */
export const retryBackoff: BackoffPolicy = { firstMs: 50, maxMs: 2_000, factor: 2 };

/** Attempts of a task whose sender does not say. */
export const defaultMaxAttempts = 3;
/** More than a fleet has bots to try would be a loop. */
export const mostAttempts = 100;

/** Waiting time that one point of priority is worth: a task is at most so much ahead of those a point below it. */
export const priorityWorthMs = 60_000;

/** Either way of 0, so that the most urgent task is ahead of the least urgent one by less than 7 hours: that is the longest that anything starves. */
export const mostPriority = 200;

/** Everything that follows from the one duration that an operator chooses. All in ms. */
export interface HubTimes {
  /** How long a bot keeps its tasks, and its session its bot id, without a heartbeat. */
  readonly leaseMs: number;
  /** A fifth of the lease: four heartbeats in a row may be lost. */
  readonly heartbeatMs: number;
  /** Heartbeats are gathered this long and renew in one statement; half a heartbeat, so that a lease is renewed before the next one. */
  readonly tickMs: number;
  /**
   * How long a session waits for its bot after its stream: as long as the tasks of a bot that vanished may still be its own, twice over, so that
   * one that finds its task taken away still resumes. What comes later starts with its full state, which costs a resend.
   */
  readonly graceMs: number;
  /** How long a bot may think about an offer. */
  readonly offerMs: number;
  /** A bot that declined or overslept an offer is not asked again for that task so long. */
  readonly declinePauseMs: number;
  /** Before the second attempt of a task that a bot failed; grows with the attempts. */
  readonly retryPauseMs: number;
}

export const hubTimes = (leaseMs: number): HubTimes => ({
  leaseMs,
  heartbeatMs: leaseMs / 5,
  tickMs: leaseMs / 10,
  graceMs: leaseMs * 2,
  offerMs: leaseMs / 2,
  declinePauseMs: leaseMs / 5,
  retryPauseMs: leaseMs / 10,
});
