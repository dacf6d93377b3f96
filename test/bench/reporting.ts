import { pause } from '../../src/kit/backoff.ts';
import type { HubBot } from './hub-bot.ts';

/** Event ids, as the hub makes them of what bots report. */
export interface Told {
  readonly sent: readonly string[];
  /** Those that the hub has said to be durable. */
  readonly acknowledged: readonly string[];
}

/** Bots that report progress one report after the other, whatever happens to their streams, until they are stopped. */
export class Reporting {
  readonly #stop = new AbortController();
  readonly #told: Promise<Told[]>;

  constructor(bots: readonly HubBot[], everyMs: number) {
    this.#told = Promise.all(bots.map((bot) => report(bot, everyMs, this.#stop.signal)));
  }

  /** Resolves when nothing is on its way any more. */
  async stop(): Promise<Told> {
    this.#stop.abort();
    const told = await this.#told;
    return {
      sent: told.flatMap(({ sent }) => sent),
      acknowledged: told.flatMap(({ acknowledged }) => acknowledged),
    };
  }
}

async function report(bot: HubBot, everyMs: number, stop: AbortSignal): Promise<Told> {
  const sent: string[] = [];
  const acknowledged: string[] = [];
  const { taskId, fence } = bot.leased!;
  while (bot.leased && !stop.aborted) {
    const id = await new Promise<string>((resolve) => {
      const seq = bot.request(() => resolve(`${taskId}:${fence}:${seq}`));
      sent.push(`${taskId}:${fence}:${seq}`);
    });
    // What is refused is acknowledged too, and the task is gone then.
    if (bot.leased) acknowledged.push(id);
    await pause(everyMs, stop);
  }
  return { sent, acknowledged };
}
