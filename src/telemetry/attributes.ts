import type { Attributes } from '@opentelemetry/api';
import {
  ATTR_MESSAGING_DESTINATION_NAME,
  ATTR_MESSAGING_MESSAGE_CONVERSATION_ID,
  ATTR_MESSAGING_MESSAGE_ID,
  ATTR_MESSAGING_OPERATION_NAME,
  ATTR_MESSAGING_OPERATION_TYPE,
  ATTR_MESSAGING_RABBITMQ_DESTINATION_ROUTING_KEY,
  ATTR_MESSAGING_SYSTEM,
} from '@opentelemetry/semantic-conventions/incubating';
import type { Message } from '../contract/message.ts';

/** This system's own attributes, on every span and log line where they are known. */
export const ATTR_ORDER_ID = 'mallbots.order_id';
export const ATTR_CORRELATION_ID = 'mallbots.correlation_id';
export const ATTR_BOT_ID = 'mallbots.bot_id';
export const ATTR_TASK_ID = 'mallbots.task_id';
export const ATTR_FENCE = 'mallbots.fence';
/** True on a request about an order whose trace could not be found out just then: it stands in a trace of its own, unlinked. */
export const ATTR_ORDER_TRACE_UNKNOWN = 'mallbots.order_trace_unknown';

const belongsToOrder = (message: Pick<Message, 'name'>) => !message.name.startsWith('stores.');

/** Span attributes of a message by the messaging conventions; `destination` is the exchange when sending, the queue when processing. */
export function messagingAttributes(
  operation: 'send' | 'process',
  destination: string,
  message: Omit<Message, 'body'>,
): Attributes {
  return {
    [ATTR_MESSAGING_SYSTEM]: 'rabbitmq',
    [ATTR_MESSAGING_OPERATION_NAME]: operation,
    [ATTR_MESSAGING_OPERATION_TYPE]: operation,
    [ATTR_MESSAGING_DESTINATION_NAME]: destination,
    [ATTR_MESSAGING_RABBITMQ_DESTINATION_ROUTING_KEY]: message.name,
    [ATTR_MESSAGING_MESSAGE_ID]: message.id,
    [ATTR_MESSAGING_MESSAGE_CONVERSATION_ID]: message.correlationId,
    [ATTR_CORRELATION_ID]: message.correlationId,
    ...(belongsToOrder(message) && { [ATTR_ORDER_ID]: message.correlationId }),
    ...(message.task && { [ATTR_TASK_ID]: message.task.id, [ATTR_FENCE]: message.task.fence }),
  };
}

/** The order that a request or response is about, where it names one in a field `orderId`. */
export function orderAttributes(message: unknown): Attributes {
  const orderId = (message as { orderId?: unknown } | undefined)?.orderId;
  return typeof orderId === 'string' && orderId !== ''
    ? { [ATTR_ORDER_ID]: orderId, [ATTR_CORRELATION_ID]: orderId }
    : {};
}
