import type { AsyncMessage } from 'rabbitmq-client';
import { batchContentType, decodeBatch } from '../contract/batch.ts';
import type { Acknowledgements } from './acknowledgements.ts';
import { messageContentType } from './envelope.ts';
import { bodyOf } from './malformed.ts';

/**
 * One AMQP message as it came, with the message or messages that are in it. The broker gets one answer for all of them: acknowledged when all
 * are, back into the queue when one is to come again (who has the others knows them by their ids then).
 */
export class Parcel {
  readonly #acknowledgements: Acknowledgements;
  readonly #raw: AsyncMessage;
  /** Taken apart when its turn has come: what waits is kept as it came, which is smaller. */
  #parts: readonly AsyncMessage[] | undefined;
  #taken = 0;
  #settled = 0;
  #returned = false;

  constructor(raw: AsyncMessage, acknowledgements: Acknowledgements) {
    this.#raw = raw;
    this.#acknowledgements = acknowledgements;
    acknowledgements.delivered(raw.deliveryTag);
  }

  /** Its channel is gone: the broker delivers it again. */
  get lost(): boolean {
    return this.#acknowledgements.lost;
  }

  /** Nothing more to take: all is handed out, or will come again, and what comes again must not come after what was behind it. */
  get isEmpty(): boolean {
    return this.lost || this.#returned || this.#taken === this.#all.length;
  }

  take(): AsyncMessage {
    const part = this.#all[this.#taken]!;
    this.#taken += 1;
    return part;
  }

  ack(): void {
    this.#settle();
  }

  requeue(): void {
    this.#returned = true;
    this.#settle();
  }

  get #all(): readonly AsyncMessage[] {
    this.#parts ??= partsOf(this.#raw);
    return this.#parts;
  }

  #settle(): void {
    this.#settled += 1;
    if (this.#settled < this.#taken || !this.isEmpty || this.lost) return;
    const { deliveryTag } = this.#raw;
    if (this.#returned) this.#acknowledgements.requeue(deliveryTag);
    else this.#acknowledgements.ack(deliveryTag);
  }
}

/** What cannot be taken apart stays whole, and is no message of ours by its headers. */
export function partsOf(raw: AsyncMessage): readonly AsyncMessage[] {
  if (raw.contentType !== batchContentType) return [raw];
  try {
    return decodeBatch(bodyOf(raw)).map(({ headers, body }) => ({
      ...raw,
      messageId: headers.cloudEvents_id,
      correlationId: headers['correlation-id'],
      type: headers.cloudEvents_type,
      contentType: messageContentType,
      headers,
      body,
    }));
  } catch {
    return [raw];
  }
}
