import { SpanKind, type Tracer } from '@opentelemetry/api';
import type { Offer } from '../../src/gen/fleet/v1/fleet.ts';
import { Outcome, Progress, Result, WhileCutOff } from '../../src/gen/fleet/v1/fleet.ts';
import { heldNote } from './journal.ts';
import type { PreparedWork, RawStep } from './kind.ts';
import { LeaseWatch } from './lease-clock.ts';
import type { BotLogger } from './logger.ts';
import type { Outbox, ReliableBody } from './outbox.ts';
import { reasonOf } from './reason.ts';
import {
  ATTR_BOT_ID,
  ATTR_CORRELATION_ID,
  ATTR_FENCE,
  ATTR_ORDER_ID,
  ATTR_SCHEMA_DIGEST,
  ATTR_TASK_ID,
  contextOf,
  traced,
} from './spans.ts';
import { type AbortCause, TaskAborted, TaskFailed } from './task.ts';

export const keyOf = (taskId: string, fence: number): string => `${taskId}:${fence}`;

/**
 * | phase    | until                                               |
 * |----------|-----------------------------------------------------|
 * | accepted | the lease comes, or it is lost                      |
 * | working  | the start is reported, then the handler ends        |
 * | reported | the hub has acknowledged the result                 |
 *
 * Being lost is not a phase: the handler of a lost assignment still has to come to its end.
 */
type Phase = 'accepted' | 'working' | 'reported';

export interface AssignmentPorts {
  readonly botId: string;
  readonly tracer: Tracer;
  readonly outbox: Outbox;
  readonly logger: BotLogger;
  /** Largest payload in bytes that the hub takes. */
  maxPayloadBytes(): number;
  /** Something is in the outbox. */
  written(): void;
}

interface Ending {
  readonly outcome: Outcome;
  readonly payload: Buffer;
  readonly reason: string;
  readonly retryable: boolean;
}

/** One task under one fence, from the accepted offer to the result. */
export class Assignment {
  readonly traceparent: string;
  readonly #work: PreparedWork;
  readonly #ports: AssignmentPorts;
  /** What the handler sees. */
  readonly #stop = new AbortController();
  /** Aborted when nothing that is said about this assignment counts any more. */
  readonly #void = new AbortController();
  readonly #lease = new LeaseWatch(() => this.#cutOff());
  /** Before the answer to the offer can have been sent, ms of `performance.now()`. */
  readonly acceptedAtMs = performance.now();
  #offer: Offer;
  #phase: Phase;
  #cancelAsked = false;

  constructor(offer: Offer, traceparent: string, work: PreparedWork, ports: AssignmentPorts) {
    this.#offer = offer;
    this.traceparent = traceparent;
    this.#work = work;
    this.#ports = ports;
    // By an earlier process of this bot.
    this.#phase = ports.outbox.reportsOf(this.key).some(({ body }) => body.$case === 'result')
      ? 'reported'
      : 'accepted';
  }

  get offer(): Offer {
    return this.#offer;
  }

  get key(): string {
    return keyOf(this.#offer.taskId, this.#offer.fence);
  }

  /** For spans and log lines. */
  get about(): Readonly<Record<string, string | number>> {
    const { taskId, fence, orderId, schema } = this.#offer;
    return {
      [ATTR_BOT_ID]: this.#ports.botId,
      [ATTR_ORDER_ID]: orderId,
      [ATTR_CORRELATION_ID]: orderId,
      [ATTR_TASK_ID]: taskId,
      [ATTR_FENCE]: fence,
      [ATTR_SCHEMA_DIGEST]: schema?.digest ?? '',
    };
  }

  get phase(): Phase {
    return this.#phase;
  }

  get isLost(): boolean {
    return this.#void.signal.aborted;
  }

  /** Aborts the handler, if there is one, and drops what was to be reported. */
  lose(why: AbortCause, detail: string): void {
    const reason = new TaskAborted(why, detail);
    this.#lease.stop();
    this.#void.abort(reason);
    this.#stop.abort(reason);
    this.#ports.outbox.forget(this.key);
  }

  /** The hub gave the task up and gives it back under `fence`: it goes on, and all that was reported is reported again. */
  renew(fence: number): void {
    const before = this.key;
    this.#offer = { ...this.#offer, fence };
    this.#ports.outbox.renew(
      before,
      this.key,
      (body) => {
        const { taskId } = this.#offer;
        return 'taskId' in body.value && body.value.taskId === taskId
          ? ({ ...body, value: { ...body.value, fence } } as ReliableBody)
          : body;
      },
      heldNote(this.key, this.#offer, this.traceparent),
    );
  }

  /** Asks the handler to stop; its outcome is still reported. */
  stop(why: AbortCause, detail: string): void {
    this.#cancelAsked ||= why === 'cancelled';
    this.#stop.abort(new TaskAborted(why, detail));
  }

  /** The hub keeps the lease at least so long, ms of `performance.now()`. Beyond it the work does not go on where its kind says so. */
  keepUntil(endsAtMs: number): void {
    if (this.#offer.whileCutOff === WhileCutOff.STOP && this.#phase !== 'reported') this.#lease.extend(endsAtMs);
  }

  #cutOff(): void {
    if (this.#phase !== 'working') return;
    this.#ports.logger.warn(this.about, 'the lease has run out by the clock of this bot: its task is stopped');
    this.stop('cut-off', 'the lease has run out by the clock of this bot');
  }

  /**
   * Reports the start, runs the handler, reports how it ended. Its span is below the lease's, or below the offer's where the lease brought
   * no trace context. Resolves when that is in the outbox, or does not count; never rejects.
   */
  async run(leaseTraceparent: string): Promise<void> {
    const { taskId, fence, attempt, orderId, deadline } = this.offer;
    const attributes = this.about;
    this.#phase = 'working';
    const before = this.#ports.outbox
      .reportsOf(this.key)
      .flatMap(({ body }) => (body.$case === 'progress' ? [body.value] : []));
    const hasStarted = before.some(({ started }) => started);
    const resumedFrom = before.filter(({ started }) => !started).map(({ payload }) => payload);
    const work = async (step: RawStep) => {
      traceparent = step.traceparent;
      if (!hasStarted) await this.#reportStart(traceparent);
      return this.#work({
        ...step,
        id: taskId,
        attempt,
        fence,
        orderId,
        deadline,
        resumedFrom,
        signal: this.#stop.signal,
      });
    };
    let traceparent = this.traceparent;
    const ending = await traced(
      this.#ports.tracer,
      `${this.offer.schema!.kind} task`,
      SpanKind.CONSUMER,
      contextOf(leaseTraceparent || this.traceparent),
      { own: { 'mallbots.attempt': attempt }, all: attributes },
      (payload, reporter) => this.#report(payload, reporter),
      work,
    ).then(
      (payload) => this.#success(payload),
      (thrown) => failureOf(thrown, this.#cancelAsked),
    );
    this.#phase = 'reported';
    this.#lease.stop();
    if (!this.isLost) await this.#conclude(ending, traceparent).catch(() => {});
  }

  #success(payload: Uint8Array): Ending {
    const tooLarge = this.#tooLarge(payload);
    if (tooLarge) return failureOf(tooLarge, false);
    return { outcome: Outcome.SUCCEEDED, payload: Buffer.from(payload), reason: '', retryable: false };
  }

