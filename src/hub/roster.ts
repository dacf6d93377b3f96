import type { HubFrame } from '../gen/fleet/v1/fleet.ts';
import type { LiveBot } from './live-bot.ts';
import type { SessionInput } from './session.ts';

export type HubBody = NonNullable<HubFrame['body']>;

/** A bot with an open stream to this hub. */
export interface Seat {
  readonly bot: LiveBot;
  /** False once the hub drains or the stream is over: no offers then. */
  readonly takesOffers: boolean;
  /** False when the stream is over. */
  send(body: HubBody, traceparent: string): boolean;
  input(input: SessionInput): void;
}

/** The bots whose sessions this hub has. */
export class Roster {
  readonly #seats = new Map<string, Seat>();

  get seats(): Iterable<Seat> {
    return this.#seats.values();
  }

  find(botId: string): Seat | undefined {
    return this.#seats.get(botId);
  }

  /** A stream of the same bot that was here before ends, unless it is the newer one: then `seat` does. */
  add(seat: Seat): void {
    this.supersede(seat.bot.botId, seat.bot.epoch);
    const newer = this.#seats.get(seat.bot.botId);
    if (newer) seat.input({ type: 'superseded', epoch: newer.bot.epoch });
    else this.#seats.set(seat.bot.botId, seat);
  }

  remove(seat: Seat): void {
    if (this.#seats.get(seat.bot.botId) === seat) this.#seats.delete(seat.bot.botId);
  }

  /** The bot has a session of this epoch, here or elsewhere: an older one ends. */
  supersede(botId: string, epoch: number): void {
    const seat = this.#seats.get(botId);
    if (!seat || seat.bot.epoch >= epoch) return;
    this.#seats.delete(botId);
    seat.input({ type: 'superseded', epoch });
  }
}
