import type { ServerResponse } from 'node:http';
import type { Logger } from 'pino';
import { exhausted } from '../../contract/errors.ts';
import { closesOrder } from '../../contract/events.ts';
import type { Database } from '../../database/port.ts';
import { pause } from '../../kit/backoff.ts';
import { Loop } from '../../kit/loop.ts';
import { type TimelineRow, timelineAfter } from './store.ts';

export interface StreamLimits {
  /** Streams open at once in this process: each polls the database once a second. */
  readonly maxStreams: number;
  /** Rows read and written before the client has to read: what one stream may hold in memory. */
  readonly pageRows: number;
  /** How long a client may leave what it was sent unread before it is dropped, ms. */
  readonly stallMs: number;
  /** Between comments that keep proxies from closing a silent stream, ms. */
  readonly heartbeatMs: number;
  /** Longest time to an event that another process took in, ms. */
  readonly pollMs: number;
}

export const streamLimits: StreamLimits = {
  maxStreams: 200,
  pageRows: 100,
  stallMs: 15_000,
  heartbeatMs: 15_000,
  pollMs: 1_000,
};

const readBackoff = { firstMs: 200, maxMs: 5_000, factor: 2 };

/** When a client that is sent away comes back: between these, so that not all come at once. ms */
const returnMs = { min: 500, max: 3_000 };

export interface Position {
  /** Id of the last entry that the client has; 0 for none. */
  readonly after: number;
  /** The order's final event is among what the client has. */
  readonly closed: boolean;
}

/** The open event streams of this process, as server-sent events (HTML standard, section 9.2). */
export class OrderEvents {
  readonly #database: Database;
  readonly #logger: Logger;
  readonly #limits: StreamLimits;
  readonly #streams = new Map<string, Set<Stream>>();
  #open = 0;

  constructor(database: Database, logger: Logger, limits: StreamLimits = streamLimits) {
    this.#database = database;
    this.#logger = logger;
    this.#limits = limits;
  }

  /** @throws MallError RESOURCE_EXHAUSTED when too many streams are open */
  requireRoom(): void {
    if (this.#open < this.#limits.maxStreams) return;
    const remedy = 'follow the order by GET /v1/orders/{orderId}, or try again later';
    throw exhausted(`${this.#open} event streams are open, which is the limit`, 'TOO_MANY_STREAMS', remedy);
  }

  /**
   * Tells `response` of the order's events after `from`, until the final one and what is stored behind it, or until the
   * client goes.
   */
  follow(orderId: string, from: Position, response: ServerResponse): void {
    // Gone while its order was looked up: there will be no other `close`.
    if (response.destroyed) return;
    const stream = new Stream(response, this.#limits, (last, limit) =>
      this.#database.query((orm) => timelineAfter(orm, orderId, last, limit)),
    );
    const sameOrder = this.#streams.get(orderId) ?? new Set();
    this.#streams.set(orderId, sameOrder.add(stream));
    this.#open += 1;
    response.once('close', () => {
      this.#open -= 1;
      sameOrder.delete(stream);
      if (sameOrder.size === 0) this.#streams.delete(orderId);
      void stream.stop();
    });
    stream.start(from, this.#logger);
  }

  /** The order's time line has grown. */
  wake(orderId: string): void {
    for (const stream of this.#streams.get(orderId) ?? []) stream.wake();
  }

  /** Sends every client away, to come back to another process or later. */
  close(): void {
    for (const sameOrder of this.#streams.values()) {
      for (const stream of sameOrder) stream.sendAway();
    }
  }
}

class Stream {
  readonly #response: ServerResponse;
  readonly #limits: StreamLimits;
  readonly #read: (after: number, limit: number) => Promise<TimelineRow[]>;
  readonly #gone = new AbortController();
  #last = 0;
  #finalSent = false;
  #loop: Loop | undefined;
  #heartbeat: NodeJS.Timeout | undefined;

  constructor(
    response: ServerResponse,
    limits: StreamLimits,
    read: (after: number, limit: number) => Promise<TimelineRow[]>,
  ) {
    this.#response = response;
    this.#limits = limits;
    this.#read = read;
  }

  start({ after, closed }: Position, logger: Logger): void {
    this.#last = after;
    this.#finalSent = closed;
    this.#response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
    this.#response.flushHeaders();
    this.#heartbeat = setInterval(() => {
      if (!this.#response.writableNeedDrain) this.#response.write(': heartbeat\n\n');
    }, this.#limits.heartbeatMs).unref();
    this.#loop = new Loop(() => this.#turn(), {
      pollMs: this.#limits.pollMs,
      backoff: readBackoff,
      onError: (err, retryInMs) => logger.warn({ err, retryInMs }, 'the time line could not be read'),
    }).start();
  }

  wake(): void {
    this.#loop?.wake();
  }

  sendAway(): void {
    const retryMs = Math.round(returnMs.min + Math.random() * (returnMs.max - returnMs.min));
    this.#finish(`retry: ${retryMs}\n\n`);
  }

  stop(): Promise<void> | undefined {
    clearInterval(this.#heartbeat);
    this.#gone.abort();
    return this.#loop?.stop();
  }

  /** Writes the next page; true when there may be another. */
  async #turn(): Promise<boolean> {
    const rows = await this.#read(this.#last, this.#limits.pageRows);
    if (this.#gone.signal.aborted) return false;
    for (const row of rows) {
      this.#last = row.id;
      this.#finalSent ||= closesOrder(row.name);
    }
    if (rows.length > 0 && !this.#response.write(rows.map(eventText).join(''))) await this.#drained();
    const more = rows.length === this.#limits.pageRows;
    if (this.#finalSent && !more) this.#finish('');
    return more;
  }

  #finish(lastWords: string): void {
    void this.stop();
    this.#response.end(lastWords);
    // Who does not read to the end is dropped as well.
    const drop = setTimeout(() => this.#response.destroy(), this.#limits.stallMs).unref();
    this.#response.once('close', () => clearTimeout(drop));
  }

  /** Resolves when the client has read what it was sent; drops it when it does not. */
  async #drained(): Promise<void> {
    const read = new AbortController();
    const onDrain = () => read.abort();
    this.#response.once('drain', onDrain);
    await pause(this.#limits.stallMs, AbortSignal.any([read.signal, this.#gone.signal]));
    this.#response.off('drain', onDrain);
    if (!read.signal.aborted) this.#response.destroy();
  }
}

const eventText = ({ id, name, at, data }: TimelineRow): string =>
  `id: ${id}\nevent: ${name}\ndata: ${JSON.stringify({ at: at.toISOString(), ...data })}\n\n`;
