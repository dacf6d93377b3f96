import type { Logger } from 'pino';
import { clockSkewMs, type JournalEntry } from '../../broker/journal.ts';
import type { Broker } from '../../broker/port.ts';
import { bodyFields } from '../../contract/body-fields.ts';
import { exhausted, invalid, unavailable } from '../../contract/errors.ts';
import { requireId } from '../../contract/ids.ts';
import { journal, mallTopology } from '../../contract/topology.ts';
import type { OrdersService } from '../../gen/orders/v1/orders.ts';
import type { JournalEvent, JournalItem, ReadJournalRequest } from '../../gen/staff/v1/staff.ts';
import type { Api } from '../../rpc/api.ts';
import type { Originals } from './originals.ts';

/** Readings open at once in this process: each is a channel of the broker's and what it has prefetched, some megabytes. */
const maxReadings = 32;

export interface JournalPorts {
  readonly broker: Broker;
  readonly orders: Pick<Api<OrdersService>, 'getOrder'>;
  readonly originals: Originals;
  readonly logger: Logger;
}

/** The broker's journal for people: read no faster than they take it, so that nothing waits in this process but one batch a reading. */
export class JournalReadings {
  readonly #ports: JournalPorts;
  readonly #closing = new AbortController();
  #open = 0;

  constructor(ports: JournalPorts) {
    this.#ports = ports;
  }

  /** @throws MallError as `staff.v1.Staff/ReadJournal` says */
  async *read(request: ReadJournalRequest, signal?: AbortSignal): AsyncGenerator<JournalItem> {
    if (this.#open >= maxReadings) throw full(this.#open);
    this.#open += 1;
    try {
      yield* this.#items(request, AbortSignal.any([this.#closing.signal, ...(signal ? [signal] : [])]));
    } finally {
      this.#open -= 1;
    }
    if (this.#closing.signal.aborted && !signal?.aborted) {
      throw unavailable('this staff role goes away; go on behind the last position', 'STAFF_DRAINING');
    }
  }

  /** Ends every reading. */
  close(): void {
    this.#closing.abort();
  }

  async *#items(request: ReadJournalRequest, signal: AbortSignal): AsyncGenerator<JournalItem> {
    const { broker } = this.#ports;
    const { follow, from } = request;
    const orderId = request.orderId === '' ? undefined : requireId('order_id', request.orderId);
    const begin = await this.#beginOf(request, orderId, signal);
    // A role that starts before all others finds nothing declared; one that reads needs it to be.
    await broker.declare(mallTopology);
    yield { item: { $case: 'begin', value: { time: begin } } };
    const after = from?.$case === 'position' ? from.value - 1 : undefined;
    for await (const batch of broker.read(journal, { after, since: begin, follow, signal })) {
      const wanted = batch.filter(({ message }) => orderId === undefined || message.correlationId === orderId);
      for (const entry of wanted) {
        yield { item: { $case: 'event', value: await this.#eventOf(entry) } };
        if (signal.aborted) return;
      }
      const last = batch.at(-1)?.position;
      if (wanted.length === 0 && last !== undefined) yield { item: { $case: 'passed', value: last } };
    }
  }

  async #beginOf(
    { from, follow }: ReadJournalRequest,
    orderId: string | undefined,
    signal: AbortSignal,
  ): Promise<Date | undefined> {
    if (from?.$case === 'time') {
      if (!Number.isNaN(from.value.getTime())) return from.value;
      throw invalid('time', from.value, 'TIME_INVALID', 'give an instant');
    }
    if (from) return undefined;
    if (orderId === undefined) return follow ? new Date() : undefined;
    const { placedAt } = await this.#ports.orders.getOrder({ orderId, withPickupCode: false }, { signal });
    // Of other services' clocks too: nothing of the order is before it, and the filter finds out what is its own.
    return placedAt && new Date(placedAt.getTime() - clockSkewMs);
  }

  async #eventOf({ position, message }: JournalEntry): Promise<JournalEvent> {
    const { body, task, ...attributes } = message;
    return {
      position,
      ...attributes,
      taskId: task?.id ?? '',
      fence: task?.fence ?? 0,
      dataJson: await this.#dataOf(message),
    };
  }

  async #dataOf({ id, name, body }: JournalEntry['message']): Promise<string> {
    try {
      return JSON.stringify(await this.#ports.originals.named(name, bodyFields(name, body)));
    } catch (error) {
      this.#ports.logger.warn({ err: error, message: id, name }, 'the body of an event cannot be read');
      return '';
    }
  }
}

function full(open: number) {
  const remedy = 'end one that nobody looks at any more, or try again later';
  return exhausted(`${open} readings of the journal are open, which is the limit`, 'TOO_MANY_READINGS', remedy);
}
