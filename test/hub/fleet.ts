import { sql } from 'drizzle-orm';
import { expect } from 'vitest';
import { createEmbeddedBroker } from '../../src/broker/embedded.ts';
import type { Broker, Delivery } from '../../src/broker/port.ts';
import { type Environment, readConfig } from '../../src/config.ts';
import { newId } from '../../src/contract/ids.ts';
import { draft, type Message, open, type Received, seal } from '../../src/contract/message.ts';
import { addressOf, hubTasks, inboxOf, mallTopology } from '../../src/contract/topology.ts';
import type { Database } from '../../src/database/port.ts';
import { TaskRequested } from '../../src/gen/events/depot/v1/events.ts';
import {
  type BotView,
  FleetAdminService,
  ListBotsRequest,
  ListTasksRequest,
  type TaskView,
} from '../../src/gen/fleet/v1/fleet.ts';
import { ShopTask } from '../../src/gen/kinds/shop/v1/shop.ts';
import type { CountName } from '../../src/hub/counts.ts';
import { type HubOptions, startHub } from '../../src/hub/hub.ts';
import type { Role } from '../../src/role/role.ts';
import type { Api } from '../../src/rpc/api.ts';
import { connectClient } from '../../src/rpc/client.ts';
import type { LogLevel } from '../../src/telemetry/logger.ts';
import { withDatabase } from '../support/database.ts';
import { silentLogger } from '../support/silent-logger.ts';
import { recordingTelemetry } from '../support/telemetry.ts';
import { RawBot, type RawHello, shopSchema } from './raw-bot.ts';

/** Hubs on a database of their own, with Depot and the consumers of bots.events played by the test. */
export interface Fleet extends AsyncDisposable {
  readonly database: Database;
  readonly broker: Broker;
  readonly telemetry: ReturnType<typeof recordingTelemetry>;
  readonly hub: Role;
  readonly admin: Api<FleetAdminService>;
  /** What the hub says of the fleet, on the first page. */
  bots(wanted?: Partial<ListBotsRequest>): Promise<BotView[]>;
  tasks(wanted?: Partial<ListTasksRequest>): Promise<TaskView[]>;
  /** Another hub on the same tables; what a mute one tells the others gets lost. */
  addHub(more?: { isMute?: boolean }): Promise<Role>;
  bot(hello?: RawHello, hub?: Role): RawBot;
  /** Asks for a task, as Depot does; resolves when a hub has taken it in. */
  request(
    task?: Partial<TaskRequested>,
    stamp?: Partial<Message>,
  ): Promise<{ taskId: string; orderId: string; messageId: string }>;
  /** Asks for the end of a task, as Depot does. */
  requestCancel(task: { readonly taskId: string; readonly orderId: string }, reason: string): Promise<void>;
  /** When the offer or lease of the task runs out, ms since 1970. */
  heldUntil(taskId: string): Promise<number>;
  /** How often the hub counted this. */
  counted(name: CountName, reason: string): Promise<number>;
  /** Resolves when the tables say that the bot has no stream. */
  disconnected(botId: string): Promise<void>;
  /** What the hubs said of the order, once each, in the order of arrival. */
  said(orderId: string): readonly Received[];
  /** Resolves when `found` finds something in what was said of the order. */
  until<T>(orderId: string, found: (said: readonly Received[]) => T | undefined): Promise<T>;
  /** Consumers stop acknowledging what the hubs say: nothing is confirmed, until the returned function is called. */
  withholdConfirms(): () => void;
  /** Messages that were withheld. */
  withheld(count: number): Promise<void>;
}

