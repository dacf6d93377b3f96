import { randomUUID } from 'node:crypto';
import { Client, type ClientDuplexStream, credentials, Metadata, type StatusObject } from '@grpc/grpc-js';
import {
  BotFrame,
  type DeepPartial,
  Hello,
  type HubFrame,
  HubService,
  NackReason,
  Progress,
  Result,
  type SchemaRef,
} from '../../src/gen/fleet/v1/fleet.ts';
import { ShopProgress, ShopResult } from '../../src/gen/kinds/shop/v1/shop.ts';
import { kinds } from '../../src/gen/kinds.ts';

const { kind, revision, digest } = kinds.shop;
export const shopSchema = { kind, revision, digest };

type HubBody = NonNullable<HubFrame['body']>;
type Case = HubBody['$case'];
type ValueOf<C extends Case> = Extract<HubBody, { $case: C }>['value'];
type BotBody = NonNullable<BotFrame['body']>;

export type RawHello = Partial<Hello>;

/** An offer as the reports about it repeat it. */
export interface Assignment {
  readonly taskId: string;
  readonly fence: number;
}

/** A bot that speaks the protocol by hand: every frame is the test's own. */
export class RawBot {
  readonly hello: Hello;
  /** How the stream ended. */
  readonly status: Promise<StatusObject>;
  readonly frames: HubFrame[] = [];
  readonly #client: Client;
  readonly #call: ClientDuplexStream<BotFrame | Buffer, HubFrame>;
  readonly #waiting = new Set<() => void>();
  readonly #taken = new Set<HubFrame>();
  seq = 0;

