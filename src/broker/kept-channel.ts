import type { Logger } from 'pino';
import type { Channel, Connection } from 'rabbitmq-client';
import { type BackoffPolicy, backoffMs, pause } from '../kit/backoff.ts';
import { withDeadline } from '../kit/deadline.ts';

/** Soon enough for a broker that only blinked, slow enough for one that takes its 20 s to start. */
const reopenBackoff: BackoffPolicy = { firstMs: 100, maxMs: 5_000, factor: 2 };
/** How long a channel may take to say goodbye; the broker takes everything back when it does not. */
const closeDeadlineMs = 5_000;

/**
 * A channel that is opened again, with its set-up, whenever it was lost: by a broken connection, a broker restart, or an error
 * of its own. rabbitmq-client's Consumer does that too, but waits for every handler under way first, and its Publisher lets a new
 * publish overtake those that wait for the channel.
 */
export class KeptChannel {
  readonly #connection: Connection;
  readonly #purpose: string;
  readonly #setup: (channel: Channel) => Promise<void>;
  readonly #logger: Logger;
  readonly #stopping = new AbortController();
  readonly #opened = Promise.withResolvers<void>();
  readonly #done: Promise<void>;
  #current: Channel | undefined;
  #lastError: unknown;

  constructor(connection: Connection, purpose: string, logger: Logger, setup: (channel: Channel) => Promise<void>) {
    this.#connection = connection;
    this.#purpose = purpose;
    this.#setup = setup;
    this.#logger = logger;
    this.#done = this.#keep();
  }

  /** The channel, set up; undefined while there is none. */
  get current(): Channel | undefined {
    return this.#current?.active ? this.#current : undefined;
  }

  get lastError(): unknown {
    return this.#lastError;
  }

  /** Resolves once the channel was set up for the first time, rejects with DeadlineExceeded. */
  opened(deadlineMs: number): Promise<void> {
    return withDeadline(this.#purpose, deadlineMs, this.#opened.promise);
  }

  /** Lets go: what was delivered on the channel and not settled goes back to its queue, in order. */
  async close(): Promise<void> {
    this.#stopping.abort();
    const channel = this.#current;
    this.#current = undefined;
    // What is told at the end of this turn still goes out: acknowledgements.
    await new Promise<void>((resolve) => setImmediate(resolve));
    await withDeadline(
      `closing the channel for ${this.#purpose}`,
      closeDeadlineMs,
      channel?.close() ?? Promise.resolve(),
    ).catch((error: unknown) =>
      this.#logger.warn({ err: error, channel: this.#purpose }, 'channel did not close; its connection will end it'),
    );
  }

  /** Resolves when nothing is tried any more; the connection has to be closing. */
  async ended(): Promise<void> {
    this.#stopping.abort();
    await this.#done;
  }

  async #keep(): Promise<void> {
    const { signal } = this.#stopping;
    for (let failures = 0; !signal.aborted; ) {
      try {
        await this.#openOnce(() => {
          failures = 0;
        });
      } catch (error) {
        this.#lastError = error;
        failures += 1;
        if (!signal.aborted) this.#report(error, failures);
      }
      if (!signal.aborted) await pause(backoffMs(reopenBackoff, Math.max(1, failures), Math.random()), signal);
    }
  }

  /** Returns when the channel is gone. */
  async #openOnce(onOpen: () => void): Promise<void> {
    const { signal } = this.#stopping;
    const channel = await this.#connection.acquire({ emitErrorsFromChannel: true });
    const closed = new Promise<void>((resolve) => channel.once('close', resolve));
    channel.on('error', (error: unknown) =>
      this.#logger.warn({ err: error, channel: this.#purpose }, 'channel failed'),
    );
    try {
      await this.#setup(channel);
    } catch (error) {
      void channel.close();
      throw error;
    }
    if (signal.aborted) return channel.close();
    this.#current = channel;
    onOpen();
    this.#opened.resolve();
    await closed;
    this.#current = undefined;
  }

  /** One line when it breaks and one a minute or so after that, not one per try. */
  #report(error: unknown, failures: number): void {
    const level = failures === 1 || failures % 12 === 0 ? 'warn' : 'debug';
    this.#logger[level]({ err: error, channel: this.#purpose, failures }, 'no channel yet');
  }
}
