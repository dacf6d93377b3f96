import type { Logger } from 'pino';
import type { Database } from '../database/port.ts';
import { Loop } from '../kit/loop.ts';
import { listLimits } from './limit-store.ts';
import { retryBackoff } from './limits.ts';
import type { Roster } from './roster.ts';

/** The poll behind the notes of the hub that was told: a statement that reads as many rows as bots are limited. ms */
const pollMs = 2_000;

/** Of an empty kind: what holds for every other one. */
export const everyOtherKind = '';

export interface BotLimitPorts {
  readonly database: Database;
  readonly roster: Roster;
  readonly logger: Logger;
  /** A bot may be given more than before. */
  readonly onWilling: () => void;
}

/**
 * How many tasks operators let bots hold: all limits of the fleet, as new as the tables. Kept in every hub, so that neither a hello nor an offer asks
 * for them.
 */
export class BotLimits {
  readonly #ports: BotLimitPorts;
  readonly #loop: Loop;
  /** Reads begun, and the newest whose answer counts: a slow one must not bring back what was. */
  #begun = 0;
  #newest = 0;
  /** What was read last. */
  #rows = '[]';
  #byBot: ReadonlyMap<string, ReadonlyMap<string, number>> = new Map();

  constructor(ports: BotLimitPorts) {
    this.#ports = ports;
    this.#loop = new Loop(
      async () => {
        await this.refresh();
        return false;
      },
      {
        pollMs,
        backoff: retryBackoff,
        onError: (error, retryInMs) =>
          ports.logger.warn({ err: error, retryInMs }, 'the limits of bots cannot be read; tried again'),
      },
    );
  }

  /** Tasks of a kind that the bot may hold at once; infinite when nobody limits it. */
  of(botId: string, kind: string): number {
    const limits = this.#byBot.get(botId);
    return limits?.get(kind) ?? limits?.get(everyOtherKind) ?? Number.POSITIVE_INFINITY;
  }

  /** Resolves when the limits are known. */
  async start(): Promise<this> {
    await this.refresh();
    this.#loop.start();
    return this;
  }

  /** Something has changed, says somebody. */
  wake(): void {
    this.#loop.wake();
  }

  stop(): Promise<void> {
    return this.#loop.stop();
  }

  async refresh(): Promise<void> {
    const { database, roster, onWilling } = this.#ports;
    this.#begun += 1;
    const read = this.#begun;
    const rows = await database.query(listLimits);
    if (read < this.#newest) return;
    this.#newest = read;
    const said = JSON.stringify(rows);
    if (said === this.#rows) return;
    this.#rows = said;
    const before = this.#byBot;
    const limits = Map.groupBy(rows, ({ botId }) => botId);
    this.#byBot = new Map(
      Array.from(limits, ([botId, those]) => [botId, new Map(those.map(({ kind, most }) => [kind, most]))]),
    );
    for (const botId of new Set([...before.keys(), ...this.#byBot.keys()])) roster.find(botId)?.bot.limited();
    onWilling();
  }
}
