import { newId } from '../../src/contract/ids.ts';
import { RevisionStatus } from '../../src/gen/fleet/v1/fleet.ts';
import type { Bot } from './bot.ts';
import { heartbeatFrame, numbered, progressFrame, type Step, shopSchema, statusFrame } from './frames.ts';
import type { BotEvents } from './hub-bot.ts';
import { RawStream, rawMethods } from './raw-stream.ts';

/** Any: a number as long as those in the middle of a round. */
const seq = 1_000;
/** Of a UUID in text. */
const taskIdLength = 36;
const heartbeat = heartbeatFrame([]);
const status = numbered(statusFrame(shopSchema, RevisionStatus.APPLIED), seq);

/** Sends to the raw server the bytes that a hub bot would send to a hub. */
export class RawServerBot implements Bot {
  readonly #method: keyof typeof rawMethods;
  readonly #events: Pick<BotEvents, 'offered'>;
  #frame = numbered(progressFrame({ taskId: newId(), fence: 1 }, 'stop', true), seq);
  #stream: RawStream | undefined;
  #onAnswer: (() => void) | undefined;

  constructor(method: keyof typeof rawMethods, events: Pick<BotEvents, 'offered'>) {
    this.#method = method;
    this.#events = events;
  }

  connect(address: string, onLost: () => void): Promise<void> {
    return new Promise((resolve, reject) => {
      let isConnected = false;
      const onBytes = (bytes: Buffer) => {
        if (isConnected) return this.#hear(bytes);
        isConnected = true;
        resolve();
      };
      this.#stream = new RawStream(address, rawMethods[this.#method].path, onBytes, (why) => {
        if (isConnected) onLost();
        else reject(new Error(`no stream to ${address}: ${why}`));
      });
      this.#stream.write(this.#frame);
    });
  }

  says(step: Step, sampled: boolean): void {
    this.#frame = numbered(progressFrame({ taskId: newId(), fence: 1 }, step, sampled), seq);
  }

  request(onAnswer: () => void): void {
    this.#onAnswer = onAnswer;
    this.#stream!.write(this.#frame);
  }

  /** Only to who does not answer: the minimal paths have no sessions. */
  beat(): void {
    if (this.#method === 'hear' || this.#method === 'dispatch') this.#stream!.write(heartbeat);
  }

  #hear(bytes: Buffer): void {
    const onAnswer = this.#onAnswer;
    this.#onAnswer = undefined;
    if (this.#method === 'teach') this.#stream!.write(status);
    else if (onAnswer) onAnswer();
    else this.#events.offered(bytes.toString('latin1', 0, taskIdLength));
  }
}
