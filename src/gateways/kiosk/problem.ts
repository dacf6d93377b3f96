import { type Code, MallError, quoted } from '../../contract/errors.ts';

/** RFC 9457 problem details, with what MallErrors say: the field at fault, its value, a stable reason and what to do instead. */
export interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly field: string;
  readonly value: string;
  readonly reason: string;
  readonly remedy: string;
}

export const problemMediaType = 'application/problem+json';

/** Seconds that a client should wait after a 503 or 429: what a restart of a service takes. */
export const retryAfterSeconds = 2;

const idempotencyHeader = 'Idempotency-Key';

const statuses: Readonly<Record<Code, number>> = {
  INVALID_ARGUMENT: 400,
  UNAUTHENTICATED: 401,
  NOT_FOUND: 404,
  ALREADY_EXISTS: 409,
  FAILED_PRECONDITION: 409,
  ABORTED: 409,
  RESOURCE_EXHAUSTED: 429,
  INTERNAL: 500,
  UNAVAILABLE: 503,
  DEADLINE_EXCEEDED: 503,
};

const titles: Readonly<Record<number, string>> = {
  400: 'The request is not right',
  401: 'The caller is not known',
  404: 'Not found',
  408: 'The request took too long',
  409: 'Refused in this state',
  413: 'The request is too large',
  415: 'The media type is not understood',
  429: 'Too many requests',
  431: 'The headers are too large',
  500: 'Internal error',
  503: 'Not available now',
};

export function problemOf(error: MallError): Problem {
  const { reason, value, remedy } = error.detail;
  return problem(statuses[error.code], {
    detail: restWords(error.message),
    field: restWords(error.detail.field),
    value,
    reason,
    remedy: restWords(remedy),
  });
}

/** A problem that is HTTP's own: a method or media type, not something about an order. */
export function httpProblem(status: number, about: Partial<Problem> & Pick<Problem, 'reason' | 'detail'>): Problem {
  return problem(status, { field: '', value: '', remedy: '', ...about });
}

function problem(status: number, rest: Omit<Problem, 'type' | 'title' | 'status'>): Problem {
  const slug = rest.reason.toLowerCase().replaceAll('_', '-');
  return { type: `urn:mallbots:problem:${slug}`, title: titles[status] ?? 'Refused', status, ...rest };
}

/** The fields of gRPC requests as this API calls them: `lines[0].product_id` is `lines[0].productId` here. */
function restWords(text: string): string {
  return text
    .replaceAll(/\b(order|product|store|line)_id\b/g, '$1Id')
    .replaceAll(/\bidempotency_key\b/g, idempotencyHeader);
}

/** What zod says about a value, as far as an answer needs it. */
export interface Issue {
  readonly code: string;
  readonly path: readonly PropertyKey[];
  readonly message: string;
  readonly keys?: readonly string[];
}

const headerNames: Readonly<Record<string, string>> = {
  'idempotency-key': idempotencyHeader,
  'last-event-id': 'Last-Event-ID',
};

/** The first of a request's mistakes. The messages in the schemas are remedies: "give a whole number from 1 to 1000". */
export function invalidRequest(part: string, issue: Issue, data: unknown): MallError {
  const path = issue.code === 'unrecognized_keys' ? [...issue.path, issue.keys?.[0] ?? ''] : issue.path;
  const field = path.length === 0 ? part : fieldName(part, path);
  const value = path.reduce<unknown>((at, key) => (at as Record<PropertyKey, unknown> | undefined)?.[key], data);
  const isMissing = value === undefined;
  const remedy = issue.code === 'unrecognized_keys' ? 'leave it out' : issue.message;
  const fault = isMissing ? 'is missing' : issue.code === 'unrecognized_keys' ? 'is not known' : `is ${quoted(value)}`;
  return new MallError('INVALID_ARGUMENT', `${field} ${fault}; ${remedy}`, {
    reason: isMissing ? 'MISSING' : 'INVALID',
    field,
    value: isMissing ? '' : shortened(value),
    remedy,
  });
}

function fieldName(part: string, path: readonly PropertyKey[]): string {
  if (part === 'headers') return headerNames[String(path[0])] ?? String(path[0]);
  return path.reduce<string>(
    (name, key) => (typeof key === 'number' ? `${name}[${key}]` : name ? `${name}.${String(key)}` : String(key)),
    '',
  );
}

const shortened = (value: unknown): string => quoted(value).slice(1, -1);
