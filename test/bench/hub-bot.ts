import { newId } from '../../src/contract/ids.ts';
import {
  type HeldTask,
  HubFrame,
  HubService,
  type Nack,
  NackReason,
  type Position,
  RevisionStatus,
  type SchemaRef,
  Verdict,
} from '../../src/gen/fleet/v1/fleet.ts';
import type { Bot } from './bot.ts';
import {
  type Assignment,
  acceptFrame,
  confirming,
  heartbeatFrame,
  helloFrame,
  numbered,
  progressFrame,
  resultFrame,
  type Step,
  shopSchema,
  statusFrame,
} from './frames.ts';
import { RawStream } from './raw-stream.ts';

export interface BotEvents {
  offered(taskId: string): void;
  /** The hub has acknowledged the result. */
  finished(): void;
  /** The hub has acknowledged that a bot has applied the revision. */
  applied(digest: string): void;
}

/** What a bot does with the task it has: nothing, or reports its end as soon as it has it. */
export type Work = 'hold' | 'finish';

export interface HubBotOptions {
  readonly botId: string;
  readonly work: Work;
  /** The one revision that it has at first. */
  readonly schema: SchemaRef;
  /** Applies what it is taught; else it does not answer. */
  readonly learns: boolean;
  readonly position: Position;
}

/** A bot that speaks fleet.v1 by hand, with as little work of its own as that takes. Has one task at a time. */
export class HubBot implements Bot {
  readonly #options: HubBotOptions;
  readonly #instanceId = newId();
  readonly #events: BotEvents;
  readonly #digests: string[];
  /** Not acknowledged yet: sent again after a reconnect. */
  readonly #outbox: Array<{ readonly seq: number; readonly bytes: Buffer }> = [];
  #stream: RawStream | undefined;
  #seq = 0;
  /** The highest of the hub's on this stream. */
  #hubSeq = 0;
  #task: Assignment | undefined;
  #isLeased = false;
  /** Its result is on its way. */
  #isDone = false;
  #progress: Buffer | undefined;
  #say: { step: Step; sampled: boolean } = { step: 'stop', sampled: true };
  /** Digests that it has said to have applied, by the seq of the frame; not acknowledged yet. */
  readonly #applying = new Map<number, string>();
  #awaited: { readonly seq: number; readonly onAnswer: () => void } | undefined;
  #isAbandoned = false;

  constructor(options: HubBotOptions, events: BotEvents) {
    this.#options = options;
    this.#events = events;
    this.#digests = [options.schema.digest];
  }

  /** The task that it may report about. */
  get leased(): Assignment | undefined {
    return this.#isLeased ? this.#task : undefined;
  }

  /** The hub took a task away. */
  get isAbandoned(): boolean {
    return this.#isAbandoned;
  }

  connect(address: string, onLost: () => void): Promise<void> {
    return new Promise((resolve, reject) => {
      let isWelcome = false;
      this.#hubSeq = 0;
      const onBytes = (bytes: Buffer) => {
        const frame = HubFrame.decode(bytes);
        if (frame.body?.$case !== 'welcome') return this.#hear(frame);
        isWelcome = true;
        this.#isAbandoned ||= frame.body.value.verdicts.some(({ verdict }) => verdict !== Verdict.CONTINUE);
        for (const { bytes: unacknowledged } of this.#outbox) this.#stream!.write(unacknowledged);
        resolve();
      };
      this.#stream = new RawStream(address, HubService.session.path, onBytes, (why) => {
        if (isWelcome) onLost();
        else reject(new Error(`no session at ${address}: ${why}`));
      });
      this.#stream.write(
        helloFrame({
          botId: this.#options.botId,
          instanceId: this.#instanceId,
          kinds: [{ kind: shopSchema.kind, digests: this.#digests }],
          credits: [{ kind: shopSchema.kind, amount: 1 }],
          heldTasks: this.#held,
          position: this.#options.position,
        }),
      );
    });
  }

  says(step: Step, sampled: boolean): void {
    this.#say = { step, sampled };
    this.#progress = undefined;
  }

  /** Reports progress; answers with its seq. */
  request(onAnswer: () => void): number {
    this.#progress ??= progressFrame(this.leased!, this.#say.step, this.#say.sampled);
    const seq = this.#send((next) => numbered(this.#progress!, next));
    this.#awaited = { seq, onAnswer };
    return seq;
  }

  /** Reports the end of its task; answers with the task's id. */
  finish(): string {
    const task = this.leased!;
    this.#isLeased = false;
    this.#isDone = true;
    const seq = this.#send((next) => resultFrame(task, next));
    const onAnswer = () => {
      this.#isDone = false;
      this.#events.finished();
    };
    this.#awaited = { seq, onAnswer };
    return task.taskId;
  }

  beat(): void {
    this.#write(heartbeatFrame(this.#held, this.#options.position));
  }

  get #held(): HeldTask[] {
    if (!this.#task || !(this.#isLeased || this.#isDone)) return [];
    const { taskId, fence } = this.#task;
    return [{ taskId, fence, finished: this.#isDone }];
  }

  #send(encode: (seq: number) => Buffer): number {
    this.#seq += 1;
    const bytes = encode(this.#seq);
    this.#outbox.push({ seq: this.#seq, bytes });
    this.#write(bytes);
    return this.#seq;
  }

  #write(bytes: Buffer): void {
    this.#stream!.write(confirming(bytes, this.#hubSeq));
  }

  /** At once, and in one frame, as the SDK does. */
  #learn(schema: SchemaRef): void {
    const applied = statusFrame(schema, RevisionStatus.APPLIED);
    this.#applying.set(
      this.#send((seq) => numbered(applied, seq)),
      schema.digest,
    );
    this.#digests.push(schema.digest);
  }

  /** An offer that was answered too late is nobody's fault, a lease that is gone is the hub's. */
  #refused({ reason, taskId, fence, message }: Nack): void {
    if (reason !== NackReason.STALE_FENCE) throw new Error(`the hub refused a frame: ${message}`);
    if (this.#task?.taskId !== taskId || this.#task.fence !== fence) return;
    this.#isAbandoned ||= this.#isLeased;
    this.#isLeased = false;
    this.#task = undefined;
  }

  #hear({ seq, ack, body }: HubFrame): void {
    this.#hubSeq = Math.max(this.#hubSeq, seq);
    switch (body?.$case) {
      case 'offer': {
        const { taskId, fence, schema = shopSchema } = body.value;
        this.#events.offered(taskId);
        this.#task = { taskId, fence, schema };
        this.#send((seq) => acceptFrame(this.#task!, seq));
        break;
      }
      case 'lease':
        this.#isLeased = true;
        this.#progress = undefined;
        if (this.#options.work === 'finish') this.finish();
        break;
      case 'protocolOffer':
        if (this.#options.learns) for (const { schema } of body.value.add) this.#learn(schema!);
        break;
      case 'nack':
        this.#refused(body.value);
        break;
    }
    while (this.#outbox.length > 0 && this.#outbox[0]!.seq <= ack) {
      const digest = this.#applying.get(this.#outbox.shift()!.seq);
      if (digest !== undefined) this.#events.applied(digest);
    }
    if (!this.#awaited || this.#awaited.seq > ack) return;
    const { onAnswer } = this.#awaited;
    this.#awaited = undefined;
    onAnswer();
  }
}