  async #report(payload: Uint8Array, traceparent: string): Promise<void> {
    this.#void.signal.throwIfAborted();
    if (this.#phase !== 'working') throw new Error(`task ${this.key} has ended; report progress before that`);
    const tooLarge = this.#tooLarge(payload);
    if (tooLarge) throw tooLarge;
    await this.#progress({ payload: Buffer.from(payload) }, traceparent);
  }

  /**
   * A robot does not set out before the hub is sure to hear of it: with a full outbox this waits, and a robot that is told to stop
   * meanwhile stays where it is.
   */
  async #reportStart(traceparent: string): Promise<void> {
    await this.#progress({ started: true }, traceparent, this.#stop.signal);
    // One hub frame may make room and cancel.
    this.#stop.signal.throwIfAborted();
  }

  #progress(report: { started: true } | { payload: Buffer }, traceparent: string, signal?: AbortSignal): Promise<void> {
    const { taskId, fence, schema } = this.offer;
    const value = Progress.fromPartial({ taskId, fence, schema, occurredAt: new Date(), ...report });
    return this.#put({ $case: 'progress', value }, traceparent, signal);
  }

  /** The hub cannot take the result; without any, the task would stay with this bot. */
  replaceResult(why: string): void {
    const reason = `the hub refused the result: ${why}`;
    const ending = { outcome: Outcome.FAILED, payload: Buffer.alloc(0), reason, retryable: false };
    // Lost while the outbox is full: nobody waits for it any more.
    void this.#deliver(ending, this.traceparent).catch(() => {});
  }

  /** Rejects when the assignment is lost while the outbox is full. */
  async #conclude(ending: Ending, traceparent: string): Promise<void> {
    const { taskId, fence } = this.offer;
    const stopped = ending.outcome === Outcome.CANCELLED;
    if (this.#cancelAsked) await this.#put({ $case: 'cancelReply', value: { taskId, fence, stopped } }, traceparent);
    await this.#deliver(ending, traceparent);
  }

  #deliver(ending: Ending, traceparent: string): Promise<void> {
    const { taskId, fence, schema } = this.offer;
    const value = Result.fromPartial({ ...ending, taskId, fence, schema, occurredAt: new Date() });
    return this.#put({ $case: 'result', value }, traceparent);
  }

  async #put(body: ReliableBody, traceparent: string, signal = this.#void.signal): Promise<void> {
    await this.#ports.outbox.put({ body, traceparent, task: this.key }, signal);
    this.#ports.written();
  }

  #tooLarge(payload: Uint8Array): TaskFailed | undefined {
    const limit = this.#ports.maxPayloadBytes();
    if (payload.length <= limit) return undefined;
    const reason = `payload is ${payload.length} bytes, the hub takes ${limit}; report less at once`;
    return new TaskFailed({ reason, retryable: false });
  }
}

/** A handler that was asked to stop and throws has stopped, whatever it throws: many APIs have an abort error of their own. */
function failureOf(thrown: unknown, cancelAsked: boolean): Ending {
  const failed = { outcome: Outcome.FAILED, payload: Buffer.alloc(0), retryable: true };
  if (thrown instanceof TaskFailed) return { ...failed, reason: thrown.reason, retryable: thrown.retryable };
  return { ...failed, reason: reasonOf(thrown), outcome: cancelAsked ? Outcome.CANCELLED : Outcome.FAILED };
}
