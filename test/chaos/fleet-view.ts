import { trace } from '@opentelemetry/api';
import {
  type BotView,
  FleetAdminService,
  ListBotsRequest,
  ListTasksRequest,
  type TaskView,
} from '../../src/gen/fleet/v1/fleet.ts';
import { connectClient, type RpcClient } from '../../src/rpc/client.ts';

/** A hub that is frozen or away costs this, ms, before the next one is asked. */
const deadlineMs = 1_000;
const everyBot = ListBotsRequest.fromPartial({ connectedOnly: true, pageSize: 1_000 });
const everyTask = ListTasksRequest.fromPartial({ openOnly: true, pageSize: 1_000 });

/** The fleet as operators see it, from whichever hub answers. */
export class FleetView {
  readonly #clients: RpcClient<FleetAdminService>[];

  constructor(addresses: readonly string[]) {
    this.#clients = addresses.map((address) =>
      connectClient(FleetAdminService, address, { tracer: trace.getTracer('chaos') }),
    );
  }

  /** Those with a live session; undefined while no hub answers. */
  async connectedBots(): Promise<readonly BotView[] | undefined> {
    return (await this.#ask(({ api }) => api.listBots(everyBot, { deadlineMs })))?.bots;
  }

  async openTasks(): Promise<readonly TaskView[] | undefined> {
    return (await this.#ask(({ api }) => api.listTasks(everyTask, { deadlineMs })))?.tasks;
  }

  close(): void {
    for (const client of this.#clients) client.close();
  }

  async #ask<T>(question: (client: RpcClient<FleetAdminService>) => Promise<T>): Promise<T | undefined> {
    for (const client of this.#clients) {
      try {
        return await question(client);
      } catch {
        // The next one has the same answer.
      }
    }
    return undefined;
  }
}
