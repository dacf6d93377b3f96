import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { type Flow, Wire } from './tcp-wire.ts';

/** `up` is from the client to the service. */
export type Direction = 'up' | 'down' | 'both';

interface Pair {
  readonly client: Socket;
  readonly server: Socket;
  readonly up: Wire;
  readonly down: Wire;
}

const open: Flow = { type: 'open' };

/** Of servers whose URL names none. */
const defaultPorts: Readonly<Record<string, number>> = { 'amqp:': 5672, 'postgres:': 5432, 'postgresql:': 5432 };

/** A wire to a TCP service that can be cut, unplugged, frozen and slowed down, without disturbing the service's other clients. */
export class TcpProxy {
  readonly #target: { host: string; port: number };
  readonly #pairs = new Set<Pair>();
  readonly #flows = { up: open, down: open };
  #listener: Server | undefined;
  #port = 0;

  private constructor(target: { host: string; port: number }) {
    this.#target = target;
  }

  static async to(host: string, port: number): Promise<TcpProxy> {
    const proxy = new TcpProxy({ host, port });
    await proxy.#listen();
    return proxy;
  }

  static toServer(url: string): Promise<TcpProxy> {
    const { protocol, hostname, port } = new URL(url);
    return TcpProxy.to(hostname, Number(port) || defaultPorts[protocol]!);
  }

  /** The URL of the service, by this way. */
  through(url: string): string {
    return Object.assign(new URL(url), { host: `127.0.0.1:${this.#port}` }).href;
  }

  get port(): number {
    return this.#port;
  }

  /** How many there are now. */
  get connections(): number {
    return this.#pairs.size;
  }

  /** Resets every connection, or only the oldest `count`; new ones are taken. */
  cut(count = Number.POSITIVE_INFINITY): void {
    for (const pair of [...this.#pairs].slice(0, count)) {
      pair.client.resetAndDestroy();
      pair.server.resetAndDestroy();
      this.#pairs.delete(pair);
    }
  }

  /** Ends every connection in good order as far as TCP goes, wherever its stream is; new ones are taken. */
  hangUp(): void {
    for (const { client, server } of this.#pairs) {
      client.end();
      server.end();
    }
  }

  /** Resets every connection and refuses new ones. */
  async refuse(): Promise<void> {
    const listener = this.#listener;
    this.#listener = undefined;
    if (!listener) return;
    const closed = once(listener, 'close');
    listener.close();
    this.cut();
    await closed;
  }

  /** Half-open: connections stay, and new ones are taken, but not a byte passes. */
  blackhole(direction: Direction = 'both'): void {
    this.#let({ type: 'held' }, direction);
  }

  /** Every byte arrives so much later. */
  delay(ms: number, direction: Direction = 'both'): void {
    this.#let({ type: 'delayed', ms }, direction);
  }

  /** On each connection no more than so many bytes pass in a second. */
  trickle(bytesPerSecond: number, direction: Direction = 'both'): void {
    this.#let({ type: 'trickling', bytesPerSecond }, direction);
  }

  /** As in the beginning; what was held back arrives. */
  async restore(): Promise<void> {
    this.#let(open, 'both');
    if (!this.#listener) await this.#listen();
  }

  async close(): Promise<void> {
    await this.refuse();
  }

  #let(flow: Flow, direction: Direction): void {
    for (const way of ['up', 'down'] as const) {
      if (direction !== 'both' && direction !== way) continue;
      this.#flows[way] = flow;
      for (const pair of this.#pairs) pair[way].set(flow);
    }
  }

  async #listen(): Promise<void> {
    // Each direction ends by itself, behind what it still carries.
    this.#listener = createServer({ allowHalfOpen: true }, (client) => this.#accept(client));
    this.#listener.listen(this.#port, '127.0.0.1');
    await once(this.#listener, 'listening');
    this.#port = (this.#listener.address() as AddressInfo).port;
  }

  #accept(client: Socket): void {
    const server = connect({ ...this.#target, allowHalfOpen: true });
    const pair = {
      client,
      server,
      up: new Wire(client, server, this.#flows.up),
      down: new Wire(server, client, this.#flows.down),
    };
    this.#pairs.add(pair);
    for (const socket of [client, server]) {
      socket.setNoDelay(true);
      socket.on('close', () => client.destroyed && server.destroyed && this.#pairs.delete(pair));
    }
  }
}
