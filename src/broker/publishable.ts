import { invalid, refused } from '../contract/errors.ts';
import type { Message, TaskMark } from '../contract/message.ts';

/** AMQP short strings hold 255 bytes, and rabbitmq-client cuts longer ones without a word: they are refused instead. Bytes of UTF-8. */
const maxAttributeBytes = 255;
/** Messages are facts and commands, not files; a bound keeps what the windows and queues hold in memory calculable. */
export const maxBodyBytes = 1024 * 1024;

const utf8BytesPerUnit = 3;

/**
 * What either broker can carry, checked before it leaves: a message that no consumer could read must fail at its publisher, where
 * somebody sees it.
 * @throws MallError INVALID_ARGUMENT naming the attribute
 */
export function requirePublishable(message: Message): void {
  requireAttribute('message.id', message.id);
  requireAttribute('message.key', message.key);
  requireAttribute('message.source', message.source);
  requireAttribute('message.correlationId', message.correlationId);
  requireAttribute('message.causationId', message.causationId);
  if (message.traceparent !== '') requireAttribute('message.traceparent', message.traceparent);
  if (Number.isNaN(message.time.getTime()))
    throw invalid('message.time', message.time, 'TIME_INVALID', 'give an instant');
  if (message.task) requireTask(message.task);
  if (message.body.byteLength > maxBodyBytes) {
    throw invalid(
      'message.body',
      `${message.body.byteLength} bytes`,
      'MESSAGE_TOO_LARGE',
      `send at most ${maxBodyBytes} bytes`,
    );
  }
}

function requireTask({ id, fence }: TaskMark): void {
  requireAttribute('message.task.id', id);
  // Every comparison with NaN is false: such a fence would pass all checks of stale ones.
  if (!Number.isSafeInteger(fence)) throw invalid('message.task.fence', fence, 'FENCE_INVALID', 'give a whole number');
}

function requireAttribute(field: string, value: string): void {
  if (value === '') throw invalid(field, value, 'ATTRIBUTE_MISSING', 'set it');
  // The exact count is taken only where the length leaves a doubt: this runs for every message.
  if (value.length * utf8BytesPerUnit > maxAttributeBytes && Buffer.byteLength(value) > maxAttributeBytes) {
    throw invalid(field, value, 'ATTRIBUTE_TOO_LONG', `use at most ${maxAttributeBytes} bytes`);
  }
}

/** FAILED_PRECONDITION: the broker has been asked for what its topology does not have. */
export const undeclared = (kind: 'exchange' | 'queue' | 'stream', name: string) =>
  refused(
    kind,
    name,
    'NOT_DECLARED',
    `${kind} "${name}" has not been declared`,
    'add it to the topology and declare() that first',
  );
