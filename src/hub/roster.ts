import type { HubFrame } from '../gen/fleet/v1/fleet.ts';
import type { LiveBot } from './live-bot.ts';
import type { SessionInput } from './session.ts';
import { WillingBots } from './willing.ts';

export type HubBody = NonNullable<HubFrame['body']>;

/** A bot's session on this hub. */
export interface Seat {
  readonly bot: LiveBot;
  /** False once the hub drains, the stream is over, or the bot does not read what it is sent: no offers then. */
  readonly takesOffers: boolean;
  /** False when there is no stream just now. */
  send(body: HubBody, traceparent: string): boolean;
  input(input: SessionInput): void;
}

/** The sessions that this hub has: one for each bot, with a stream or waiting for one. */
export class Roster<S extends Seat = Seat> {
  readonly #seats = new Map<string, S>();
  /** The longest without a stream first. */
  readonly #detached = new Map<string, S>();
  readonly #maxDetached: number;
  readonly #willing = new WillingBots((botId) => this.#seats.get(botId)?.takesOffers ?? false);
  /** Ids of bots that may be as `#willing` has them no more. */
  readonly #changed = new Set<string>();

  /** Beyond `maxDetached` sessions without a stream, about 2 kB each, the oldest expires. */
  constructor(maxDetached: number) {
    this.#maxDetached = maxDetached;
  }

  /** Those with a stream. */
  get seats(): Iterable<S> {
    return this.#seats.values();
  }

  /** How many have a stream. */
  get size(): number {
    return this.#seats.size;
  }

  /** The bots that have room for tasks, as they are now; looks at those alone that have changed. */
  willing(nowMs: number): WillingBots {
    // Time alone changes what a bot shuns.
    for (const botId of new Set([...this.#changed, ...this.#willing.shunning])) {
      const candidate = this.#seats.get(botId)?.bot.candidate(nowMs);
      if (candidate) this.#willing.set(candidate);
      else this.#willing.delete(botId);
    }
    this.#changed.clear();
    return this.#willing;
  }

  get detached(): Iterable<S> {
    return this.#detached.values();
  }

  /** The bot's session, when it has a stream. */
  find(botId: string): S | undefined {
    return this.#seats.get(botId);
  }

  /** The bot's session, also when it waits for a stream. */
  findAny(botId: string): S | undefined {
    return this.#seats.get(botId) ?? this.#detached.get(botId);
  }

  /** A session of the same bot that was here before ends, unless it is the newer one: then `seat` does. */
  add(seat: S): void {
    const { botId, epoch } = seat.bot;
    if (this.#detached.get(botId) === seat) this.#detached.delete(botId);
    this.supersede(botId, epoch);
    const newer = this.findAny(botId);
    if (newer && newer !== seat) seat.input({ type: 'superseded', epoch: newer.bot.epoch });
    else this.#seat(seat);
  }

  /** The session has no stream any more; `resumable` waits for the next one. */
  remove(seat: S, resumable: boolean): void {
    const { botId } = seat.bot;
    if (this.#seats.get(botId) === seat && this.#seats.delete(botId)) this.#changed.add(botId);
    if (this.#detached.get(botId) === seat) this.#detached.delete(botId);
    if (!resumable) return;
    this.#detached.set(botId, seat);
    if (this.#detached.size <= this.#maxDetached) return;
    const [oldest] = this.#detached.values();
    oldest?.input({ type: 'graceOver', epoch: oldest.bot.epoch });
  }

  /** The bot has a stream of this epoch, here or elsewhere: a session of an older one ends. */
  supersede(botId: string, epoch: number): void {
    const seat = this.findAny(botId);
    if (seat && seat.bot.epoch < epoch) seat.input({ type: 'superseded', epoch });
  }

  #seat(seat: S): void {
    const { bot } = seat;
    const isChanged = () => this.#changed.add(bot.botId);
    bot.onChanged = isChanged;
    isChanged();
    this.#seats.set(bot.botId, seat);
  }
}
