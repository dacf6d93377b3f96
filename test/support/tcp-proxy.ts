import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

interface Pair {
  readonly client: Socket;
  readonly server: Socket;
}

/** A wire to a TCP service that can be cut, unplugged and frozen, without disturbing the service's other clients. */
export class TcpProxy {
  readonly #target: { host: string; port: number };
  readonly #pairs = new Set<Pair>();
  #listener: Server | undefined;
  #port = 0;
  #frozen = false;

  private constructor(target: { host: string; port: number }) {
    this.#target = target;
  }

  static async to(host: string, port: number): Promise<TcpProxy> {
    const proxy = new TcpProxy({ host, port });
    await proxy.#listen();
    return proxy;
  }

  get port(): number {
    return this.#port;
  }

  /** Resets every connection; new ones are taken. */
  cut(): void {
    for (const { client, server } of this.#pairs) {
      client.resetAndDestroy();
      server.resetAndDestroy();
    }
    this.#pairs.clear();
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

  /** Half-open: connections stay, and new ones are taken, but not a byte passes in either direction. */
  blackhole(): void {
    this.#frozen = true;
    for (const pair of this.#pairs) freeze(pair);
  }

  /** As in the beginning; what a blackhole held back arrives. */
  async restore(): Promise<void> {
    this.#frozen = false;
    for (const pair of this.#pairs) join(pair);
    if (!this.#listener) await this.#listen();
  }

  async close(): Promise<void> {
    await this.refuse();
  }

  async #listen(): Promise<void> {
    this.#listener = createServer((client) => this.#accept(client));
    this.#listener.listen(this.#port, '127.0.0.1');
    await once(this.#listener, 'listening');
    this.#port = (this.#listener.address() as AddressInfo).port;
  }

  #accept(client: Socket): void {
    const pair = { client, server: connect(this.#target) };
    this.#pairs.add(pair);
    const end = () => {
      this.#pairs.delete(pair);
      pair.client.destroy();
      pair.server.destroy();
    };
    for (const socket of [pair.client, pair.server]) {
      // What ends one side with an error is seen by the other as a close.
      socket.on('error', end);
      socket.on('close', () => this.#frozen || end());
    }
    if (this.#frozen) freeze(pair);
    else join(pair);
  }
}

function join({ client, server }: Pair): void {
  client.pipe(server);
  server.pipe(client);
}

function freeze({ client, server }: Pair): void {
  client.unpipe(server).pause();
  server.unpipe(client).pause();
}
