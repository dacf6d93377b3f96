import { defaultBackoff } from '../../bots/sdk/index.ts';
import { backoffMs, pause } from '../../src/kit/backoff.ts';
import type { Bot } from './bot.ts';

/** Between heartbeats: what a hub asks for by default (`Welcome.heartbeat_interval`), of all alike. */
const beatMs = 2_000;
/** Handshakes under way at once when bots come for the first time; that all come at once is what the reconnect measures. */
const handshakesAtOnce = 64;
/** How soon a loss is noticed that was not when it was asked about, ms. */
const lookEveryMs = 10;

/** The bots of one process: each beats, and comes back when its stream ends, as soon as the SDK would. */
export class Fleet<B extends Bot = Bot> {
  readonly bots: B[] = [];
  #connected = 0;
  #allConnected = Promise.withResolvers<number>();

  get connected(): number {
    return this.#connected;
  }

  /** Resolves when all of `added` are connected; rejects when one of them cannot be. */
  async muster(added: readonly B[], address: string): Promise<void> {
    this.bots.push(...added);
    const waiting = [...added];
    const bring = async () => {
      for (let bot = waiting.pop(); bot; bot = waiting.pop()) await this.#connect(bot, address);
    };
    await Promise.all(Array.from({ length: handshakesAtOnce }, bring));
  }

  /** Resolves when all are connected again after `sinceMs`, with the time of the last one's return; ms since 1970. */
  async back(sinceMs: number): Promise<number> {
    for (;;) {
      const atMs = await this.#allConnected.promise;
      if (atMs > sinceMs) return atMs;
      await pause(lookEveryMs);
    }
  }

  async #connect(bot: B, address: string): Promise<void> {
    let beating: NodeJS.Timeout;
    const beat = () => {
      bot.beat();
      beating = setTimeout(beat, beatMs);
    };
    const onLost = () => {
      clearTimeout(beating);
      this.#lost();
      void this.#comeBack(bot, address);
    };
    await bot.connect(address, onLost);
    this.#gained();
    beating = setTimeout(beat, Math.random() * beatMs);
  }

  async #comeBack(bot: B, address: string): Promise<void> {
    for (let failures = 1; ; failures += 1) {
      await pause(backoffMs(defaultBackoff, failures, Math.random()));
      try {
        return await this.#connect(bot, address);
      } catch {
        // Not yet.
      }
    }
  }

  #lost(): void {
    if (this.#connected === this.bots.length) this.#allConnected = Promise.withResolvers();
    this.#connected -= 1;
  }

  #gained(): void {
    this.#connected += 1;
    if (this.#connected === this.bots.length) this.#allConnected.resolve(performance.timeOrigin + performance.now());
  }
}
