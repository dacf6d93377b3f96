import type { Logger } from 'pino';
import type { Database } from '../../database/port.ts';
import { Loop } from '../../kit/loop.ts';
import { retryBackoff } from '../limits.ts';
import { type BotAnswer, writeAnswers } from './answer-store.ts';

/** Rows of one statement; takes some 20 ms. */
const maxRows = 1_000;
/** Nothing is polled for: the loop is woken by what is noted. */
const idleMs = 3_600_000;

/**
 * What bots say of revisions, on its way into the table: written behind, so that no frame waits for it, many in one statement. It is
 * acknowledged before: a hub that dies takes its streams along, and in its next Hello a bot lists what it has applied and is offered the rest again.
 * Holds one row for each bot and revision at most.
 */
export class StatusBook {
  readonly #database: Database;
  readonly #loop: Loop;
  readonly #waiting = new Map<string, BotAnswer>();

  constructor(database: Database, logger: Logger) {
    this.#database = database;
    this.#loop = new Loop(() => this.#write(), {
      pollMs: idleMs,
      backoff: retryBackoff,
      onError: (error, retryInMs) =>
        logger.warn({ err: error, retryInMs }, 'what bots say of revisions is not written; tried again'),
    });
  }

  start(): this {
    this.#loop.start();
    return this;
  }

  note(answer: BotAnswer): void {
    this.#waiting.set(`${answer.botId} ${answer.digest}`, answer);
    this.#loop.wake();
  }

  /** What waits is written as far as the database takes it. */
  async stop(): Promise<void> {
    await this.#loop.stop();
    await this.#write().catch(() => false);
  }

  async #write(): Promise<boolean> {
    const taken = [...this.#waiting].slice(0, maxRows);
    if (taken.length === 0) return false;
    await this.#database.query((orm) =>
      writeAnswers(
        orm,
        taken.map(([, answer]) => answer),
      ),
    );
    // What was noted meanwhile waits for the next turn.
    for (const [key, answer] of taken) if (this.#waiting.get(key) === answer) this.#waiting.delete(key);
    return this.#waiting.size > 0;
  }
}
