import { fromBinary, toJson } from '@bufbuild/protobuf';
import { type Context, trace } from '@opentelemetry/api';
import type { RawStep } from './kind.ts';
import type { Schema } from './schema.ts';
import { ATTR_KIND, ATTR_REPORT, ATTR_REVISION, ATTR_SCHEMA_DIGEST } from './spans.ts';

/** Characters of a report in a trace, which is for people: the whole of it is in the event. */
const maxReportChars = 1_000;

/** Undefined without descriptors: there are no names to show then. Asked only when somebody records. */
type SchemaOf = () => Schema | undefined;

/** The step, with what is reported through it on its span by the names of the revision: who reads the trace need not know it. */
export const shown = (raw: RawStep, schemaOf: SchemaOf): RawStep => ({
  ...raw,
  async progress(payload) {
    await raw.progress(payload);
    show(raw.context, 'progress', payload, schemaOf);
  },
  step: (name, attributes, work) => raw.step(name, attributes, (child) => work(shown(child, schemaOf))),
});

/** An event of the span in `context`, when somebody records it: some 5 us then. */
export function show(context: Context, what: 'progress' | 'result', payload: Uint8Array, schemaOf: SchemaOf): void {
  const span = trace.getSpan(context);
  if (!span?.isRecording()) return;
  const schema = schemaOf();
  const text = schema && textOf(schema, what, payload);
  if (text === undefined) return;
  const { kind, revision, digest } = schema!;
  span.addEvent(what, {
    [ATTR_KIND]: kind,
    [ATTR_REVISION]: revision,
    [ATTR_SCHEMA_DIGEST]: digest,
    [ATTR_REPORT]: text.length > maxReportChars ? `${text.slice(0, maxReportChars)}…` : text,
  });
}

/** Undefined of what JSON has no form for, such as an instant of the year 10000: the report has gone out, and is none the worse for it. */
function textOf(schema: Schema, what: 'progress' | 'result', payload: Uint8Array): string | undefined {
  try {
    return JSON.stringify(toJson(schema[what], fromBinary(schema[what], payload), { registry: schema.registry }));
  } catch {
    return undefined;
  }
}
