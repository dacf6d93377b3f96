import { context, type Span, SpanKind, type Tracer, trace } from '@opentelemetry/api';
import type { Logger } from 'pino';
import { MallError } from '../contract/errors.ts';
import type { Message } from '../contract/message.ts';
import { type BackoffPolicy, backoffMs, pause } from '../kit/backoff.ts';
import { withDeadline } from '../kit/deadline.ts';
import { KeyedSerial } from '../kit/keyed-serial.ts';
import { ATTR_OUTCOME, aboutMessage, processing } from '../telemetry/attributes.ts';
import { markFailed } from '../telemetry/failure.ts';
import { contextOf } from '../telemetry/propagation.ts';
import { startSpan } from '../telemetry/start-span.ts';
import type { Broker, Delivery } from './port.ts';

/** Where a message takes effect, once: the effect and the message's id commit together. */
export interface Inbox {
  process(message: Message): Promise<'handled' | 'duplicate' | 'stale' | 'parked'>;
  park(message: Message, error: unknown, attempts: number): Promise<void>;
}

export interface ConsumerOptions {
  readonly broker: Broker;
  readonly queue: string;
  readonly inbox: Inbox;
  readonly tracer: Tracer;
  readonly logger: Logger;
  /** Unsettled messages at once. Well above `concurrency`, since those of one key wait for each other. */
  readonly prefetch?: number;
  /** Keys worked on at once. */
  readonly concurrency?: number;
  /** Between the tries of one message. */
  readonly retry?: BackoffPolicy;
  /** Longest time for one try, ms. */
  readonly attemptDeadlineMs?: number;
}

export interface Consumer {
  /** Takes no more, lets what runs finish, gives back what does not run, and lets go of the queue. */
  drain(): Promise<void>;
}

const defaultPrefetch = 256;
/** Handlers wait for PostgreSQL most of the time; more than its pool's 10 to 20 connections do not help. */
const defaultConcurrency = 16;
const defaultRetry: BackoffPolicy = { firstMs: 100, maxMs: 5_000, factor: 3 };
/** Tries before a message is parked: with `defaultRetry` about 4 s, enough for what passes by itself (a lock, a concurrent change). */
export const maxAttempts = 5;
/** Beyond every statement's own deadline, so that this one only ends what is truly stuck. */
const defaultAttemptDeadlineMs = 30_000;

/**
 * Consumes a queue into an inbox: keys side by side, messages of one key in order, each acknowledged when its effect is
 * committed. What keeps failing is parked; while the database is away nothing is, since that is nobody's poison.
 */
export async function startConsumer(options: ConsumerOptions): Promise<Consumer> {
  const { broker, queue, prefetch = defaultPrefetch, concurrency = defaultConcurrency } = options;
  const stopping = new AbortController();
  const lanes = new KeyedSerial(concurrency);
  const worker = new Worker(options, stopping.signal);
  const subscription = await broker.consume(queue, prefetch, (delivery) => {
    void lanes.run(delivery.message.key, () => worker.handle(delivery));
  });
  return {
    async drain() {
      stopping.abort();
      await subscription.drain();
    },
  };
}

type Outcome = 'handled' | 'duplicate' | 'stale' | 'parked' | 'returned';

class Worker {
  readonly #inbox: Inbox;
  readonly #queue: string;
  readonly #tracer: Tracer;
  readonly #logger: Logger;
  readonly #retry: BackoffPolicy;
  readonly #attemptDeadlineMs: number;
  readonly #stopping: AbortSignal;

  constructor(options: ConsumerOptions, stopping: AbortSignal) {
    this.#inbox = options.inbox;
    this.#queue = options.queue;
    this.#tracer = options.tracer;
    this.#logger = options.logger.child({ queue: options.queue });
    this.#retry = options.retry ?? defaultRetry;
    this.#attemptDeadlineMs = options.attemptDeadlineMs ?? defaultAttemptDeadlineMs;
    this.#stopping = stopping;
  }

  /** Never rejects, and settles the delivery. */
  async handle(delivery: Delivery): Promise<void> {
    // No span for what is not begun here: it belongs to whoever gets it next.
    if (this.#givesUp(delivery)) return delivery.requeue();
    const { message } = delivery;
    const parent = contextOf(message.traceparent);
    const { name, attributes } = processing(message, this.#queue);
    const span = startSpan(this.#tracer, name, { kind: SpanKind.CONSUMER, attributes }, parent);
    await context.with(trace.setSpan(parent, span), async () => {
      const outcome = await this.#untilDone(delivery, span);
      span.setAttribute(ATTR_OUTCOME, outcome);
      if (outcome === 'returned') delivery.requeue();
      else delivery.ack();
      span.end();
      this.#logger.debug({ ...described(message), outcome }, 'message processed');
    });
  }

  async #untilDone(delivery: Delivery, span: Span): Promise<Outcome> {
    const { message } = delivery;
    // Only failures that are the message's own count towards parking.
    let failures = 0;
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#attempt('process', message, () => this.#inbox.process(message));
      } catch (error) {
        span.recordException(error as Error);
        if (!isInfrastructure(error)) failures += 1;
        if (failures >= maxAttempts) return this.#park(delivery, error, failures, span);
        if (!(await this.#waitToRetry(delivery, error, attempt))) return 'returned';
      }
    }
  }

  /** Tried until it works: a message that can neither be handled nor parked has nowhere else to go. */
  async #park(delivery: Delivery, cause: unknown, failures: number, span: Span): Promise<Outcome> {
    const { message } = delivery;
    markFailed(span, cause);
    for (let attempt = 1; ; attempt++) {
      try {
        await this.#attempt('park', message, () => this.#inbox.park(message, cause, failures));
        this.#logger.error({ err: cause, ...described(message), ...aboutMessage(message), failures }, 'message parked');
        return 'parked';
      } catch (error) {
        span.recordException(error as Error);
        if (!(await this.#waitToRetry(delivery, error, attempt))) return 'returned';
      }
    }
  }

  #attempt<T>(what: string, message: Message, work: () => Promise<T>): Promise<T> {
    return withDeadline(`${what} ${message.name} ${message.id}`, this.#attemptDeadlineMs, work());
  }

  /** False when there will be no other try here: the consumer stops, or the broker has taken the message back. */
  async #waitToRetry(delivery: Delivery, error: unknown, attempt: number): Promise<boolean> {
    const retryInMs = backoffMs(this.#retry, attempt, Math.random());
    const { message } = delivery;
    this.#logger.warn(
      { err: error, ...described(message), ...aboutMessage(message), attempt, retryInMs },
      'message failed; tried again',
    );
    await pause(retryInMs, this.#stopping);
    return !this.#givesUp(delivery);
  }

  #givesUp(delivery: Delivery): boolean {
    return this.#stopping.aborted || delivery.lost;
  }
}

const described = ({ id, name, key }: Message) => ({ message: id, name, key });

/** The database (or what else a handler stands on) is away or overdue: the same would happen to any message. */
const isInfrastructure = (error: unknown): boolean =>
  error instanceof MallError &&
  (error.code === 'UNAVAILABLE' ||
    error.code === 'DEADLINE_EXCEEDED' ||
    // It refuses the credentials, or is being restored: nobody gets in, and that passes too.
    error.detail.reason === 'DATABASE_REFUSED' ||
    // All connections are lent, and a thousand wait.
    error.detail.reason === 'DATABASE_BUSY');
