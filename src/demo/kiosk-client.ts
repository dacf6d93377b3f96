import { createParser } from 'eventsource-parser';
import { closesOrder } from '../contract/events.ts';
import { type BackoffPolicy, backoffMs, pause } from '../kit/backoff.ts';

/** A kiosk that is being started again, or a service behind it, is worth waiting for. */
const backoff: BackoffPolicy = { firstMs: 100, maxMs: 1_000, factor: 2 };
/** One try; the kiosk's own calls behind it give up earlier. */
const requestTimeoutMs = 10_000;
/** A stream that says nothing for longer (the kiosk sends a heartbeat every 15 s) is dead. */
const silenceTimeoutMs = 40_000;

export interface Money {
  minor: number;
  currency: string;
}

export interface KioskOrder {
  orderId: string;
  state: string;
  total: Money;
  traceparent: string;
  /** Null when nothing waits for its shopper any more. */
  pickupCode: string | null;
}

export interface KioskInvoice {
  state: string;
  due: Money;
  total: Money;
}

export interface OrderEvent {
  name: string;
  data: Record<string, unknown>;
}

/** A refusal that trying again will not change: the kiosk's problem document. */
export class KioskRefusal extends Error {
  readonly status: number;
  readonly reason: string;

  constructor(status: number, problem: { detail?: string; title?: string; reason?: string }) {
    super(problem.detail ?? problem.title ?? `HTTP ${status}`);
    this.status = status;
    this.reason = problem.reason ?? '';
  }
}

/**
 * The kiosk's REST API as a patient shopper's phone uses it: idempotency keys on commands, tries again while nobody answers, and sends an
 * order's trace context along with what is asked about it.
 */
export class KioskClient {
  readonly #base: string;
  readonly #signal: AbortSignal;
  /** By order id. */
  readonly #traces = new Map<string, string>();
  readonly #codes = new Map<string, string>();

  constructor(address: string, signal: AbortSignal) {
    this.#base = `http://${address}/v1`;
    this.#signal = signal;
  }

  products(): Promise<{ products: Array<{ productId: string }> }> {
    return this.#request('GET', '/products');
  }

  async placeOrder(
    idempotencyKey: string,
    order: { shopper: string; currency: string; lines: ReadonlyArray<{ productId: string; quantity: number }> },
  ): Promise<KioskOrder> {
    const placed = await this.#request<KioskOrder>('POST', '/orders', { idempotencyKey, body: order });
    this.#traces.set(placed.orderId, placed.traceparent);
    if (placed.pickupCode) this.#codes.set(placed.orderId, placed.pickupCode);
    return placed;
  }

  /** What its shopper shows at the desk, of an order that was placed by this client. */
  pickupCode(orderId: string): string | undefined {
    return this.#codes.get(orderId);
  }

  /** `invoice` is null while Payments does not answer or has not issued it yet. */
  order(orderId: string): Promise<KioskOrder & { invoice: KioskInvoice | null }> {
    return this.#request('GET', `/orders/${orderId}`, { orderId });
  }

  pay(idempotencyKey: string, orderId: string, amount: Money): Promise<KioskInvoice> {
    return this.#request('POST', `/orders/${orderId}/payments`, { orderId, idempotencyKey, body: { amount } });
  }

  /** Answers with the order, which is being cancelled or was; @throws KioskRefusal once it is handed over */
  cancel(idempotencyKey: string, orderId: string, reason: string): Promise<KioskOrder> {
    return this.#request('POST', `/orders/${orderId}/cancellation`, { orderId, idempotencyKey, body: { reason } });
  }

  /** The order's events from its first to its last; picks up where it was when the stream breaks. */
  async *events(orderId: string): AsyncGenerator<OrderEvent> {
    let lastEventId = '';
    for (let failures = 0; !this.#signal.aborted; ) {
      try {
        for await (const event of this.#stream(orderId, lastEventId)) {
          failures = 0;
          lastEventId = event.id;
          yield event;
          if (closesOrder(event.name)) return;
        }
      } catch (error) {
        if (error instanceof KioskRefusal && error.status < 500 && error.status !== 404) throw error;
      }
      failures += 1;
      await pause(backoffMs(backoff, failures, Math.random()), this.#signal);
    }
  }

  async *#stream(orderId: string, lastEventId: string): AsyncGenerator<OrderEvent & { id: string }> {
    const silence = new AbortController();
    let timer = setTimeout(() => silence.abort(), silenceTimeoutMs);
    try {
      const response = await fetch(`${this.#base}/orders/${orderId}/events`, {
        headers: {
          accept: 'text/event-stream',
          ...(lastEventId && { 'last-event-id': lastEventId }),
          ...this.#traceHeader(orderId),
        },
        signal: AbortSignal.any([this.#signal, silence.signal]),
      });
      if (!response.ok || !response.body) throw new KioskRefusal(response.status, await problemOf(response));
      const arrived: Array<OrderEvent & { id: string }> = [];
      const parser = createParser({
        onEvent: ({ id, event, data }) => arrived.push({ id: id ?? '', name: event ?? '', data: JSON.parse(data) }),
      });
      for await (const chunk of response.body.pipeThrough(new TextDecoderStream())) {
        clearTimeout(timer);
        timer = setTimeout(() => silence.abort(), silenceTimeoutMs);
        parser.feed(chunk);
        yield* arrived.splice(0);
      }
    } finally {
      clearTimeout(timer);
    }
  }

  #traceHeader(orderId: string): { traceparent?: string } {
    const traceparent = this.#traces.get(orderId);
    return traceparent ? { traceparent } : {};
  }

  async #request<T>(
    method: string,
    path: string,
    { orderId = '', idempotencyKey, body }: { orderId?: string; idempotencyKey?: string; body?: unknown } = {},
  ): Promise<T> {
    for (let failures = 1; ; failures += 1) {
      const response = await fetch(this.#base + path, {
        method,
        headers: {
          ...(body !== undefined && { 'content-type': 'application/json' }),
          ...(idempotencyKey && { 'idempotency-key': idempotencyKey }),
          ...this.#traceHeader(orderId),
        },
        ...(body !== undefined && { body: JSON.stringify(body) }),
        signal: AbortSignal.any([this.#signal, AbortSignal.timeout(requestTimeoutMs)]),
      }).catch((error: unknown) => {
        if (this.#signal.aborted) throw error;
        return undefined;
      });
      if (response?.ok) return (await response.json()) as T;
      if (response && response.status < 500) throw new KioskRefusal(response.status, await problemOf(response));
      await pause(backoffMs(backoff, failures, Math.random()), this.#signal);
      this.#signal.throwIfAborted();
    }
  }
}

const problemOf = async (response: Response) => (await response.json().catch(() => ({}))) as { detail?: string };
