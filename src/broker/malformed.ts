import type { Logger } from 'pino';
import type { AsyncMessage } from 'rabbitmq-client';
import { type BackoffPolicy, backoffMs, pause } from '../kit/backoff.ts';
import type { RabbitPublisher } from './rabbitmq-publisher.ts';
import type { RawDelivery } from './rabbitmq-subscription.ts';
import { type AmqpNames, declareSideQueue } from './rabbitmq-topology.ts';

const moveBackoff: BackoffPolicy = { firstMs: 200, maxMs: 10_000, factor: 2 };
/** Our own headers have to fit into one frame beside what is quoted of the foreign ones. Characters. */
const maxQuotedChars = 1_000;

/**
 * Moves what is no message of ours out of a service's way into a durable queue, for people to look at: requeued it would come
 * back for ever, and a park table has no place for what has neither id nor key.
 */
export class MalformedMessages {
  readonly #publisher: RabbitPublisher;
  readonly #names: AmqpNames;
  readonly #logger: Logger;
  readonly #closing: AbortSignal;

  constructor(publisher: RabbitPublisher, names: AmqpNames, logger: Logger, closing: AbortSignal) {
    this.#publisher = publisher;
    this.#names = names;
    this.#logger = logger;
    this.#closing = closing;
  }

  /** Acknowledges the delivery once its copy is confirmed; until then it stays where it is, unsettled. */
  async moveAside(queue: string, delivery: RawDelivery, reason: Error): Promise<void> {
    for (let attempt = 1; !delivery.lost && !this.#closing.aborted; attempt++) {
      try {
        await this.#copy(queue, delivery.raw, reason);
        delivery.ack();
        this.#logger.error({ err: reason, queue, movedTo: this.#names.malformed }, 'malformed message moved aside');
        return;
      } catch (error) {
        const retryInMs = backoffMs(moveBackoff, attempt, Math.random());
        this.#logger.error({ err: error, queue, retryInMs }, 'malformed message cannot be moved aside yet');
        await pause(retryInMs, this.#closing);
      }
    }
  }

  async #copy(queue: string, raw: AsyncMessage, reason: Error): Promise<void> {
    const channel = this.#publisher.channel.current;
    // A publish to a queue that has expired in the meantime would be confirmed and lost.
    if (channel) await declareSideQueue(channel, this.#names, this.#names.malformed, 'reject-publish');
    const headers = {
      'mallbots-reason': cut(reason.message),
      'mallbots-queue': queue,
      'mallbots-exchange': raw.exchange,
      'mallbots-routing-key': raw.routingKey,
      // As text: foreign headers may be of any type and size, and one that cannot be encoded would cost the channel.
      'mallbots-headers': cut(JSON.stringify(raw.headers ?? {})),
    };
    const { messageId, correlationId, type, contentType } = raw;
    await this.#publisher.send(
      'a malformed message',
      { routingKey: this.#names.malformed, durable: true, messageId, correlationId, type, contentType, headers },
      bodyOf(raw),
    );
  }
}

const cut = (text: string): string => text.slice(0, maxQuotedChars);

/** The bytes: rabbitmq-client parses text and JSON bodies by their content type. */
export function bodyOf(raw: AsyncMessage): Buffer {
  const body: unknown = raw.body;
  if (Buffer.isBuffer(body)) return body;
  return Buffer.from(typeof body === 'string' ? body : JSON.stringify(body));
}
