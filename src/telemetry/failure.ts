import { SpanStatusCode } from '@opentelemetry/api';
import { ATTR_ERROR_TYPE } from '@opentelemetry/semantic-conventions/incubating';
import { MallError } from '../contract/errors.ts';

/** Refusals that a caller records as its error, by the RPC conventions: an answer, and nobody's failure. */
const answers = new Set<unknown>(['INVALID_ARGUMENT', 'NOT_FOUND', 'ALREADY_EXISTS', 'FAILED_PRECONDITION', 'ABORTED']);
/** Whether `code`, the gRPC status of a span or nothing, is such an answer. */
export const isAnswer = (code: unknown): boolean => answers.has(code);

/** What a span is told of a failure. */
export interface Failing {
  recordException(error: Error): void;
  setAttribute(key: string, value: string): unknown;
  setStatus(status: { code: SpanStatusCode; message: string }): unknown;
}

/** The operation of this span has failed with `error`, which the span keeps as an event. */
export function fail(span: Failing, error: unknown): void {
  span.recordException(asError(error));
  markFailed(span, error);
}

/** As `fail`, where the error is kept already. */
export function markFailed(span: Failing, error: unknown): void {
  const { name, message } = asError(error);
  span.setAttribute(ATTR_ERROR_TYPE, error instanceof MallError ? error.code : name);
  span.setStatus({ code: SpanStatusCode.ERROR, message });
}

const asError = (error: unknown): Error => (error instanceof Error ? error : new Error(String(error)));
