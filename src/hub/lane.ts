import type { Logger } from 'pino';
import { MallError } from '../contract/errors.ts';
import { backoffMs, pause } from '../kit/backoff.ts';
import { retryBackoff } from './limits.ts';

export interface LaneOptions<T> {
  /** The effect of an item. What it throws while the broker or the database is away is tried again, anything else ends the lane. */
  readonly handle: (item: T) => Promise<void>;
  readonly onFailure: (error: MallError) => void;
  /** An item is handled, and waits no more. */
  readonly onHandled: (item: T) => void;
  /** Asked when there is something to say: a stream learns whose it is. */
  readonly logger: () => Logger;
  /** What an item is about, in fields. */
  readonly describe: (item: T) => object;
}

/**
 * Handles the items of one stream one after the other, in their order; those behind an item that has to be tried again wait. How many may wait
 * is for `Intake` to say.
 */
export class Lane<T> {
  readonly #options: LaneOptions<T>;
  readonly #closing = new AbortController();
  readonly #items: T[] = [];
  #running = false;

  constructor(options: LaneOptions<T>) {
    this.#options = options;
  }

  get isEmpty(): boolean {
    return this.#items.length === 0;
  }

  push(item: T): void {
    this.#items.push(item);
    if (!this.#running) void this.#run();
  }

  /** What has not been handled is dropped: it is not acknowledged, so the bot sends it again. */
  close(): void {
    this.#closing.abort();
    this.#items.length = 0;
  }

  async #run(): Promise<void> {
    this.#running = true;
    for (let item = this.#items[0]; item !== undefined; item = this.#items[0]) {
      if (!(await this.#untilHandled(item))) break;
      this.#items.shift();
      this.#options.onHandled(item);
    }
    this.#running = false;
  }

  /** False when the lane is closed. */
  async #untilHandled(item: T): Promise<boolean> {
    for (let attempt = 1; !this.#closing.signal.aborted; attempt++) {
      try {
        await this.#options.handle(item);
        return !this.#closing.signal.aborted;
      } catch (error) {
        const { logger, describe } = this.#options;
        if (!isPassing(error)) {
          logger().error({ err: error, ...describe(item) }, 'a frame could not be handled');
          this.#options.onFailure(MallError.from(error));
          return false;
        }
        const retryInMs = backoffMs(retryBackoff, attempt, Math.random());
        logger().warn({ err: error, ...describe(item), attempt, retryInMs }, 'a frame waits; tried again');
        await pause(retryInMs, this.#closing.signal);
      }
    }
    return false;
  }
}

const passing: readonly string[] = ['UNAVAILABLE', 'DEADLINE_EXCEEDED', 'RESOURCE_EXHAUSTED'];
const isPassing = (error: unknown): boolean => error instanceof MallError && passing.includes(error.code);
