import { isDeepStrictEqual } from 'node:util';
import type { Logger } from 'pino';
import { MallError, refused, unavailable } from '../contract/errors.ts';
import { type Message, toHeaders } from '../contract/message.ts';
import type { Address, ExchangeSpec, StreamSpec, Topology } from '../contract/topology.ts';
import { withDeadline } from '../kit/deadline.ts';
import { EmbeddedQueue, type Ticket, type Wire } from './embedded-queue.ts';
import type { JournalEntries, JournalReading, JournalStore } from './journal.ts';
import type { Broker, Delivery, Subscription, Unroutable } from './port.ts';
import { publishOverdue } from './publish-window.ts';
import { requirePublishable, undeclared } from './publishable.ts';
import { bindingOf } from './routing.ts';

export interface EmbeddedOptions {
  readonly logger: Logger;
  /** Where streams are kept; without one they are not, and nobody can read them. */
  readonly journal?: JournalStore;
  /** Longest wait for the consumers of one message, ms. */
  readonly publishDeadlineMs?: number;
  /** How long draining waits for handlers before their messages go back, ms. */
  readonly drainDeadlineMs?: number;
}

/**
 * Generous, because it covers the handlers with their retries and what waits before the message; a retried publish costs nothing,
 * since a message that is still in a queue is not added again.
 */
const defaultPublishDeadlineMs = 60_000;
/** Longer than one attempt of a handler may take. */
const defaultDrainDeadlineMs = 60_000;
/** Messages in one queue. Overflow policy: refuse the publish (RESOURCE_EXHAUSTED); the publisher's outbox has it. */
export const maxEmbeddedQueueLength = 10_000;

/**
 * The broker of a mall in one process. Nothing in it outlives the process, hence its promise: publish() resolves when every bound
 * queue's consumer has acknowledged, so that until then the publisher's outbox has the message, and afterwards the consumers' tables.
 */
export function createEmbeddedBroker(options: EmbeddedOptions): Broker {
  return new EmbeddedBroker(options);
}

interface Waiting extends Ticket {
  fail(error: MallError): void;
}

class EmbeddedBroker implements Broker {
  readonly #logger: Logger;
  readonly #journal: JournalStore | undefined;
  readonly #streams = new Map<string, StreamSpec>();
  readonly #reading = new AbortController();
  readonly #publishDeadlineMs: number;
  readonly #drainDeadlineMs: number;
  readonly #exchanges = new Map<string, ExchangeSpec>();
  readonly #queues = new Map<string, EmbeddedQueue>();
  readonly #publishes = new Set<Waiting>();
  readonly #detachers = new Set<() => void>();
  readonly #unroutable: Array<(message: Unroutable) => void> = [];
  #closed = false;

  constructor({ logger, journal, publishDeadlineMs, drainDeadlineMs }: EmbeddedOptions) {
    this.#logger = logger;
    this.#journal = journal;
    this.#publishDeadlineMs = publishDeadlineMs ?? defaultPublishDeadlineMs;
    this.#drainDeadlineMs = drainDeadlineMs ?? defaultDrainDeadlineMs;
  }

