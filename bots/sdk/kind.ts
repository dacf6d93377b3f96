import type { Attributes, Context } from '@opentelemetry/api';
import type { SchemaRef } from '../../src/gen/fleet/v1/fleet.ts';
import type { Handler, Step } from './task.ts';

/** What ts-proto generates for a message fits. */
export interface Codec<T> {
  encode(message: T): { finish(): Uint8Array };
  decode(bytes: Uint8Array): T;
}

/** One revision of a task kind: its name on the wire and how its three messages are written. */
export interface KindDefinition<T, P, R> {
  readonly kind: string;
  readonly revision: number;
  /** "sha256:<hex>" of the revision's FileDescriptorSet. */
  readonly digest: string;
  readonly task: Codec<T>;
  readonly progress: Codec<P>;
  readonly result: Codec<R>;
}

export interface Kind<T, P, R> extends KindDefinition<T, P, R> {
  /** Says that a bot does tasks of this kind with `handler`, at most `credits` at once. */
  serve(handler: Handler<T, P, R>, options?: { credits?: number }): ServedKind;
}

/** A task as the session sees it: payloads are bytes. */
export interface RawTask extends RawStep {
  readonly id: string;
  readonly attempt: number;
  readonly fence: number;
  readonly orderId: string;
  readonly deadline: Date | undefined;
  readonly resumedFrom: readonly Uint8Array[];
  readonly signal: AbortSignal;
}

export interface RawStep {
  readonly context: Context;
  readonly traceparent: string;
  progress(payload: Uint8Array): Promise<void>;
  step<T>(name: string, attributes: Attributes, work: (step: RawStep) => Promise<T>): Promise<T>;
}

/** Work that is decoded and waits for its lease; resolves with the encoded result. */
export type PreparedWork = (task: RawTask) => Promise<Uint8Array>;

/** A kind with its handler, its types closed over. */
export interface ServedKind {
  readonly schema: SchemaRef;
  readonly credits: number;
  /** @throws when `payload` is not a task of this kind */
  prepare(payload: Uint8Array): PreparedWork;
}

export function defineKind<T, P, R>(definition: KindDefinition<T, P, R>): Kind<T, P, R> {
  const { kind, revision, digest, task, progress, result } = definition;

  const typed = (raw: RawStep): Step<P> => ({
    context: raw.context,
    traceparent: raw.traceparent,
    progress: async (payload) => raw.progress(progress.encode(payload).finish()),
    step: (name, attributes, work) => raw.step(name, attributes, (child) => work(typed(child))),
  });

  return {
    ...definition,
    serve: (handler, { credits = 1 } = {}) => ({
      schema: { kind, revision, digest },
      credits,
      prepare: (bytes) => {
        const payload = task.decode(bytes);
        return async (raw) => {
          const { id, attempt, fence, orderId, deadline, signal } = raw;
          const resumedFrom = raw.resumedFrom.map((report) => progress.decode(report));
          const about = { id, attempt, fence, orderId, deadline, resumedFrom, signal, payload };
          const outcome = await handler({ ...typed(raw), ...about });
          return result.encode(outcome).finish();
        };
      },
    }),
  };
}