  /** `metadata` of the call: a client may send anything. */
  constructor(address: string, hello: RawHello, metadata = new Metadata()) {
    this.hello = Hello.fromPartial({
      botId: `bot-${randomUUID().slice(0, 8)}`,
      instanceId: randomUUID(),
      kinds: [{ kind: 'shop', digests: [shopSchema.digest] }],
      credits: [{ kind: 'shop', amount: 1 }],
      ...hello,
    });
    this.#client = new Client(address, credentials.createInsecure(), { 'grpc.use_local_subchannel_pool': 1 });
    const { path, responseDeserialize } = HubService.session;
    this.#call = this.#client.makeBidiStreamRequest(path, encodeFrame, responseDeserialize, metadata);
    this.status = new Promise((resolve) => {
      this.#call.on('status', (status) => {
        this.#client.close();
        resolve(status);
      });
    });
    this.#call.on('error', () => undefined);
    this.#call.on('data', (frame: HubFrame) => {
      this.frames.push(frame);
      for (const look of [...this.#waiting]) look();
    });
  }

  /** Says hello and waits for the answer. */
  async welcomed(): Promise<ValueOf<'welcome'>> {
    this.sayHello();
    return (await this.next('welcome')).value;
  }

  sayHello(): void {
    this.send({ $case: 'hello', value: this.hello }, { seq: 0 });
  }

  /** The oldest frame of this kind that was not asked for yet; the test's own time limit bounds the wait. */
  async next<C extends Case>(wanted: C): Promise<{ frame: HubFrame; value: ValueOf<C> }> {
    const frame = await this.#until(() =>
      this.frames.find((each) => each.body?.$case === wanted && !this.#taken.has(each)),
    );
    this.#taken.add(frame);
    return { frame, value: frame.body!.value as ValueOf<C> };
  }

  /** The highest acknowledgement, once it is at least `seq`. */
  async acknowledged(seq: number): Promise<void> {
    await this.#until(() => (this.ack >= seq ? true : undefined));
  }

  get ack(): number {
    return Math.max(0, ...this.frames.map((frame) => frame.ack));
  }

  /** Numbers the frame unless told how; answers with its seq. */
  send(body: BotBody | undefined, { seq = this.seq + 1, traceparent = '' } = {}): number {
    if (seq > 0) this.seq = seq;
    this.#call.write({ seq, ack: 0, traceparent, body } satisfies BotFrame);
    return seq;
  }

  sendBytes(bytes: Buffer): void {
    this.#call.write(bytes);
  }

  /** Takes the next offer and its lease. */
  async lease(): Promise<Assignment> {
    const { value: offer } = await this.next('offer');
    this.reply(offer, true);
    await this.next('lease');
    return { taskId: offer.taskId, fence: offer.fence };
  }

  reply({ taskId, fence }: Assignment, accepted: boolean): number {
    return this.send({
      $case: 'offerReply',
      value: { taskId, fence, accepted, reason: '', refusal: NackReason.UNSPECIFIED },
    });
  }

  progress(
    task: Assignment,
    step: ShopProgress['step'],
    more: { seq?: number; started?: boolean; traceparent?: string; schema?: SchemaRef; payload?: Buffer } = {},
  ): number {
    const { seq, traceparent, started = false, schema = shopSchema } = more;
    const written = step ? Buffer.from(ShopProgress.encode({ step }).finish()) : Buffer.alloc(0);
    const payload = more.payload ?? written;
    const value = Progress.fromPartial({ ...task, schema, payload, occurredAt: new Date(), started });
    return this.send({ $case: 'progress', value }, { seq: seq ?? this.seq + 1, traceparent: traceparent ?? '' });
  }

  result(task: Assignment, result: DeepPartial<Result>, more: { seq?: number; traceparent?: string } = {}): number {
    const payload = Buffer.from(ShopResult.encode({ lines: [], walkedMetres: 1 }).finish());
    const value = Result.fromPartial({ ...task, schema: shopSchema, payload, occurredAt: new Date(), ...result });
    return this.send(
      { $case: 'result', value },
      { seq: more.seq ?? this.seq + 1, traceparent: more.traceparent ?? '' },
    );
  }

  heartbeat(tasks: readonly Assignment[], more: { x?: number; y?: number; battery?: number } = {}): void {
    const { x = 0, y = 0, battery = 1 } = more;
    const heldTasks = tasks.map((task) => ({ ...task, finished: false }));
    this.send(
      { $case: 'heartbeat', value: { sentAt: new Date(), position: { x, y }, battery, heldTasks } },
      { seq: 0 },
    );
  }

  /** Beats as a living bot does, until the returned function is called or the stream ends. */
  keepBeating(tasks: readonly Assignment[]): () => void {
    const timer = setInterval(() => this.heartbeat(tasks), 100);
    const stop = () => clearInterval(timer);
    void this.status.then(stop);
    return stop;
  }

  /** The newest numbered frame of the hub. */
  get seen(): number {
    return Math.max(0, ...this.frames.map(({ seq }) => seq));
  }

  /** What the hub sends stays in its hands, but for what fits into the windows of HTTP/2. */
  stopReading(): void {
    this.#call.pause();
  }

  readOn(): void {
    this.#call.resume();
  }

  /** Ends the bot's half of the stream. */
  end(): void {
    this.#call.end();
  }

  /** Vanishes without a word. */
  cut(): void {
    this.#call.cancel();
    this.#client.close();
  }

  #until<T>(found: () => T | undefined): Promise<T> {
    return new Promise((resolve, reject) => {
      const look = () => {
        const value = found();
        if (value === undefined) return;
        this.#waiting.delete(look);
        resolve(value);
      };
      this.#waiting.add(look);
      void this.status.then(({ code, details }) => {
        if (this.#waiting.delete(look)) reject(new Error(`the stream has ended: ${code} ${details}`));
      });
      look();
    });
  }
}

const encodeFrame = (frame: BotFrame | Buffer): Buffer =>
  Buffer.isBuffer(frame) ? frame : Buffer.from(BotFrame.encode(frame).finish());

export const picked = (quantity = 1): ShopProgress['step'] => ({
  $case: 'itemPicked',
  value: { lineId: 'line-1', productId: 'product-1', storeId: 'store-1', quantity },
});
export const reached = (stopIndex = 0): ShopProgress['step'] => ({
  $case: 'stopReached',
  value: { storeId: 'store-1', stopIndex },
});
export const short = (quantity = 1): ShopProgress['step'] => ({
  $case: 'itemShort',
  value: { lineId: 'line-1', productId: 'product-1', storeId: 'store-1', quantity },
});
