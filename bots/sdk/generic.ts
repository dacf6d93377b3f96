import type { DescMessage, JsonObject } from '@bufbuild/protobuf';
import type { RawStep, ServedKind } from './kind.ts';
import { fieldAt, readJson, writeJson } from './payload.ts';
import type { Schema } from './schema.ts';
import { show, shown } from './shown.ts';
import type { Step, Task } from './task.ts';

/** A task of which nothing was generated: its messages are plain objects in the protobuf JSON mapping (lowerCamelCase names, 64-bit integers as text). */
export interface GenericTask extends Task<JsonObject, JsonObject> {
  /** What the three messages of its revision look like. */
  readonly messages: { readonly task: DescMessage; readonly progress: DescMessage; readonly result: DescMessage };
}

/**
 * Resolves with the result. What is reported or returned and does not fit the descriptor throws a TypeError that names field and value, at
 * `progress`, or fails the task.
 */
export type GenericHandler = (task: GenericTask) => Promise<JsonObject>;

export interface GenericKind {
  serve(handler: GenericHandler, options?: { credits?: number }): ServedKind;
}

/** Serves every revision of `kind` by its descriptors. */
export const genericKind = (kind: string): GenericKind => ({
  serve: (handler, options) => generic(kind, handler, options),
});

/**
 * Serves every kind that no other handler of the bot serves, by its descriptors: also kinds that come up while the bot runs. `credits` are for
 * each such kind.
 */
export const anyKind: GenericKind = { serve: (handler, options) => generic(undefined, handler, options) };

const generic = (
  kind: string | undefined,
  handler: GenericHandler,
  { credits = 1 }: { credits?: number } = {},
): ServedKind => ({
  kind,
  credits,
  builtIn: undefined,
  conflict: () => undefined,
  prepare: (bytes, schema) => {
    if (!schema) throw new Error('a generic handler reads by descriptors, and there are none');
    const { task, progress, result } = schema;
    const payload = readJson(schema, task, bytes);
    return async (bare) => {
      const raw = { ...bare, ...shown(bare, () => schema) };
      const { id, attempt, fence, orderId, deadline, signal } = raw;
      const resumedFrom = raw.resumedFrom.map((report) => readJson(schema, progress, report));
      const about = { id, attempt, fence, orderId, deadline, resumedFrom, signal, payload };
      const spoken = {
        schema: { kind: schema.kind, revision: schema.revision, digest: schema.digest },
        messages: { task, progress, result },
        json: () => payload,
        field: (path: string) => fieldAt(task, payload, path),
      };
      const report = writeJson(schema, 'result', await handler({ ...described(raw, schema), ...about, ...spoken }));
      show(raw.context, 'result', report, () => schema);
      return report;
    };
  },
});

const described = (raw: RawStep, schema: Schema): Step<JsonObject> => ({
  context: raw.context,
  traceparent: raw.traceparent,
  progress: async (json) => raw.progress(writeJson(schema, 'progress', json)),
  step: (name, attributes, work) => raw.step(name, attributes, (child) => work(described(child, schema))),
});
