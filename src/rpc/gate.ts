import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { constants, type IncomingHttpHeaders, type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2';
import { type AddressInfo, createServer, isIPv6, type Socket } from 'node:net';
import type { ConnectionInjector } from '@grpc/grpc-js';
import { TokenBucket } from '../kit/token-bucket.ts';
import {
  acceptBacklog,
  burstSeconds,
  type ConnectionLimits,
  lookEveryMs,
  maxBytesBeforeStream,
} from './connection-limits.ts';

/** What happened to a connection or a stream, for operators. Reasons are few, so that each can be a time series. */
export type GateEvent = 'connection refused' | 'connection cut' | 'stream refused' | 'stream ended';
export type OnGateEvent = (event: GateEvent, reason: string) => void;

/** Stands for any encoding of messages, and is quoted in the refusal. */
const notTaken = 'any; send messages uncompressed';

interface Connection {
  readonly socket: Socket;
  readonly bytes: TokenBucket;
  counted: number;
  /** When a look found that it had brought something. */
  heardAtMs: number;
  /** When it was asked whether it is there; 0 when it has brought something since. */
  askedAtMs: number;
  /** From the first stream on. */
  session: ServerHttp2Session | undefined;
  isCut: boolean;
}

/**
 * The TCP front of a gRPC server. It accepts, counts by address, and hands each socket to grpc-js, whose server knows no such bounds
 * (`createConnectionInjector`, gRFC L114). A connection's HTTP/2 session becomes known with its first stream, through Node's diagnostics
 * channels; before that it may send little. Node itself ends a session for a burst of pings, settings, resets or broken frames; what comes
 * more slowly than that, and for longer, ends here.
 */
export class Gate {
  readonly #injector: ConnectionInjector;
  readonly #limits: ConnectionLimits;
  readonly #onEvent: OnGateEvent;
  readonly #front = createServer({ noDelay: true }, (socket) => this.#accept(socket));
  readonly #connections = new Map<string, Connection>();
  readonly #byAddress = new Map<string, number>();
  /** Sessions whose first stream has come; undefined for those of other servers in this process. */
  readonly #known = new WeakMap<ServerHttp2Session, Connection | undefined>();
  readonly #lookEveryMs: number;
  #look: NodeJS.Timeout | undefined;
  #lookedAtMs = 0;
  #port = 0;

  constructor(injector: ConnectionInjector, limits: ConnectionLimits, onEvent: OnGateEvent) {
    this.#injector = injector;
    this.#limits = limits;
    this.#lookEveryMs = Math.min(lookEveryMs, limits.keepaliveMs / 2);
    this.#onEvent = onEvent;
    this.#front.maxConnections = limits.maxConnections;
    this.#front.on('drop', () => onEvent('connection refused', 'TOO_MANY'));
  }

  get connections(): number {
    return this.#connections.size;
  }

  /** Resolves with the port; rejects with the system's error. */
  async listen(host: string, port: number): Promise<number> {
    await new Promise<void>((resolve, reject) => {
      this.#front.once('error', reject);
      this.#front.listen(port, host, acceptBacklog, () => resolve(this.#front.off('error', reject) && undefined));
    });
    // Such as too many open files: the next one may be accepted again.
    this.#front.on('error', ({ code }: NodeJS.ErrnoException) => this.#onEvent('connection refused', code ?? 'ERROR'));
    subscribe('http2.server.stream.created', this.#onCreated);
    subscribe('http2.server.stream.close', this.#onClosed);
    this.#look = setInterval(() => this.#lookAtAll(), this.#lookEveryMs).unref();
    this.#port = (this.#front.address() as AddressInfo).port;
    return this.#port;
  }

  /** Ends the connection of `peer` (`address:port`, as grpc-js names it) for who does not read that its call has ended. */
  hangUp(peer: string): void {
    const connection = this.#connections.get(peer);
    if (connection) this.#cut(connection, 'HUNG_UP');
  }

  /** Takes no more; what is there stays until it ends. */
  close(): void {
    this.#front.close();
    // What still ends is counted while it does.
    this.#front.once('close', () => {
      unsubscribe('http2.server.stream.created', this.#onCreated);
      unsubscribe('http2.server.stream.close', this.#onClosed);
      clearInterval(this.#look);
    });
  }

  #accept(socket: Socket): void {
    const { remoteAddress, remotePort } = socket;
    if (remoteAddress === undefined) {
      socket.destroy();
      return;
    }
    const host = hostOf(remoteAddress);
    const others = this.#byAddress.get(host) ?? 0;
    if (others >= this.#limits.maxConnectionsPerAddress) {
      this.#onEvent('connection refused', 'TOO_MANY_OF_ADDRESS');
      socket.resetAndDestroy();
      return;
    }
    const { bytesPerSecond, byteBurst } = this.#limits;
    const peer = `${remoteAddress}:${remotePort}`;
    const nowMs = performance.now();
    const bytes = new TokenBucket(byteBurst, bytesPerSecond, nowMs);
    const none = { counted: 0, askedAtMs: 0, session: undefined, isCut: false };
    this.#connections.set(peer, { socket, bytes, heardAtMs: nowMs, ...none });
    this.#byAddress.set(host, others + 1);
    socket.once('close', () => {
      this.#connections.delete(peer);
      const left = this.#byAddress.get(host)! - 1;
      if (left > 0) this.#byAddress.set(host, left);
      else this.#byAddress.delete(host);
    });
    this.#injector.injectConnection(socket);
  }

  readonly #onCreated = (message: unknown): void => {
    const { stream, headers } = message as { stream: ServerHttp2Stream; headers: IncomingHttpHeaders };
    const session = stream.session as ServerHttp2Session | undefined;
    if (!session) return;
    if (!this.#known.has(session)) this.#meet(session);
    const encoding = headers['grpc-encoding'];
    if (!encoding || encoding === 'identity' || !this.#known.get(session)) return;
    // One read of 16 kB can hold hundreds of compressed messages, and grpc-js gives each a decompressor and a buffer at once. It reads this
    // same object next, and answers what it does not know with UNIMPLEMENTED.
    headers['grpc-encoding'] = notTaken;
    this.#onEvent('stream refused', 'ENCODING');
  };

  readonly #onClosed = (message: unknown): void => {
    const { stream } = message as { stream: ServerHttp2Stream };
    const session = stream.session as ServerHttp2Session | undefined;
    const connection = session && this.#known.get(session);
    if (!connection) return;
    const sent = stream.sentTrailers ?? (stream.headersSent ? stream.sentHeaders : {});
    this.#onEvent('stream ended', String(sent?.['grpc-status'] ?? 'none'));
  };

  #meet(session: ServerHttp2Session): void {
    const { remoteAddress, remotePort, localPort } = session.socket;
    const connection = localPort === this.#port ? this.#connections.get(`${remoteAddress}:${remotePort}`) : undefined;
    this.#known.set(session, connection);
    if (!connection) return;
    connection.session = session;
    const { controlFramesPerSecond, resetsPerSecond } = this.#limits;
    const bound = (perSecond: number, reason: string) => {
      let bucket: TokenBucket | undefined;
      return () => {
        const nowMs = performance.now();
        bucket ??= new TokenBucket(perSecond * burstSeconds, perSecond, nowMs);
        if (!bucket.take(nowMs)) this.#cut(connection, reason);
      };
    };
    const onReset = bound(resetsPerSecond, 'RESET_FLOOD');
    session.on('ping', bound(controlFramesPerSecond, 'PING_FLOOD'));
    session.on('remoteSettings', bound(controlFramesPerSecond, 'SETTINGS_FLOOD'));
    session.on('stream', (stream) => stream.once('aborted', onReset));
    session.on('error', ({ code = '' }: NodeJS.ErrnoException) => {
      if (code.startsWith('ERR_HTTP2_')) this.#onEvent('connection cut', code);
    });
  }

  #lookAtAll(): void {
    const nowMs = performance.now();
    // What came while this process was stopped has not been read yet.
    const wasAway = nowMs - this.#lookedAtMs > 2 * this.#lookEveryMs;
    this.#lookedAtMs = nowMs;
    for (const connection of this.#connections.values()) {
      const { bytesRead } = connection.socket;
      const cost = bytesRead - connection.counted;
      connection.counted = bytesRead;
      if (!connection.session && bytesRead > maxBytesBeforeStream) this.#cut(connection, 'NO_STREAM');
      else if (!connection.bytes.take(nowMs, { cost })) this.#cut(connection, 'BYTE_FLOOD');
      else if (cost > 0 || wasAway) {
        connection.heardAtMs = nowMs;
        connection.askedAtMs = 0;
      } else this.#askSilent(connection, nowMs);
    }
  }

  #askSilent(connection: Connection, nowMs: number): void {
    const { heardAtMs, askedAtMs, session } = connection;
    const { keepaliveMs } = this.#limits;
    if (askedAtMs > 0) {
      if (nowMs - askedAtMs >= keepaliveMs) this.#cut(connection, 'SILENT');
    } else if (nowMs - heardAtMs > keepaliveMs + this.#lookEveryMs / 2) {
      connection.askedAtMs = nowMs;
      if (session && !session.destroyed && !session.closed) session.ping(() => undefined);
    }
  }

  #cut(connection: Connection, reason: string): void {
    if (connection.isCut) return;
    connection.isCut = true;
    this.#onEvent('connection cut', reason);
    connection.session?.destroy(undefined, constants.NGHTTP2_ENHANCE_YOUR_CALM);
    // Also where what is written does not leave, as the peer does not read.
    connection.socket.destroySoon();
    setImmediate(() => connection.socket.resetAndDestroy());
  }
}

/** The first half of an IPv6 address, any other address as it is. */
export function hostOf(address: string): string {
  const plain = address.replace(/^::ffff:(?=\d+\.)/, '');
  if (!isIPv6(plain)) return plain;
  const [head = '', tail] = plain.split('%')[0]!.split('::');
  const first = head.split(':').filter(Boolean);
  const last = (tail ?? '').split(':').filter(Boolean);
  const gap = tail === undefined ? 0 : Math.max(0, 8 - first.length - last.length);
  return [...first, ...Array<string>(gap).fill('0'), ...last].slice(0, 4).join(':');
}
