import { once } from 'node:events';
import net from 'node:net';
import { Server, ServerCredentials, type ServerDuplexStream } from '@grpc/grpc-js';
import { type BotFrame, HubFrame, HubService, Offer, Welcome } from '../../src/gen/fleet/v1/fleet.ts';

type BotBody = NonNullable<BotFrame['body']>;
type HubBody = NonNullable<HubFrame['body']>;
type Call = ServerDuplexStream<BotFrame, HubFrame | Buffer>;
type OfferOfTask = Parameters<typeof Offer.fromPartial>[0] & { taskId: string };
type Said<C extends BotBody['$case']> = Omit<BotFrame, 'body'> & { body: Extract<BotBody, { $case: C }>['value'] };

/** Values that come one after the other, to whoever asks next. */
class Inbox<T> {
  readonly #values: T[] = [];
  readonly #askers: Array<(value: T) => void> = [];

  push(value: T): void {
    const asker = this.#askers.shift();
    if (asker) asker(value);
    else this.#values.push(value);
  }

  next(): Promise<T> {
    if (this.#values.length > 0) return Promise.resolve(this.#values.shift()!);
    return new Promise((resolve) => this.#askers.push(resolve));
  }
}

/** One stream of a bot, played by the test. */
export class ScriptedSession {
  readonly #call: Call;
  readonly #frames = new Inbox<BotFrame | undefined>();
  /** Everything that the bot said, heartbeats too. */
  readonly heard: BotFrame[] = [];
  #seq = 0;

  constructor(call: Call) {
    this.#call = call;
    call.on('data', (frame: BotFrame) => {
      this.heard.push(frame);
      this.#frames.push(frame);
    });
    call.on('error', () => {});
    call.on('end', () => {
      this.#frames.push(undefined);
      call.end();
    });
    call.on('cancelled', () => this.#frames.push(undefined));
  }

  /** The next frame with that body; heartbeats and credits between are skipped, anything else fails the test. */
  async next<C extends BotBody['$case']>(wanted: C): Promise<Said<C>> {
    const frame = await this.nextOf([wanted]);
    return { ...frame, body: frame.body.value } as Said<C>;
  }

  /** The next frame with one of those bodies, as it came. */
  async nextOf<C extends BotBody['$case']>(wanted: readonly C[]) {
    for (;;) {
      const frame = await this.#frames.next();
      const said = frame?.body?.$case;
      if (wanted.includes(said as C)) return frame as BotFrame & { body: Extract<BotBody, { $case: C }> };
      const passing = said === 'heartbeat' || said === 'credit';
      if (!passing)
        throw new Error(`expected ${wanted}, got ${JSON.stringify(frame?.body ?? 'the end of the stream')}`);
    }
  }

  /** Resolves when the bot has ended its half, or the connection is gone. */
  async end(): Promise<void> {
    while ((await this.#frames.next()) !== undefined);
  }

  send(body: HubBody, more: { ack?: number; traceparent?: string } = {}): number {
    this.#seq += 1;
    this.#call.write({ seq: this.#seq, ack: 0, traceparent: '', ...more, body });
    return this.#seq;
  }

  raw(bytes: Uint8Array): void {
    this.#call.write(Buffer.from(bytes));
  }

  async welcome(more: Parameters<typeof Welcome.fromPartial>[0] = {}): Promise<Said<'hello'>> {
    const hello = await this.next('hello');
    const calm = { heartbeatInterval: { seconds: 60, nanos: 0 }, leaseDuration: { seconds: 60, nanos: 0 } };
    const value = Welcome.fromPartial({ sessionId: 's', epoch: 1, hubId: 'hub-1', ...calm, ...more });
    this.send({ $case: 'welcome', value });
    return hello;
  }

  offer(offer: Parameters<typeof Offer.fromPartial>[0], traceparent = ''): number {
    return this.send({ $case: 'offer', value: Offer.fromPartial({ attempt: 1, fence: 1, ...offer }) }, { traceparent });
  }

  lease(taskId: string, fence = 1, traceparent = ''): void {
    this.send(
      { $case: 'lease', value: { taskId, fence, duration: { seconds: 60, nanos: 0 }, renewedBy: undefined } },
      { traceparent },
    );
  }

  /** Offers, sees it accepted, leases. */
  async grant(offer: OfferOfTask, traceparent = ''): Promise<void> {
    this.offer(offer, traceparent);
    const { body } = await this.next('offerReply');
    if (!body.accepted) throw new Error(`the bot declined: ${body.reason}`);
    this.lease(offer.taskId, offer.fence ?? 1);
  }

  /** The bot sets out: the next frame says so, and nothing else. */
  async nextStart({ taskId, fence = 1 }: OfferOfTask): Promise<Said<'progress'>> {
    const start = await this.next('progress');
    const { started, payload } = start.body;
    const isStart = started && payload.length === 0 && start.body.taskId === taskId && start.body.fence === fence;
    if (!isStart) throw new Error(`expected the start of ${taskId}:${fence}, got ${JSON.stringify(start.body)}`);
    return start;
  }

  /** Grants, and hears that the bot sets out. */
  async assign(offer: OfferOfTask, traceparent = ''): Promise<Said<'progress'>> {
    await this.grant(offer, traceparent);
    return this.nextStart(offer);
  }

  ack(ack: number): void {
    this.send({ $case: 'acknowledgement', value: {} }, { ack });
  }

  stopReading(): void {
    this.#call.pause();
  }

  readOn(): void {
    this.#call.resume();
  }

  /** Ends the stream with a gRPC status. */
  refuse(code: number, details: string): void {
    this.#call.emit('error', { code, details });
  }
}

export interface ScriptedHub extends AsyncDisposable {
  /** What bots connect to. */
  readonly address: string;
  nextSession(): Promise<ScriptedSession>;
  /** Destroys every TCP connection, as a pulled cable would. */
  cutConnections(): void;
}

/** A grpc-js server whose side of the stream the test plays, behind a TCP proxy that can cut connections. */
export async function startScriptedHub(): Promise<ScriptedHub> {
  const sessions = new Inbox<ScriptedSession>();
  const server = new Server();
  const passRaw = (frame: HubFrame | Buffer) =>
    Buffer.isBuffer(frame) ? frame : Buffer.from(HubFrame.encode(frame).finish());
  server.addService(
    { session: { ...HubService.session, responseSerialize: passRaw } },
    { session: (call: Call) => sessions.push(new ScriptedSession(call)) },
  );
  const port = await new Promise<number>((resolve, reject) => {
    const insecure = ServerCredentials.createInsecure();
    server.bindAsync('127.0.0.1:0', insecure, (error, bound) => (error ? reject(error) : resolve(bound)));
  });

  const sockets = new Set<net.Socket>();
  const proxy = net.createServer((downstream) => {
    const upstream = net.connect(port, '127.0.0.1');
    for (const [socket, other] of [
      [downstream, upstream],
      [upstream, downstream],
    ] as const) {
      sockets.add(socket);
      socket.pipe(other);
      socket.on('error', () => {});
      socket.on('close', () => {
        sockets.delete(socket);
        other.destroy();
      });
    }
  });
  proxy.listen(0, '127.0.0.1');
  await once(proxy, 'listening');
  const cutConnections = () => {
    for (const socket of sockets) socket.destroy();
  };
  return {
    address: `127.0.0.1:${(proxy.address() as net.AddressInfo).port}`,
    nextSession: () => sessions.next(),
    cutConnections,
    [Symbol.asyncDispose]: async () => {
      server.forceShutdown();
      cutConnections();
      await new Promise((resolve) => proxy.close(resolve));
    },
  };
}
