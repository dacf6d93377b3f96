import type { JsonObject } from '@bufbuild/protobuf';
import type { Attributes, Context } from '@opentelemetry/api';
import type { SchemaRef } from '../../src/gen/fleet/v1/fleet.ts';
import { conflictOf } from './conflict.ts';
import { fieldAt, lazily, readJson, withJson } from './payload.ts';
import { type Description, describedSchema, type Schema } from './schema.ts';
import { show, shown } from './shown.ts';
import type { Handler, Step } from './task.ts';

/** What ts-proto generates for a message fits. */
export interface Codec<T> {
  encode(message: T): { finish(): Uint8Array };
  decode(bytes: Uint8Array): T;
}

/**
 * The revision of a task kind that a handler is written for: its name on the wire and how its three messages are written. Without its
 * descriptors (`defineKind({ ...kinds.shop, ... })` has them) a handler is given tasks of exactly this revision.
 */
export interface KindDefinition<T, P, R> extends Partial<Description> {
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
  /** Undefined: every kind that no other handler of the bot serves. */
  readonly kind: string | undefined;
  readonly credits: number;
  /** The revision that the handler needs no descriptors for; undefined when it always does. */
  readonly builtIn: SchemaRef | undefined;
  /** Why tasks of `schema` cannot be done; undefined when they can. */
  conflict(schema: Schema): string | undefined;
  /**
   * `schema` is undefined for the revision that is built in.
   * @throws when `payload` is not a task of the revision
   */
  prepare(payload: Uint8Array, schema: Schema | undefined): PreparedWork;
}

/** Fields that ride along with a message; a symbol, so that a copy by `...` has them still. */
const furtherFields: unique symbol = Symbol('fields of another revision');

/**
 * `message`, a progress or result, with fields of the task's revision that its type does not have, in the protobuf JSON mapping. Those that the
 * revision does not have either are left out, so that one handler serves revisions with and without them.
 */
export const withFields = <M extends object>(message: M, more: JsonObject): M => ({
  ...message,
  [furtherFields]: more,
});

const furtherFieldsOf = (message: object): JsonObject | undefined =>
  (message as { [furtherFields]?: JsonObject })[furtherFields];

export function defineKind<T, P extends object, R extends object>(definition: KindDefinition<T, P, R>): Kind<T, P, R> {
  const { kind, revision, digest, task, progress, result } = definition;
  const ref = { kind, revision, digest };
  const own = lazily(() => (isDescribed(definition) ? describedSchema(ref, definition) : undefined));

  /** Of the revision that the task is pinned to, which is only looked up when somebody asks. */
  const describedBy = (schema: Schema | undefined): Schema => {
    const found = schema ?? own();
    if (found) return found;
    throw new Error(
      `kind "${kind}" was defined without its descriptors; give defineKind file_descriptor_set and message names`,
    );
  };

  const written = <M extends object>(
    schema: Schema | undefined,
    what: 'progress' | 'result',
    codec: Codec<M>,
    message: M,
  ) => {
    const bytes = codec.encode(message).finish();
    const more = furtherFieldsOf(message);
    return more ? withJson(describedBy(schema), what, bytes, more) : bytes;
  };

  const typed = (raw: RawStep, schema: Schema | undefined): Step<P> => ({
    context: raw.context,
    traceparent: raw.traceparent,
    progress: async (payload) => raw.progress(written(schema, 'progress', progress, payload)),
    step: (name, attributes, work) => raw.step(name, attributes, (child) => work(typed(child, schema))),
  });

  return {
    ...definition,
    serve: (handler, { credits = 1 } = {}) => ({
      kind,
      credits,
      builtIn: ref,
      conflict: (schema) => {
        const known = own();
        if (known) return conflictOf(known, schema);
        return `handler of kind "${kind}" was defined without its descriptors; give them to defineKind`;
      },
      prepare: (bytes, schema) => {
        const payload = task.decode(bytes);
        const { revision, digest } = schema ?? ref;
        const json = lazily(() => readJson(describedBy(schema), describedBy(schema).task, bytes));
        const field = (path: string) => fieldAt(describedBy(schema).task, json(), path);
        return async (bare) => {
          const raw = { ...bare, ...shown(bare, () => schema ?? own()) };
          const { id, attempt, fence, orderId, deadline, signal } = raw;
          const resumedFrom = raw.resumedFrom.map((report) => progress.decode(report));
          const about = { id, attempt, fence, orderId, deadline, resumedFrom, signal, payload };
          const spoken = { schema: { kind, revision, digest }, json, field };
          const ended = await handler({ ...typed(raw, schema), ...about, ...spoken });
          const report = written(schema, 'result', result, ended);
          show(raw.context, 'result', report, () => schema ?? own());
          return report;
        };
      },
    }),
  };
}

const isDescribed = (definition: Partial<Description>): definition is Description =>
  definition.fileDescriptorSet !== undefined &&
  definition.taskMessage !== undefined &&
  definition.progressMessage !== undefined &&
  definition.resultMessage !== undefined;
