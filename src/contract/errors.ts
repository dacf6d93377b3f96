import type { ErrorDetail } from '../gen/common/v1/common.ts';

/** The gRPC canonical codes that this system answers with; the number is the wire's. */
export const Code = {
  INVALID_ARGUMENT: 3,
  DEADLINE_EXCEEDED: 4,
  NOT_FOUND: 5,
  ALREADY_EXISTS: 6,
  RESOURCE_EXHAUSTED: 8,
  FAILED_PRECONDITION: 9,
  ABORTED: 10,
  INTERNAL: 13,
  UNAVAILABLE: 14,
  UNAUTHENTICATED: 16,
} as const;
export type Code = keyof typeof Code;

/** Values that are longer are cut in messages: a name, not a payload. Characters. */
const maxQuotedChars = 80;

/**
 * The one error that may cross a process border. `message` is for people and names the field, the value and the remedy;
 * `detail.reason` is for programs. The `cause` never leaves the process.
 */
export class MallError extends Error {
  readonly code: Code;
  readonly detail: ErrorDetail;

  constructor(code: Code, message: string, detail: Partial<ErrorDetail> = {}, options?: ErrorOptions) {
    super(message, options);
    this.name = 'MallError';
    this.code = code;
    this.detail = { reason: code, field: '', value: '', remedy: '', ...detail };
  }

  /** Anything thrown, as a MallError: what is not one already becomes INTERNAL with a neutral message and keeps its cause. */
  static from(thrown: unknown): MallError {
    if (thrown instanceof MallError) return thrown;
    return new MallError(
      'INTERNAL',
      'internal error; the log has the cause',
      { reason: 'INTERNAL' },
      { cause: thrown },
    );
  }
}

/** `value` as it may stand in a message. */
export function quoted(value: unknown): string {
  // JSON has no NaN and no Infinity.
  const isPlain = typeof value === 'string' || typeof value === 'number';
  const text = isPlain ? String(value) : (JSON.stringify(value) ?? String(value));
  return `"${text.length > maxQuotedChars ? `${text.slice(0, maxQuotedChars)}…` : text}"`;
}

const sentence = (what: string, remedy: string) => (remedy ? `${what}; ${remedy}` : what);

/** INVALID_ARGUMENT: `field` has a value that can never be right. */
export function invalid(field: string, value: unknown, reason: string, remedy: string): MallError {
  return new MallError('INVALID_ARGUMENT', sentence(`${field} is ${quoted(value)}`, remedy), {
    reason,
    field,
    value: String(value),
    remedy,
  });
}

/** NOT_FOUND: `field` names something that is not there. */
export function notFound(what: string, field: string, value: string, remedy = ''): MallError {
  return new MallError('NOT_FOUND', sentence(`no ${what} with ${field} ${quoted(value)}`, remedy), {
    reason: `${what.toUpperCase().replaceAll(' ', '_')}_NOT_FOUND`,
    field,
    value,
    remedy,
  });
}

/** FAILED_PRECONDITION: the request is well formed, but not in this state. */
export function refused(field: string, value: unknown, reason: string, message: string, remedy = ''): MallError {
  return new MallError('FAILED_PRECONDITION', sentence(message, remedy), {
    reason,
    field,
    value: String(value),
    remedy,
  });
}

/** RESOURCE_EXHAUSTED: what is bounded is full, as `message` says. */
export function exhausted(message: string, reason: string, remedy: string): MallError {
  return new MallError('RESOURCE_EXHAUSTED', sentence(message, remedy), { reason, remedy });
}

/** UNAVAILABLE: try again; nothing happened. */
export function unavailable(message: string, reason: string, cause?: unknown): MallError {
  return new MallError('UNAVAILABLE', message, { reason, remedy: 'try again' }, { cause });
}
