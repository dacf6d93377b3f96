import { MallError, quoted } from '../contract/errors.ts';
import { isId } from '../contract/ids.ts';
import { Outcome, type Result } from '../gen/fleet/v1/fleet.ts';
import { translatorOf } from './kinds/kind.ts';
import type { Catalogue } from './protocol/catalogue.ts';
import { Untranslatable } from './protocol/majors/convert.ts';
import type { Interpreter } from './protocol/majors/interpreter.ts';
import type { Trials } from './protocol/trials.ts';
import type { Refusal } from './refusal.ts';
import type { Report } from './task.ts';
import { languageOf, type Task } from './task-phase.ts';

/** Characters of a reason that are kept. */
export const maxReasonChars = 500;

/** A reason as it is stored: PostgreSQL's text has no NUL. `unsaid` where there is none. */
export const storedReason = (given: string, unsaid: string): string =>
  given.replaceAll('\0', '').slice(0, maxReasonChars) || unsaid;

/** Of google.protobuf.Timestamp. */
const firstInstant = new Date('0001-01-01T00:00:00Z');
const lastInstant = new Date('9999-12-31T23:59:59.999Z');

export const isInstant = (at: Date): boolean => at >= firstInstant && at <= lastInstant;

/** What could be read, or why it could not be. */
export type Reading<T> =
  | { readonly refusal: Refusal; readonly cause?: unknown }
  | { readonly refusal?: undefined; readonly value: T };

const refuse = (reason: Refusal['reason'], message: string, cause?: unknown) => ({
  ...{ refusal: { reason, message }, cause },
});

/** What is wrong with a frame about a task before anybody looks at the task. */
export function flawOf(
  seq: number,
  { taskId, fence, occurredAt }: { taskId: string; fence: number; occurredAt?: Date | undefined },
): Refusal | undefined {
  const invalid = (what: string) => ({ reason: 'FIELD_INVALID', message: what }) as const;
  if (!isId(taskId)) return invalid(`task_id is ${quoted(taskId)}; repeat the id of the offer`);
  if (fence < 1) return invalid(`fence is ${fence}; repeat the fence of the offer`);
  if (seq < 1) return invalid(`seq is ${seq}; number this frame, it must not be lost`);
  if (occurredAt && !isInstant(occurredAt)) {
    return invalid('occurred_at is out of range; give an instant of the years 1 to 9999');
  }
  return undefined;
}

/** `decode`'s value; what it throws is the payload's fault. */
export function decoded<T>(decode: () => T): Reading<T> {
  try {
    return { value: decode() };
  } catch (error) {
    if (error instanceof MallError) return refuse('FIELD_INVALID', `payload.${error.message}`);
    if (error instanceof Untranslatable) {
      const why = 'the task was asked in another major of its kind, which cannot say that';
      return refuse('PAYLOAD_UNDECODABLE', `payload.${error.message}; ${why}`, error);
    }
    return refuse('PAYLOAD_UNDECODABLE', `payload is not of its schema: ${(error as Error).message}`);
  }
}

export function unknownSchema(digest: string | undefined, task: Task): Refusal {
  const schema = languageOf(task);
  const message = `schema.digest is ${quoted(digest ?? '')}; the task is pinned to ${schema.kind} ${schema.digest}`;
  return { reason: 'UNKNOWN_SCHEMA', message };
}

export interface ReadingPorts {
  readonly catalogue: Pick<Catalogue, 'view'>;
  readonly trials: Pick<Trials, 'reading'>;
  readonly interpreter: Pick<Interpreter, 'hear'>;
}

/** A result as what the task's machine understands; `asked` is the kind that its task was asked in. */
export function readOutcome(
  result: Result,
  { botId, asked }: { readonly botId: string; readonly asked: string },
  { catalogue, trials, interpreter }: ReadingPorts,
): Reading<Report> {
  const { outcome, payload, retryable } = result;
  const at = result.occurredAt ?? new Date();
  switch (outcome) {
    case Outcome.FAILED:
      return { value: { type: 'failed', reason: storedReason(result.reason, 'no reason given'), retryable, at } };
    case Outcome.CANCELLED:
      return { value: { type: 'stopped' } };
    case Outcome.SUCCEEDED: {
      const digest = result.schema?.digest ?? '';
      const schema = catalogue.view.find(digest)?.schema;
      if (!schema) return refuse('UNKNOWN_SCHEMA', `schema.digest is ${quoted(digest)}; repeat the offer's`);
      const reading = trials.reading(schema, botId, 'result', payload, () => {
        const heard = interpreter.hear(schema, asked, 'result', payload);
        return { original: heard.original, tell: translatorOf(heard.kind).result(heard.payload) };
      });
      if (reading.refusal) return reading;
      const { original, tell } = reading.value;
      return {
        value: {
          type: 'succeeded',
          digest: schema.digest,
          event: (task, correlationId) => tell({ task, original, correlationId }),
          at,
        },
      };
    }
    default:
      return refuse('FIELD_INVALID', `outcome is ${outcome}; say SUCCEEDED, FAILED or CANCELLED`);
  }
}
