import type { Message } from '../contract/message.ts';

/** A message as a stream keeps it. */
export interface JournalEntry {
  /** Grows along the stream, with gaps; what a reader keeps to go on behind it. Below 2^53. */
  readonly position: number;
  readonly message: Message;
}

export interface JournalReading {
  /** Only what is behind this position; without it, from the oldest entry that is kept. */
  readonly after?: number | undefined;
  /** Only messages whose `time` is not before this. What is far older is not even read, as far as the clocks of publishers and broker agree (`clockSkewMs`). */
  readonly since?: Date | undefined;
  /** Goes on with what is written from now on. Without it the reading ends where the stream ended when it began. */
  readonly follow: boolean;
  /** Ends the reading, in good order. */
  readonly signal: AbortSignal;
}

/**
 * Entries in the order of the stream, in batches as they come. The next batch is fetched when this one is done with, so a slow reader holds
 * nothing up and keeps little in memory. A message whose confirm was lost is published again, and may be there twice; its id is the same.
 */
export type JournalEntries = AsyncIterable<readonly JournalEntry[]>;

/** A stream finds a time by the clock of who keeps it; messages have their publisher's. Further apart than this, they are found by reading from the beginning only. ms */
export const clockSkewMs = 5 * 60_000;

export const isSince = ({ time }: Message, since: Date | undefined): boolean => since === undefined || time >= since;

/** Where the broker in this process keeps a stream: RabbitMQ has its own. */
export interface JournalStore {
  /** Resolves when it is durable. Those of one key are kept in the order of the calls. */
  append(message: Message): Promise<void>;
  read(reading: JournalReading): JournalEntries;
}
