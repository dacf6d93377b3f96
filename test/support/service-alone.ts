import { createEmbeddedBroker } from '../../src/broker/embedded.ts';
import type { Broker } from '../../src/broker/port.ts';
import { type ListeningRole, readConfig } from '../../src/config.ts';
import type { MessageName } from '../../src/contract/events.ts';
import { newId } from '../../src/contract/ids.ts';
import { type Draft, type Message, open, type Received, seal } from '../../src/contract/message.ts';
import { addressOf, hubTasks, inboxOf, mallTopology } from '../../src/contract/topology.ts';
import type { Database } from '../../src/database/port.ts';
import type { Role, StartRole } from '../../src/role/role.ts';
import type { LogLevel } from '../../src/telemetry/logger.ts';
import { withDatabase } from './database.ts';
import { silentLogger } from './silent-logger.ts';
import { recordingTelemetry } from './telemetry.ts';

/** The roles that have their own queue and listen as well. */
type ServiceName = 'orders' | 'stores' | 'payments' | 'depot';

/** One real service on a real database, with everyone else in the mall played by the test. */
export interface ServiceAlone extends AsyncDisposable {
  readonly address: string;
  readonly database: Database;
  readonly broker: Broker;
  readonly telemetry: ReturnType<typeof recordingTelemetry>;
  /** Publishes as another service would; resolves when the service has handled it, or parked it. Answers with the message's id. */
  tell(draft: Draft, stamp?: Partial<Message>): Promise<string>;
  /** The events that the service has told of `key` so far, in the order they left. */
  said(key: string): ReadonlyArray<Received>;
  /** Resolves when the service has said `name`, an event or a command, of `key` and, where that is given, of this task, maybe in the past. */
  untilSaid<N extends MessageName>(name: N, key: string, taskId?: string): Promise<Received<N>>;
  /** Ends the service as a deployment would, and starts it again on the same tables. */
  restart(): Promise<void>;
}

export async function startAlone(
  name: ServiceName,
  start: StartRole,
  logLevel: LogLevel = 'silent',
): Promise<ServiceAlone> {
  const testDatabase = await withDatabase();
  const { database } = testDatabase;
  const broker = createEmbeddedBroker({ logger: silentLogger });
  const telemetry = recordingTelemetry(name, logLevel);
  const listen = Object.fromEntries(
    (['orders', 'stores', 'payments', 'depot'] satisfies ListeningRole[]).map(onAnyPort),
  );
  const context = { config: readConfig(listen), database, broker, telemetry };

  await broker.declare(mallTopology);
  const others = new Others();
  for (const queue of mallTopology.queues.filter((spec) => spec.name !== inboxOf(name))) {
    await broker.consume(queue.name, 256, (delivery) => {
      // The kiosk hears all events there are, the hub the commands.
      const hears = queue.name === inboxOf('kiosk') || queue.name === hubTasks;
      if (hears && delivery.message.source === `/${name}`) others.hear(delivery.message);
      delivery.ack();
    });
  }
  let role: Role = await start(context);

  return {
    get address() {
      return role.address;
    },
    database,
    broker,
    telemetry,
    async tell(draft, stamp = {}) {
      const id = stamp.id ?? newId();
      const message = seal(draft, {
        source: '/test',
        time: new Date(),
        causationId: 'test',
        traceparent: '',
        ...stamp,
        id,
      });
      await broker.publish(addressOf(draft.name), message);
      return id;
    },
    said: (key) => others.heard.filter((message) => message.key === key && message.name !== 'depot.task_requested'),
    untilSaid: (event, key, taskId) => others.until(event, key, taskId),
    async restart() {
      await role.drain();
      role = await start(context);
    },
    async [Symbol.asyncDispose]() {
      await role.drain();
      await broker.close();
      await telemetry.shutdown();
      await testDatabase[Symbol.asyncDispose]();
    },
  };
}

const onAnyPort = (role: ListeningRole) => [`MALLBOTS_${role.toUpperCase()}_LISTEN`, '127.0.0.1:0'];

class Others {
  readonly heard: Received[] = [];
  readonly #waiting = new Set<() => void>();

  /** Once, as an inbox would: a relay may say a thing twice. */
  hear(message: Message): void {
    if (this.heard.some(({ id }) => id === message.id)) return;
    this.heard.push(open(message));
    for (const look of this.#waiting) look();
  }

  /** Bounded by the test's own time limit. */
  until<N extends MessageName>(name: N, key: string, taskId?: string): Promise<Received<N>> {
    const isMeant = ({ body }: Received) => !taskId || (body as { taskId?: string }).taskId === taskId;
    return new Promise((resolve) => {
      const look = () => {
        const found = this.heard.find((message) => message.name === name && message.key === key && isMeant(message));
        if (!found) return;
        this.#waiting.delete(look);
        resolve(found as unknown as Received<N>);
      };
      this.#waiting.add(look);
      look();
    });
  }
}
