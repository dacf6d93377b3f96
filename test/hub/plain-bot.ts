import { randomUUID } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { type Client, type ClientDuplexStream, credentials, loadPackageDefinition } from '@grpc/grpc-js';
import { loadSync, type Options } from '@grpc/proto-loader';
import { kinds } from '../../src/gen/kinds.ts';

/** As proto-loader reads them: plain objects, fields in snake case. */
// biome-ignore lint/suspicious/noExplicitAny: without generated code, nobody knows what a field holds.
type Message = Record<string, any>;
interface Codec {
  serialize(message: Message): Buffer;
  deserialize(bytes: Buffer): Message;
}

const options: Options = {
  keepCase: true,
  longs: Number,
  enums: String,
  oneofs: true,
  defaults: true,
  includeDirs: [fileURLToPath(new URL('../../proto', import.meta.url))],
};
const { fleet } = loadPackageDefinition(loadSync('fleet/v1/fleet.proto', options)) as unknown as {
  fleet: { v1: { Hub: typeof Client } };
};
const shopping = loadSync('kinds/shop/v1/shop.proto', options);
const codec = (name: string): Codec => {
  const type = shopping[`kinds.shop.v1.${name}`] as unknown as Record<keyof Codec, unknown>;
  return type as unknown as Codec;
};
const shopTask = codec('ShopTask');
const shopProgress = codec('ShopProgress');
const shopResult = codec('ShopResult');

/**
 * A bot without the SDK and without generated code: grpc-js, the two .proto files, and the five steps of the README's "The protocol in short", whose
 * numbers stand beside what they ask for. Picks whatever it is told to.
 */
export class PlainBot {
  readonly #address: string;
  readonly #botId: string;
  readonly #instanceId = randomUUID();
  /** Frames without an acknowledgement, oldest first. */
  #outbox: Message[] = [];
  #seq = 0;
  #hubSeq = 0;
  #resumeToken: Buffer = Buffer.alloc(0);
  #task: { task_id: string; fence: number; offer: Message } | undefined;
  #isDone = false;
  #call: ClientDuplexStream<Message, Message> | undefined;
  #client: Client | undefined;
  #timer: NodeJS.Timeout | undefined;
  /** What the hub refused. */
  readonly nacks: Message[] = [];
  /** Called after each step that was sent; a test cuts the wire here. */
  onStep: (step: number) => void = () => {};
  #isClosed = false;

  constructor(address: string, botId: string) {
    this.#address = address;
    this.#botId = botId;
    this.#connect();
  }

  /** Without a word, as a lost radio link; the bot connects again. */
  cut(): void {
    this.#call?.cancel();
  }

  close(): void {
    this.#isClosed = true;
    this.#call?.write({ seq: 0, goodbye: { reason: 'done' } });
    this.#call?.end();
  }

  #connect(): void {
    const client = new fleet.v1.Hub(this.#address, credentials.createInsecure(), {
      'grpc.use_local_subchannel_pool': 1,
    });
    this.#client = client;
    const call = (client as unknown as { Session(): ClientDuplexStream<Message, Message> }).Session();
    this.#call = call;
    call.on('data', (frame) => this.#hear(frame));
    call.on('error', () => undefined);
    call.on('status', () => {
      clearInterval(this.#timer);
      this.#client?.close();
      // 5. Connect again; the hub is a test's, and one bot is no herd.
      if (!this.#isClosed) this.#connect();
    });
    // 1. Hello.
    call.write({
      seq: 0,
      hello: {
        bot_id: this.#botId,
        instance_id: this.#instanceId,
        resume_token: this.#resumeToken,
        last_hub_seq: this.#hubSeq,
        kinds: [{ kind: 'shop', digests: [kinds.shop.digest] }],
        credits: [{ kind: 'shop', amount: 1 }],
        held_tasks: this.#held(),
      },
    });
  }

  #held(): Message[] {
    if (!this.#task) return [];
    const { task_id, fence } = this.#task;
    return [{ task_id, fence, finished: this.#isDone }];
  }

  #hear(frame: Message): void {
    this.#hubSeq = Math.max(this.#hubSeq, frame.seq);
    if (frame.body === 'welcome') this.#welcomed(frame.welcome);
    // 3. Kept until the acknowledgement covers them.
    this.#outbox = this.#outbox.filter(({ seq }) => seq > frame.ack);
    if (this.#isDone && this.#outbox.length === 0) {
      this.#task = undefined;
      this.#isDone = false;
    }
    if (frame.body === 'offer') this.#offered(frame.offer);
    if (frame.body === 'lease') this.#work();
    if (frame.body === 'nack') this.nacks.push(frame.nack);
  }

  #welcomed(welcome: Message): void {
    this.#resumeToken = welcome.resume_token;
    const [verdict] = welcome.verdicts;
    if (verdict?.verdict === 'VERDICT_ABANDON') {
      this.#task = undefined;
      this.#outbox = [];
    }
    // 3. After a reconnect, the rest again under the same numbers.
    this.#outbox = this.#outbox.filter(({ seq }) => seq > welcome.last_bot_seq);
    for (const kept of this.#outbox) this.#call!.write({ ...kept, ack: this.#hubSeq });
    // 4. Heartbeats at the interval.
    const { seconds, nanos } = welcome.heartbeat_interval;
    const beat = () => this.#call!.write({ seq: 0, heartbeat: { battery: 1, held_tasks: this.#held() } });
    this.#timer = setInterval(beat, seconds * 1_000 + nanos / 1_000_000);
  }

  #offered(offer: Message): void {
    const { task_id, fence } = offer;
    this.#task = { task_id, fence, offer };
    this.#isDone = false;
    // 2. Offer, answered with OfferReply.
    this.#say({ offer_reply: { task_id, fence, accepted: true } });
  }

  #work(): void {
    const { task_id, fence, offer } = this.#task!;
    const about = { task_id, fence, schema: offer.schema };
    const report = (more: Message) => this.#say({ progress: { ...about, ...more } });
    const { stops } = shopTask.deserialize(offer.payload);
    let step = 0;
    const lines: Message[] = [];
    // 2. Begin after the Lease, and say so.
    report({ started: true });
    stops.forEach(({ store_id, items }: Message, stop_index: number) => {
      report({ payload: shopProgress.serialize({ stop_reached: { store_id, stop_index } }) });
      for (const { line_id, product_id, quantity } of items) {
        report({ payload: shopProgress.serialize({ item_picked: { line_id, product_id, store_id, quantity } }) });
        lines.push({ line_id, picked: quantity, short: 0 });
        this.onStep(++step);
      }
    });
    // 2. Then exactly one Result.
    this.#isDone = true;
    const payload = shopResult.serialize({ lines, walked_metres: 1 });
    this.#say({ result: { ...about, outcome: 'OUTCOME_SUCCEEDED', payload } });
  }

  #say(body: Message): void {
    this.#seq += 1;
    const frame = { seq: this.#seq, ack: this.#hubSeq, ...body };
    this.#outbox.push(frame);
    this.#call!.write(frame);
  }
}