  async declare(topology: Topology): Promise<void> {
    this.#requireOpen();
    for (const exchange of topology.exchanges) this.#exchanges.set(exchange.name, exchange);
    for (const stream of topology.streams) this.#streams.set(stream.name, stream);
    for (const spec of topology.queues) {
      for (const { exchange } of spec.bindings)
        if (!this.#exchanges.has(exchange)) throw undeclared('exchange', exchange);
      const present = this.#queues.get(spec.name);
      if (!present) this.#queues.set(spec.name, new EmbeddedQueue(spec));
      else if (!isDeepStrictEqual(present.spec, spec)) {
        throw refused('queue', spec.name, 'TOPOLOGY_DIFFERS', `queue "${spec.name}" is declared with other properties`);
      }
    }
  }

  async publish(to: Address, message: Message): Promise<void> {
    this.#requireOpen();
    const exchange = this.#exchanges.get(to.exchange);
    if (!exchange) throw undeclared('exchange', to.exchange);
    requirePublishable(message);
    const wire: Wire = { id: message.id, headers: toHeaders(message), body: Uint8Array.from(message.body) };
    const queues = [...this.#queues.values()].filter(({ spec }) => bindingOf(spec.bindings, exchange, to.routingKey));
    // All or none: a queue that is full must not leave the others with a message that is published again.
    for (const queue of queues) this.#requireRoom(queue, wire);
    const kept = this.#journal && this.#isStreamed(exchange, to.routingKey);
    if (queues.length > 0) {
      // In both at once, as on RabbitMQ; whichever fails, the message is published again.
      await Promise.all([this.#enqueue(queues, wire), kept && this.#journal?.append(message)]);
      return;
    }
    if (kept) return this.#journal?.append(message);
    for (const told of this.#unroutable) told({ ...to, id: message.id });
  }

  async consume(queue: string, prefetch: number, onDelivery: (delivery: Delivery) => void): Promise<Subscription> {
    this.#requireOpen();
    const source = this.#queues.get(queue);
    if (!source) throw undeclared('queue', queue);
    const idle = Promise.withResolvers<void>();
    const consumer = source.attach(prefetch, onDelivery, idle.resolve);
    const detach = () => {
      this.#detachers.delete(detach);
      source.detach(consumer);
      idle.resolve();
    };
    this.#detachers.add(detach);
    const drain = async () => {
      source.drain(consumer);
      await withDeadline(`draining ${queue}`, this.#drainDeadlineMs, idle.promise).catch((error: unknown) =>
        this.#logger.error(
          { err: error, queue, unsettled: consumer.held.size },
          'handlers did not end; their messages come again',
        ),
      );
      detach();
    };
    let draining: Promise<void> | undefined;
    return {
      drain: () => {
        draining ??= drain();
        return draining;
      },
    };
  }

  read(stream: string, reading: JournalReading): JournalEntries {
    this.#requireOpen();
    if (!this.#journal || !this.#streams.has(stream)) throw undeclared('stream', stream);
    return this.#journal.read({ ...reading, signal: AbortSignal.any([reading.signal, this.#reading.signal]) });
  }

  onUnroutable(listener: (message: Unroutable) => void): void {
    this.#unroutable.push(listener);
  }

  async ping(): Promise<{ version: string }> {
    this.#requireOpen();
    return { version: 'embedded' };
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#reading.abort();
    for (const detach of this.#detachers) detach();
    for (const publish of this.#publishes) publish.fail(closed());
  }

  #isStreamed(exchange: ExchangeSpec, routingKey: string): boolean {
    return [...this.#streams.values()].some(({ bindings }) => bindingOf(bindings, exchange, routingKey));
  }

  #enqueue(queues: readonly EmbeddedQueue[], wire: Wire): Promise<void> {
    return new Promise<void>((resolve, reject) => {
      let left = queues.length;
      const finish = () => {
        clearTimeout(timer);
        this.#publishes.delete(waiting);
      };
      const waiting: Waiting = {
        settled: () => {
          left -= 1;
          if (left > 0) return;
          finish();
          resolve();
        },
        fail: (error) => {
          finish();
          for (const queue of queues) queue.forget(wire.id, waiting);
          reject(error);
        },
      };
      const timer = setTimeout(
        () => waiting.fail(publishOverdue(wire.id, this.#publishDeadlineMs)),
        this.#publishDeadlineMs,
      );
      this.#publishes.add(waiting);
      for (const queue of queues) queue.put(wire, waiting);
    });
  }

  #requireRoom(queue: EmbeddedQueue, wire: Wire): void {
    if (queue.length < maxEmbeddedQueueLength || queue.has(wire.id)) return;
    throw new MallError('RESOURCE_EXHAUSTED', `queue ${queue.spec.name} is full`, {
      reason: 'QUEUE_FULL',
      field: 'queue',
      value: queue.spec.name,
      remedy: 'publish it again when its consumer has caught up',
    });
  }

  #requireOpen(): void {
    if (this.#closed) throw closed();
  }
}

const closed = () => unavailable('the embedded broker is closed', 'BROKER_CLOSED');
