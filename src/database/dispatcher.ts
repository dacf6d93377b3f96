import { context, type Tracer } from '@opentelemetry/api';
import type { Logger } from 'pino';
import type { Broker } from '../broker/port.ts';
import { publishTraced } from '../broker/publish-traced.ts';
import { type BackoffPolicy, backoffMs, pause } from '../kit/backoff.ts';
import { KeyedSerial } from '../kit/keyed-serial.ts';
import { aboutMessage } from '../telemetry/attributes.ts';
import { contextOf } from '../telemetry/propagation.ts';
import { fromRow } from './message-row.ts';
import { markPublished, type OutboxRow, unpublished } from './outbox-rows.ts';
import type { Database } from './port.ts';
import type { PlumbingTables } from './tables.ts';

/** Publishes under way at once: 12,000 to 17,000 confirms a second were measured with so many, 600 one at a time. */
const publishWindow = 256;
/** Keys in flight or waiting for their next try. The rest stays in the table: overflow costs latency, no memory. */
const maxLanes = 1_024;
/** Rows asked for at once, and how many of those one key may take: its rest comes when these are marked. */
const fetchRows = 256;
const laneRows = 32;
const retry: BackoffPolicy = { firstMs: 100, maxMs: 5_000, factor: 2 };

/** Of the tries of one message. */
const logEvery = 10;

export interface DispatcherOptions {
  readonly database: Database;
  readonly broker: Broker;
  readonly tables: Pick<PlumbingTables, 'outbox'>;
  readonly source: string;
  readonly tracer: Tracer;
  readonly logger: Logger;
  /** A lane has ended: its key may have more. */
  readonly onLaneFree: () => void;
}

/**
 * Publishes the outbox: one lane per key, in which rows go one after the other, each for as long as it takes. A key that is slow or
 * failing keeps its lane and no other's: its rows are left out of what is fetched for the others.
 */
export class Dispatcher {
  readonly #o: DispatcherOptions;
  readonly #signal: AbortSignal;
  readonly #lanes = new Map<string, Promise<void>>();
  readonly #window = new KeyedSerial(publishWindow);
  readonly #marks: Marks;

  /** `signal`: begin nothing any more; what is being published may finish. */
  constructor(options: DispatcherOptions, signal: AbortSignal) {
    this.#o = options;
    this.#signal = signal;
    this.#marks = new Marks((ids) => markPublished(options.database, options.tables, ids), signal, options.logger);
  }

  /** Starts lanes for what is waiting; true when there may be more. */
  async turn(): Promise<boolean> {
    const room = maxLanes - this.#lanes.size;
    if (room <= 0) return false;
    const rows = await this.#o.database.query((orm) =>
      unpublished(orm, this.#o.tables, [...this.#lanes.keys()], fetchRows),
    );
    const byKey = Map.groupBy(rows, (row) => row.key);
    for (const [key, ofKey] of [...byKey].slice(0, room)) {
      const lane = this.#drive(ofKey.slice(0, laneRows)).finally(() => {
        this.#lanes.delete(key);
        this.#o.onLaneFree();
      });
      this.#lanes.set(key, lane);
    }
    return rows.length === fetchRows;
  }

  /** Resolves when no lane is left. */
  async idle(): Promise<void> {
    await Promise.all(this.#lanes.values());
  }

  /** The lane ends when its rows are marked: until then nobody may fetch them again. Never rejects. */
  async #drive(rows: readonly OutboxRow[]): Promise<void> {
    const marks: Promise<void>[] = [];
    for (const row of rows) {
      if (!(await this.#deliver(row))) break;
      marks.push(this.#marks.add(row.id));
    }
    await Promise.all(marks);
  }

  /** Tries until the broker has it; false when it is to be left to the next holder of the lock. */
  async #deliver(row: OutboxRow): Promise<boolean> {
    const message = fromRow(row, this.#o.source);
    for (let attempt = 1; !this.#signal.aborted; attempt += 1) {
      try {
        await this.#window.run(row.key, () => publishTraced(this.#o, message, { attempt }));
        return true;
      } catch (error) {
        const retryInMs = backoffMs(retry, attempt, Math.random());
        // A broker that is away fails every key's every try.
        const level = attempt % logEvery === 1 ? 'warn' : 'debug';
        const { id, name, key } = message;
        const facts = { err: error, message: id, name, key, attempt, retryInMs, ...aboutMessage(message) };
        context.with(contextOf(message.traceparent), () =>
          this.#o.logger[level](facts, 'publishing failed; tried again'),
        );
        await pause(retryInMs, this.#signal);
      }
    }
    return false;
  }
}

/** Writes marks in batches: those that come while one UPDATE runs go with the next. */
class Marks {
  readonly #write: (ids: readonly number[]) => Promise<void>;
  readonly #signal: AbortSignal;
  readonly #logger: Logger;
  #waiting: number[] = [];
  #next: Promise<void> | undefined;
  #running: Promise<void> = Promise.resolve();

  constructor(write: (ids: readonly number[]) => Promise<void>, signal: AbortSignal, logger: Logger) {
    this.#write = write;
    this.#signal = signal;
    this.#logger = logger;
  }

  /** Resolves when it is written, or given up because the lock is: then the message is published again, and its receivers know it. */
  add(id: number): Promise<void> {
    this.#waiting.push(id);
    this.#next ??= this.#running.then(() => {
      const ids = this.#waiting;
      this.#waiting = [];
      this.#next = undefined;
      this.#running = this.#flush(ids);
      return this.#running;
    });
    return this.#next;
  }

  async #flush(ids: readonly number[]): Promise<void> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await this.#write(ids);
      } catch (error) {
        if (this.#signal.aborted) return;
        const retryInMs = backoffMs(retry, attempt, Math.random());
        this.#logger.warn(
          { err: error, count: ids.length, retryInMs },
          'published messages cannot be marked; tried again',
        );
        await pause(retryInMs, this.#signal);
      }
    }
  }
}