export async function startFleet({
  leaseMs = 10_000,
  serverUrl,
  environment = {},
  logLevel = 'silent',
  options = {},
  broker = createEmbeddedBroker({ logger: silentLogger }),
}: {
  leaseMs?: number;
  serverUrl?: string;
  /** Closed with the fleet. */
  broker?: Broker;
  /** Of the hub's limits. */
  environment?: Environment;
  /** Of what `telemetry` records. */
  logLevel?: LogLevel;
  options?: HubOptions;
} = {}): Promise<Fleet> {
  const testDatabase = await withDatabase(serverUrl);
  const { database } = testDatabase;
  const telemetry = recordingTelemetry('hub', logLevel);
  const config = readConfig({
    ...environment,
    MALLBOTS_HUB_LISTEN: '127.0.0.1:0',
    MALLBOTS_HUB_LEASE_MS: String(leaseMs),
  });
  const context = { config, database, broker, telemetry };
  const heard = new Heard();
  let held: Delivery[] | undefined;

  await broker.declare(mallTopology);
  for (const { name } of mallTopology.queues.filter((queue) => queue.name !== hubTasks)) {
    await broker.consume(name, 256, (delivery) => {
      // The kiosk hears all there is.
      if (name !== inboxOf('kiosk')) delivery.ack();
      else if (held) {
        held.push(delivery);
        heard.look();
      } else {
        heard.hear(delivery.message);
        delivery.ack();
      }
    });
  }
  const hubs: Role[] = [];
  const rawBots: RawBot[] = [];
  const addHub: Fleet['addHub'] = async ({ isMute = false } = {}) => {
    const hub = await startHub(isMute ? { ...context, database: mute(database) } : context, options);
    hubs.push(hub);
    return hub;
  };
  const hub = await addHub();
  const admin = connectClient(FleetAdminService, hub.address, telemetry);
  const bots: Fleet['bots'] = async (wanted = {}) =>
    (await admin.api.listBots(ListBotsRequest.fromPartial(wanted))).bots;

  return {
    database,
    broker,
    telemetry,
    hub,
    admin: admin.api,
    bots,
    tasks: async (wanted = {}) => (await admin.api.listTasks(ListTasksRequest.fromPartial(wanted))).tasks,
    addHub,
    bot(hello = {}, at = hub) {
      const bot = new RawBot(at.address, hello);
      rawBots.push(bot);
      return bot;
    },
    request: (task, stamp) => askForTask(broker, task, stamp),
    async requestCancel({ taskId, orderId }, reason) {
      const asked = draft('depot.task_cancel_requested', orderId, { taskId, orderId, reason });
      const stamp = { id: newId(), source: '/depot', time: new Date(), causationId: 'test', traceparent: '' };
      await broker.publish(addressOf(asked.name), seal(asked, stamp));
    },
    async heldUntil(taskId) {
      const [row] = await database.query((orm) =>
        orm.execute<{ held_until: string }>(sql`select held_until from hub.tasks where task_id = ${taskId}`),
      );
      return new Date(row!.held_until).getTime();
    },
    async counted(name, reason) {
      const { counts } = await admin.api.getHubStatus({});
      return counts.find((count) => count.name === name && count.reason === reason)?.value ?? 0;
    },
    async disconnected(botId) {
      const isConnected = async () => (await bots({ connectedOnly: true })).some((bot) => bot.botId === botId);
      await expect.poll(isConnected, { timeout: 20_000 }).toBe(false);
    },
    said: (orderId) => heard.of(orderId),
    until: (orderId, found) => heard.until(() => found(heard.of(orderId))),
    withholdConfirms() {
      held = [];
      return () => {
        for (const delivery of held ?? []) {
          heard.hear(delivery.message);
          delivery.ack();
        }
        held = undefined;
      };
    },
    withheld: (count) => heard.until(() => (held && held.length >= count ? true : undefined)).then(() => undefined),
    async [Symbol.asyncDispose]() {
      admin.close();
      for (const bot of rawBots) bot.cut();
      await Promise.all(hubs.map((each) => each.drain()));
      await broker.close();
      await telemetry.shutdown();
      await testDatabase[Symbol.asyncDispose]();
    },
  };
}

/** The same, but its notifications get lost, as they do when a listener's connection is just being opened again. */
const mute = (database: Database): Database =>
  new Proxy(database, {
    get(target, name) {
      if (name === 'notify') return async () => undefined;
      const value: unknown = Reflect.get(target, name);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });

/** As Depot does; resolves when the broker has the command. */
export async function askForTask(
  broker: Broker,
  task: Partial<TaskRequested> = {},
  stamp: Partial<Message> = {},
): Promise<{ taskId: string; orderId: string; messageId: string }> {
  const body = TaskRequested.fromPartial({
    taskId: newId(),
    orderId: newId(),
    schema: shopSchema,
    payload: Buffer.from(ShopTask.encode(ShopTask.fromPartial({ orderId: 'o' })).finish()),
    maxAttempts: 3,
    ...task,
  });
  const messageId = newId();
  const asked = draft('depot.task_requested', body.orderId, body);
  const message = seal(asked, {
    id: messageId,
    source: '/depot',
    time: new Date(),
    causationId: 'test',
    traceparent: '',
  });
  await broker.publish(addressOf(asked.name), { ...message, ...stamp });
  return { taskId: body.taskId, orderId: body.orderId, messageId };
}

export class Heard {
  readonly #messages: Received[] = [];
  readonly #waiting = new Set<() => void>();

  /** Once, as an inbox would. */
  hear(message: Message): void {
    if (!this.#messages.some(({ id }) => id === message.id)) this.#messages.push(open(message));
    this.look();
  }

  look(): void {
    for (const look of [...this.#waiting]) look();
  }

  of(orderId: string): readonly Received[] {
    return this.#messages.filter(({ key }) => key === orderId);
  }

  /** Bounded by the test's own time limit. */
  until<T>(found: () => T | undefined): Promise<T> {
    return new Promise((resolve) => {
      const look = () => {
        const value = found();
        if (value === undefined) return;
        this.#waiting.delete(look);
        resolve(value);
      };
      this.#waiting.add(look);
      look();
    });
  }
}
