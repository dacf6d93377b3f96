import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Broker } from '../../src/broker/port.ts';
import { connectRabbitMq, deleteTopology } from '../../src/broker/rabbitmq.ts';
import type { Environment } from '../../src/config.ts';
import { newId } from '../../src/contract/ids.ts';
import { hubTasks, inboxOf, mallTopology } from '../../src/contract/topology.ts';
import type { Database } from '../../src/database/port.ts';
import { FleetAdminService } from '../../src/gen/fleet/v1/fleet.ts';
import { freePort } from '../../src/kit/free-port.ts';
import type { Api } from '../../src/rpc/api.ts';
import { connectClient, type RpcClient } from '../../src/rpc/client.ts';
import { awaitHealth } from '../../src/runtime/health.ts';
import { withDatabase } from '../support/database.ts';
import { Program } from '../support/program.ts';
import { amqpUrl } from '../support/services.ts';
import { silentLogger } from '../support/silent-logger.ts';
import { TcpProxy } from '../support/tcp-proxy.ts';
import { recordingTelemetry } from '../support/telemetry.ts';
import { Heard } from './fleet.ts';

/** `mallbots hub` in a process of its own, with a wire of its own to each server. */
export class HubProcess {
  readonly address: string;
  readonly database: TcpProxy;
  readonly broker: TcpProxy;
  readonly #environment: Environment;
  readonly #client: RpcClient<FleetAdminService>;
  #program: Program | undefined;

  constructor(address: string, wires: { database: TcpProxy; broker: TcpProxy }, environment: Environment) {
    this.address = address;
    this.database = wires.database;
    this.broker = wires.broker;
    this.#environment = environment;
    this.#client = connectClient(FleetAdminService, address, recordingTelemetry('test'));
  }

  get admin(): Api<FleetAdminService> {
    return this.#client.api;
  }

  get program(): Program {
    return this.#program!;
  }

  /** Resolves when it serves. */
  async start(beside = 0): Promise<void> {
    this.#program = new Program(['hub'], this.#environment as Record<string, string>);
    await awaitHealth('hub', this.address, { beside });
  }

  async close(): Promise<void> {
    this.#client.close();
    this.#program?.child.kill('SIGCONT');
    await this.#program?.kill();
    await Promise.all([this.database.close(), this.broker.close()]);
  }
}

/** Hubs as processes on a PostgreSQL database and AMQP names of their own; Depot and the consumers of bots.events are the test's. */
export interface HubProcesses extends AsyncDisposable {
  readonly hubs: readonly HubProcess[];
  readonly database: Database;
  readonly broker: Broker;
  readonly heard: Heard;
  /** Gone with them. */
  readonly directory: string;
}

/** `one`: what one of them has otherwise, by its number from 0. */
export async function startHubProcesses(
  count: number,
  environment: Environment,
  one: Readonly<Record<number, Environment>> = {},
): Promise<HubProcesses> {
  await using opening = new AsyncDisposableStack();
  const db = opening.use(await withDatabase());
  const directory = mkdtempSync(join(tmpdir(), 'hub-processes-'));
  opening.defer(() => rmSync(directory, { recursive: true }));
  const namespace = `test-${newId()}`;
  opening.defer(() => deleteTopology(amqpUrl, namespace, mallTopology));
  const broker = await connectRabbitMq({ url: amqpUrl, namespace, logger: silentLogger });
  opening.defer(() => broker.close());
  await broker.declare(mallTopology);
  const heard = new Heard();
  for (const { name } of mallTopology.queues.filter((queue) => queue.name !== hubTasks)) {
    await broker.consume(name, 256, (delivery) => {
      // The kiosk hears all there is.
      if (name === inboxOf('kiosk')) heard.hear(delivery.message);
      delivery.ack();
    });
  }
  const hubs: HubProcess[] = [];
  for (let index = 0; index < count; index++) {
    const wires = { database: await TcpProxy.toServer(db.url), broker: await TcpProxy.toServer(amqpUrl) };
    const address = `127.0.0.1:${await freePort()}`;
    const hub = new HubProcess(address, wires, {
      MALLBOTS_LOG_LEVEL: 'warn',
      ...environment,
      ...one[index],
      DATABASE_URL: wires.database.through(db.url),
      AMQP_URL: wires.broker.through(amqpUrl),
      MALLBOTS_NAMESPACE: namespace,
      MALLBOTS_DATA: directory,
      MALLBOTS_HUB_LISTEN: address,
    });
    opening.defer(() => hub.close());
    hubs.push(hub);
  }
  await Promise.all(hubs.map((hub) => hub.start(count - 1)));
  const parts = opening.move();
  return { hubs, database: db.database, broker, heard, directory, [Symbol.asyncDispose]: () => parts.disposeAsync() };
}
