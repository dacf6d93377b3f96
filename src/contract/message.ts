import { MallError } from './errors.ts';
import { type BodyOf, decodeBody, encodeBody, isMessageName, type MessageName } from './events.ts';

/**
 * What crosses the broker. On AMQP the attributes travel as headers in CloudEvents binary mode
 * (CloudEvents AMQP binding 1.0: prefix `cloudEvents_`), beside this system's own.
 */
export interface Message {
  /** UUIDv7, or `task:fence:seq` for what a bot reported: a resend has the same id. */
  readonly id: string;
  readonly name: MessageName;
  /** The role that published it, as a CloudEvents source: `/orders`. */
  readonly source: string;
  readonly time: Date;
  /** Messages of one key are handled one after the other: the order's id, or the product's, or the store's. */
  readonly key: string;
  /** The order's id where there is one, else the key. */
  readonly correlationId: string;
  /** Id of the message or request that led to this one. */
  readonly causationId: string;
  /** W3C trace context of the sender; empty when there is none. */
  readonly traceparent: string;
  /** Set on events about a task: what is below the highest fence seen is refused. */
  readonly task?: TaskMark | undefined;
  readonly body: Uint8Array;
}

export interface TaskMark {
  readonly id: string;
  readonly fence: number;
}

/** A message before it has an id, a cause and a trace: what decisions return. */
export interface Draft<N extends MessageName = MessageName> {
  readonly name: N;
  readonly key: string;
  readonly correlationId: string;
  readonly task?: TaskMark | undefined;
  /** Begins a trace of its own with a span of this name, linked with its sender's: what runs on its own from then on. Empty: it belongs to its sender's. */
  readonly startsTrace: string;
  readonly body: BodyOf<N>;
}

/** A draft whose body is checked against its name. `correlationId` is the key where none is given. */
export function draft<N extends MessageName>(
  name: N,
  key: string,
  body: BodyOf<N>,
  more: { correlationId?: string; task?: TaskMark; startsTrace?: string } = {},
): Draft {
  const { correlationId = key, task, startsTrace = '' } = more;
  return { name, key, correlationId, task, startsTrace, body } as unknown as Draft;
}

/** A message with its body decoded: what handlers get. */
export interface Received<N extends MessageName = MessageName> extends Omit<Message, 'name' | 'body'> {
  readonly name: N;
  readonly body: BodyOf<N>;
}

export function seal(
  draft: Draft,
  stamp: { id: string; source: string; time: Date; causationId: string; traceparent: string },
): Message {
  const { name, key, correlationId, task } = draft;
  return { ...stamp, name, key, correlationId, task, body: encodeBody(name, draft.body as BodyOf<typeof name>) };
}

/** @throws MallError INVALID_ARGUMENT when the body is not a message of that name */
export function open<N extends MessageName>(message: Message & { name: N }): Received<N> {
  try {
    return { ...message, body: decodeBody(message.name, message.body) };
  } catch (cause) {
    throw new MallError('INVALID_ARGUMENT', `body of ${message.name} ${message.id} cannot be decoded`, {}, { cause });
  }
}

/**
 * A field of a decoded body that protobuf leaves optional and every publisher sets.
 * @throws MallError INVALID_ARGUMENT naming the field as the proto does
 */
export function required<T>(field: string, value: T | undefined): T {
  if (value !== undefined) return value;
  throw new MallError('INVALID_ARGUMENT', `the event has no ${field}`, { reason: 'FIELD_MISSING', field });
}

/** The headers that a message has on the wire; every value is a string. */
export type Headers = Record<string, string>;

export const headerNames: readonly string[] = [
  'cloudEvents_specversion',
  'cloudEvents_id',
  'cloudEvents_type',
  'cloudEvents_source',
  'cloudEvents_time',
  // Extension "partitioning" of CloudEvents.
  'cloudEvents_partitionkey',
  'correlation-id',
  'causation-id',
  'traceparent',
  'task-id',
  'fence',
];

/** By the places of `headerNames`; empty: the message does not have it. */
export const headerValues = ({ id, name, source, time, key, ...more }: Message): string[] => [
  '1.0',
  id,
  name,
  source,
  time.toISOString(),
  key,
  more.correlationId,
  more.causationId,
  more.traceparent,
  more.task ? more.task.id : '',
  more.task ? String(more.task.fence) : '',
];

export function toHeaders(message: Message): Headers {
  const headers: Headers = {};
  for (const [place, value] of headerValues(message).entries()) if (value) headers[headerNames[place]!] = value;
  return headers;
}

/** @throws MallError INVALID_ARGUMENT naming the header that is missing, unknown or malformed */
export function fromHeaders(headers: Record<string, unknown>, body: Uint8Array): Message {
  const required = (name: string): string => {
    const value = headers[name];
    if (typeof value === 'string' && value !== '') return value;
    throw new MallError('INVALID_ARGUMENT', `message without header ${name}`, {
      reason: 'HEADER_MISSING',
      field: name,
    });
  };
  const optional = (name: string): string => (typeof headers[name] === 'string' ? (headers[name] as string) : '');
  const name = required('cloudEvents_type');
  if (!isMessageName(name)) {
    throw new MallError('INVALID_ARGUMENT', `message of unknown type "${name}"`, {
      reason: 'TYPE_UNKNOWN',
      value: name,
    });
  }
  // Neither an invalid date nor NaN makes a comparison fail: a fence of NaN would pass for a fresh one.
  const valid = <T extends Date | number>(header: string, value: T): T => {
    if (!Number.isNaN(Number(value))) return value;
    throw new MallError('INVALID_ARGUMENT', `message with a malformed header ${header}`, {
      reason: 'HEADER_MALFORMED',
      field: header,
    });
  };
  const taskId = optional('task-id');
  return {
    id: required('cloudEvents_id'),
    name,
    source: required('cloudEvents_source'),
    time: valid('cloudEvents_time', new Date(required('cloudEvents_time'))),
    key: required('cloudEvents_partitionkey'),
    correlationId: required('correlation-id'),
    causationId: required('causation-id'),
    traceparent: optional('traceparent'),
    task: taskId ? { id: taskId, fence: valid('fence', Number(required('fence'))) } : undefined,
    body,
  };
}
