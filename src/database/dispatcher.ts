import { context, type Tracer } from '@opentelemetry/api';
import type { Logger } from 'pino';
import type { Broker } from '../broker/port.ts';
import { publishTraced } from '../broker/publish-traced.ts';
import { type BackoffPolicy, backoffMs, pause } from '../kit/backoff.ts';
import { KeyedSerial } from '../kit/keyed-serial.ts';
import { aboutMessage } from '../telemetry/attributes.ts';
import { contextOf } from '../telemetry/propagation.ts';
import { known, messageIn } from './message-row.ts';
import { type OutboxRow, type OutboxStatements, outboxStatements } from './outbox-rows.ts';
import type { Database } from './port.ts';
import type { PlumbingTables } from './tables.ts';

/** Publishes under way at once: 12,000 to 17,000 confirms a second were measured with so many, 600 one at a time. */
const publishWindow = 256;
/** Keys in flight or waiting for their next try. The rest stays in the table: overflow costs latency, no memory. */
const maxLanes = 1_024;
/** Rows asked for at once, and how many of those one key may take: its rest comes when these are published. */
const fetchRows = 256;
const laneRows = 32;
/**
 * How long marks are gathered: each write of them is a transaction, and a crash before it only has messages published again that their receivers
 * know. Whoever waits for a loss to be told (the hub's queue) waits so much longer.
 */
const markDelayMs = 20;
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
  /** A lane has ended, and there may be more that it or another one can take. */
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
  readonly #statements: OutboxStatements;
  /** The last look may have left something in the table for want of a free lane. */
  #mayHaveLeft = false;

  /** `signal`: begin nothing any more; what is being published may finish. */
  constructor(options: DispatcherOptions, signal: AbortSignal) {
    this.#o = options;
    this.#signal = signal;
    const { database, tables, logger } = options;
    this.#statements = outboxStatements(tables);
    const write = async (ids: readonly number[]) => {
      await database.query((orm) => this.#statements.markPublished(orm, ids));
    };
    this.#marks = new Marks(write, signal, logger);
  }

  /** Starts lanes for what is waiting; true when there may be more. */
  async turn(): Promise<boolean> {
    const room = maxLanes - this.#lanes.size;
    this.#mayHaveLeft ||= this.#lanes.size > 0;
    if (room <= 0) return false;
    const rows = await this.#o.database.query((orm) =>
      this.#statements.unpublished(orm, [...this.#lanes.keys()], this.#marks.waiting, fetchRows),
    );
    const byKey = Map.groupBy(rows, (row) => row.key);
    this.#mayHaveLeft ||= byKey.size > room;
    for (const [key, ofKey] of [...byKey].slice(0, room)) {
      this.#mayHaveLeft ||= ofKey.length > laneRows;
      const lane = this.#drive(ofKey.slice(0, laneRows)).finally(() => this.#freed(key));
      this.#lanes.set(key, lane);
    }
    return rows.length === fetchRows;
  }

  /** Resolves when no lane is left and everything is marked. */
  async idle(): Promise<void> {
    await Promise.all(this.#lanes.values());
    await this.#marks.written();
  }

  #freed(key: string): void {
    this.#lanes.delete(key);
    if (!this.#mayHaveLeft) return;
    this.#mayHaveLeft = false;
    this.#o.onLaneFree();
  }

  /** Never rejects. */
  async #drive(rows: readonly OutboxRow[]): Promise<void> {
    for (const row of rows) {
      if (!(await this.#deliver(row))) return;
      this.#marks.add(row.id);
    }
  }

  /** Tries until the broker has it; false when it is to be left to the next holder of the lock. */
  async #deliver(row: OutboxRow): Promise<boolean> {
    const message = messageIn(row, this.#o.source);
    for (let attempt = 1; !this.#signal.aborted; attempt += 1) {
      try {
        // What only a newer version knows waits for that, as what the broker refuses does.
        await this.#window.run(row.key, async () => publishTraced(this.#o, known(message), { attempt }));
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

/** Writes marks in batches. What is published and not marked yet is known by its id here, so that it is not fetched again. */
class Marks {
  readonly #write: (ids: readonly number[]) => Promise<void>;
  readonly #signal: AbortSignal;
  readonly #logger: Logger;
  readonly #waiting = new Set<number>();
  #writing: Promise<void> | undefined;

  constructor(write: (ids: readonly number[]) => Promise<void>, signal: AbortSignal, logger: Logger) {
    this.#write = write;
    this.#signal = signal;
    this.#logger = logger;
  }

  get waiting(): readonly number[] {
    return [...this.#waiting];
  }

  add(id: number): void {
    this.#waiting.add(id);
    this.#writing ??= this.#writeAll();
  }

  /** Resolves when all is written, or given up because the lock is: then a message is published again, and its receivers know it. */
  async written(): Promise<void> {
    await this.#writing;
  }

  async #writeAll(): Promise<void> {
    for (let attempt = 1; this.#waiting.size > 0; ) {
      await pause(attempt === 1 ? markDelayMs : backoffMs(retry, attempt, Math.random()), this.#signal);
      const ids = [...this.#waiting];
      try {
        await this.#write(ids);
        for (const id of ids) this.#waiting.delete(id);
        attempt = 1;
      } catch (error) {
        if (this.#signal.aborted) break;
        attempt += 1;
        this.#logger.warn({ err: error, count: ids.length }, 'published messages cannot be marked; tried again');
      }
    }
    this.#writing = undefined;
  }
}
