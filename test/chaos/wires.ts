import type { Environment } from '../../src/config.ts';
import type { RoleProcess } from '../../src/demo/stage.ts';
import { TcpProxy } from '../support/tcp-proxy.ts';

/** Ways of a hub, or of all services together, to their servers. */
export interface ServerWires {
  readonly database: TcpProxy;
  readonly broker: TcpProxy;
}

export interface HubWires extends ServerWires {
  /** The process. */
  readonly name: string;
  /** `host:port` that it listens on, past the proxy. */
  readonly listen: string;
  /** Its bots come over this one. */
  readonly bots: TcpProxy;
}

/** Puts a proxy into each way that a fault may want to cut: a hub has ways of its own, the services share theirs. */
export class Wires {
  readonly hubs: HubWires[] = [];
  readonly services: ServerWires;

  private constructor(services: ServerWires) {
    this.services = services;
  }

  static async open({ DATABASE_URL = '', AMQP_URL = '' }: Environment): Promise<Wires> {
    return new Wires(await serverWires(DATABASE_URL, AMQP_URL));
  }

  /** The environment of a process that is to use its wires. */
  async prepare({ name, role, environment }: RoleProcess): Promise<Environment> {
    const { DATABASE_URL = '', AMQP_URL = '', MALLBOTS_HUB_LISTEN = '' } = environment;
    if (role !== 'hub') return { ...environment, ...urls(this.services, DATABASE_URL, AMQP_URL) };
    const wires = {
      ...(await serverWires(DATABASE_URL, AMQP_URL)),
      name,
      listen: MALLBOTS_HUB_LISTEN,
      bots: await TcpProxy.toServer(`hub://${MALLBOTS_HUB_LISTEN}`),
    };
    this.hubs.push(wires);
    this.hubs.sort((a, b) => a.name.localeCompare(b.name));
    const address = { MALLBOTS_HUB_ADDRESS: `127.0.0.1:${wires.bots.port}` };
    return { ...environment, ...urls(wires, DATABASE_URL, AMQP_URL), ...address };
  }

  /** The hub that most bots are connected to. */
  get busiest(): HubWires {
    return this.hubs.reduce((most, hub) => (hub.bots.connections > most.bots.connections ? hub : most));
  }

  /** Every way to the database. */
  get databases(): TcpProxy[] {
    return [this.services, ...this.hubs].map(({ database }) => database);
  }

  get brokers(): TcpProxy[] {
    return [this.services, ...this.hubs].map(({ broker }) => broker);
  }

  get #all(): TcpProxy[] {
    return [...this.databases, ...this.brokers, ...this.hubs.map(({ bots }) => bots)];
  }

  /** As in the beginning. */
  async restore(): Promise<void> {
    await Promise.all(this.#all.map((wire) => wire.restore()));
  }

  async close(): Promise<void> {
    await Promise.all(this.#all.map((wire) => wire.close()));
  }
}

const serverWires = async (databaseUrl: string, amqpUrl: string): Promise<ServerWires> => ({
  database: await TcpProxy.toServer(databaseUrl),
  broker: await TcpProxy.toServer(amqpUrl),
});

const urls = ({ database, broker }: ServerWires, databaseUrl: string, amqpUrl: string): Environment => ({
  DATABASE_URL: database.through(databaseUrl),
  AMQP_URL: broker.through(amqpUrl),
});
