import type { Logger } from 'pino';
import type { AsyncMessage, Channel, Connection } from 'rabbitmq-client';
import { unavailable } from '../contract/errors.ts';
import { newId } from '../contract/ids.ts';
import { fromHeaders, type Message } from '../contract/message.ts';
import { clockSkewMs, isSince, type JournalEntry, type JournalReading } from './journal.ts';
import { KeptChannel } from './kept-channel.ts';
import { bodyOf } from './malformed.ts';
import { partsOf } from './parcel.ts';
import type { RabbitPublisher } from './rabbitmq-publisher.ts';
import { requireQueue } from './rabbitmq-topology.ts';

/** AMQP messages that are here and not yet done with, each with one message or a batch of them. */
const prefetch = 128;
/** For the first channel, ms. */
const openDeadlineMs = 10_000;
/** A position is the offset of the AMQP message in the stream times this, plus the place in its batch: above `maxBatchMessages`. */
const placesPerOffset = 1_024;
const offsetOf = (position: number): number => Math.floor(position / placesPerOffset);
/** Of the entry that a reading without `follow` writes to know where the stream ends: RabbitMQ does not say it. Readers pass over it. */
const endMark = 'mallbots.journal_end';

export interface StreamReading extends JournalReading {
  /** The broker's name of the stream. */
  readonly queue: string;
  readonly connection: Connection;
  readonly publisher: RabbitPublisher;
  readonly logger: Logger;
  /** Makes the stream when the broker does not have it any more. */
  readonly redeclare: () => Promise<void>;
}

/** See `Broker.read`. */
export async function* readStream(reading: StreamReading): AsyncGenerator<readonly JournalEntry[]> {
  const { after, follow, since, signal } = reading;
  if (signal.aborted) return;
  const end = newId();
  if (!follow && after !== undefined) {
    // Whoever asks for what is behind the end is sent nothing, not even a mark.
    const endOffset = await findEnd(reading, end);
    if (endOffset === undefined || endOffset <= offsetOf(after)) return;
  }
  const consumer = new StreamConsumer(reading);
  try {
    await consumer.opened();
    if (!follow && after === undefined) await markEnd(reading, end);
    for (;;) {
      const { entries: taken, ended } = await consumer.take(end);
      const entries = taken.filter(({ message }) => isSince(message, since));
      if (entries.length > 0) yield entries;
      if (ended) return;
    }
  } finally {
    await consumer.close();
  }
}

/** All that was confirmed before is in the stream before it. */
async function markEnd({ publisher, queue }: StreamReading, id: string): Promise<void> {
  await publisher.send(
    'the end mark',
    { routingKey: queue, durable: true, messageId: id, type: endMark },
    Buffer.alloc(0),
  );
}

const isMark = ({ type, messageId }: AsyncMessage, id: string): boolean => type === endMark && messageId === id;

/** The offset that a mark with this id gets; undefined when the reading is over before that. */
async function findEnd(reading: StreamReading, id: string): Promise<number | undefined> {
  const { connection, queue, logger, redeclare, signal } = reading;
  const found = Promise.withResolvers<number | undefined>();
  const channel = new KeptChannel(connection, `finding the end of ${queue}`, logger, async (channel) => {
    await requireQueue(channel, queue, redeclare);
    await channel.basicQos({ prefetchCount: prefetch });
    await channel.basicConsume({ queue, arguments: { 'x-stream-offset': 'next' } }, (raw) => {
      channel.basicAck({ deliveryTag: raw.deliveryTag });
      if (isMark(raw, id)) found.resolve(Number(raw.headers?.['x-stream-offset']));
    });
    await markEnd(reading, id);
  });
  const onAbort = () => found.resolve(undefined);
  signal.addEventListener('abort', onAbort);
  try {
    await opened(channel);
    return await found.promise;
  } finally {
    signal.removeEventListener('abort', onAbort);
    await channel.close();
  }
}

async function opened(channel: KeptChannel): Promise<void> {
  try {
    await channel.opened(openDeadlineMs);
  } catch (error) {
    throw unavailable('no channel to RabbitMQ', 'BROKER_UNREACHABLE', channel.lastError ?? error);
  }
}

/** Reads from where it was on every new channel. */
class StreamConsumer {
  readonly #reading: StreamReading;
  readonly #channel: KeptChannel;
  /** Of the last entry handed out. */
  #last: number;
  #waiting: AsyncMessage[] = [];
  #from: Channel | undefined;
  #wake = Promise.withResolvers<void>();
  readonly #onAbort = () => this.#wake.resolve();

  constructor(reading: StreamReading) {
    this.#reading = reading;
    this.#last = reading.after ?? -1;
    const { connection, queue, logger, redeclare } = reading;
    this.#channel = new KeptChannel(connection, `reading ${queue}`, logger, async (channel) => {
      await requireQueue(channel, queue, redeclare);
      await channel.basicQos({ prefetchCount: prefetch });
      this.#from = channel;
      this.#waiting = [];
      await channel.basicConsume({ queue, arguments: { 'x-stream-offset': this.#offset() } }, (raw) => {
        if (this.#from !== channel) return;
        this.#waiting.push(raw);
        this.#wake.resolve();
      });
    });
    reading.signal.addEventListener('abort', this.#onAbort);
  }

  opened(): Promise<void> {
    return opened(this.#channel);
  }

  /** What the broker is to begin with: it sends whole chunks, so some of what is before it comes too. */
  #offset(): string | number {
    if (this.#last >= 0) return offsetOf(this.#last);
    const { since } = this.#reading;
    if (!since) return 'first';
    // An age: the library cannot say AMQP's timestamp.
    return `${Math.max(1, Math.ceil((Date.now() - since.getTime() + clockSkewMs) / 1_000))}s`;
  }

  /** What has come, once something has; the broker sends as much again. `end` is the id of the mark to stop at. */
  async take(end: string): Promise<{ entries: JournalEntry[]; ended: boolean }> {
    if (this.#waiting.length === 0) await this.#wake.promise;
    this.#wake = Promise.withResolvers();
    if (this.#reading.signal.aborted) return { entries: [], ended: true };
    const raws = this.#waiting;
    this.#waiting = [];
    const last = raws.at(-1);
    if (last && this.#from?.active) this.#from.basicAck({ deliveryTag: last.deliveryTag, multiple: true });
    const at = raws.findIndex((raw) => isMark(raw, end));
    const entries = (at < 0 ? raws : raws.slice(0, at)).flatMap((raw) => this.#entriesOf(raw));
    this.#last = entries.at(-1)?.position ?? this.#last;
    return { entries, ended: at >= 0 };
  }

  async close(): Promise<void> {
    this.#reading.signal.removeEventListener('abort', this.#onAbort);
    await this.#channel.close();
  }

  #entriesOf(raw: AsyncMessage): JournalEntry[] {
    if (raw.type === endMark) return [];
    const first = Number(raw.headers?.['x-stream-offset']) * placesPerOffset;
    return partsOf(raw).flatMap((part, place) => {
      const position = first + place;
      if (position <= this.#last) return [];
      const message = this.#messageOf(part, position);
      return message ? [{ position, message }] : [];
    });
  }

  /** What is no message of ours stays where it is, and is passed over by every reader. */
  #messageOf(part: AsyncMessage, position: number): Message | undefined {
    try {
      return fromHeaders(part.headers ?? {}, bodyOf(part));
    } catch (error) {
      const { queue, logger } = this.#reading;
      logger.warn({ err: error, stream: queue, position, message: part.messageId }, 'unreadable entry passed over');
      return undefined;
    }
  }
}
