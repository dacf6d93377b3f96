import type { JsonObject, JsonValue } from '@bufbuild/protobuf';
import type { Attributes, Context } from '@opentelemetry/api';
import type { SchemaRef } from '../../src/gen/fleet/v1/fleet.ts';

/** A step of a task: what is reported through it carries its span. */
export interface Step<P> {
  /** For libraries that trace on their own. */
  readonly context: Context;
  /** W3C trace context of this step; empty when nothing is traced. */
  readonly traceparent: string;
  /**
   * Reports one step. Resolves when the report is in the bot's outbox, from where it reaches the hub even across lost connections;
   * waits while the outbox is full.
   * @throws TaskAborted once the task is no longer this bot's
   */
  progress(payload: P): Promise<void>;
  /** Runs `work` as a child span called `name`. */
  step<T>(name: string, attributes: Attributes, work: (step: Step<P>) => Promise<T>): Promise<T>;
}

/** A leased task, as its handler sees it. */
export interface Task<T, P> extends Step<P> {
  readonly id: string;
  readonly payload: T;
  /** The revision that the payload is written in, and that the reports go out in: not always the one that the handler was written for. */
  readonly schema: Readonly<Pick<SchemaRef, 'kind' | 'revision' | 'digest'>>;
  /**
   * What the payload says at `path` by the names of its revision, also those that came after the handler was written: `gift_note`,
   * `stops[0].items[1].gift_note`. In the protobuf JSON mapping; undefined where nothing is set, or the revision has no such field.
   */
  field(path: string): JsonValue | undefined;
  /** All of the payload by the names of its revision, in the protobuf JSON mapping. */
  json(): JsonObject;
  /** 1 for the first bot that tries. */
  readonly attempt: number;
  readonly fence: number;
  /** The order that the task serves. */
  readonly orderId: string;
  /** When the work should be done; undefined when it has time. */
  readonly deadline: Date | undefined;
  /** What an earlier process of this bot has reported of the task, in order: go on from there. Empty for work that begins. */
  readonly resumedFrom: readonly P[];
  /** Aborted with a TaskAborted when the work has to stop: end soon, by throwing or by returning. */
  readonly signal: AbortSignal;
}

/** Resolves with the result; throws TaskFailed (or anything: then another bot may try) when the work cannot be done. */
export type Handler<T, P, R> = (task: Task<T, P>) => Promise<R>;

/** Thrown by a handler: the work cannot be done, and why. */
export class TaskFailed extends Error {
  readonly reason: string;
  /** Whether another bot may have better luck. */
  readonly retryable: boolean;

  constructor(failure: { reason: string; retryable: boolean }, options?: ErrorOptions) {
    super(failure.reason, options);
    this.name = 'TaskFailed';
    this.reason = failure.reason;
    this.retryable = failure.retryable;
  }
}

/**
 * cancelled: the hub asks to stop; what the handler did so far is still reported.
 * lease-lost: the task is another bot's, or nobody's; nothing that is reported counts.
 * cut-off: the lease has run out by this bot's own clock, and tasks of this kind stop then; what was done is reported when the hub is back.
 * shutdown: this bot leaves. killed: this bot pretends to have died.
 */
export type AbortCause = 'cancelled' | 'lease-lost' | 'cut-off' | 'shutdown' | 'killed';

/** The reason of `task.signal`. */
export class TaskAborted extends Error {
  readonly why: AbortCause;

  constructor(why: AbortCause, detail: string) {
    super(`task aborted (${why}): ${detail}`);
    this.name = 'TaskAborted';
    this.why = why;
  }
}
