import type { Attributes } from '@opentelemetry/api';
import {
  ATTR_MESSAGING_DESTINATION_NAME,
  ATTR_MESSAGING_MESSAGE_CONVERSATION_ID,
  ATTR_MESSAGING_MESSAGE_ID,
  ATTR_MESSAGING_OPERATION_NAME,
  ATTR_MESSAGING_OPERATION_TYPE,
  ATTR_MESSAGING_SYSTEM_NAME,
  ATTR_RABBITMQ_DESTINATION_ROUTING_KEY,
  ATTR_RPC_METHOD,
  ATTR_RPC_SYSTEM_NAME,
} from '@opentelemetry/semantic-conventions/incubating';
import { decodeBody, type MessageName } from '../contract/events.ts';
import type { Message } from '../contract/message.ts';
import { addressOf } from '../contract/topology.ts';

/** This system's own attributes, on every span and log line where they are known. */
export const ATTR_ORDER_ID = 'mallbots.order_id';
export const ATTR_CORRELATION_ID = 'mallbots.correlation_id';
export const ATTR_BOT_ID = 'mallbots.bot_id';
export const ATTR_TASK_ID = 'mallbots.task_id';
export const ATTR_FENCE = 'mallbots.fence';
export const ATTR_ATTEMPT = 'mallbots.attempt';
/** Of the revision that a task is done and reported in. */
export const ATTR_SCHEMA_DIGEST = 'mallbots.schema_digest';
/** What that is a revision of, and its number: what a person knows a digest by. */
export const ATTR_KIND = 'mallbots.kind';
export const ATTR_REVISION = 'mallbots.revision';
/** What a bot reports, by the names of its revision, in the protobuf JSON mapping. */
export const ATTR_REPORT = 'mallbots.report';
/** A bot's logical connection, and which of its streams: the epoch grows by one with each. */
export const ATTR_SESSION_ID = 'mallbots.session_id';
export const ATTR_EPOCH = 'mallbots.epoch';
export const ATTR_HUB_ID = 'mallbots.hub_id';
/** True on a request about an order whose trace could not be found out just then: it stands in a trace of its own, unlinked. */
export const ATTR_ORDER_TRACE_UNKNOWN = 'mallbots.order_trace_unknown';
/** True on a span of a trace that was not sampled: it is here because it failed or its message was parked, and the rest of its trace is not. */
export const ATTR_KEPT = 'mallbots.kept';
/** How the processing of a message, an offer or a task has ended. */
export const ATTR_OUTCOME = 'mallbots.outcome';
/** Of the request that a server span serves: messages that it leads to have it as their causation id. */
export const ATTR_REQUEST_ID = 'mallbots.request_id';
/** What a refusal says to programs: the `reason` of its MallError. */
export const ATTR_REASON = 'mallbots.reason';

/**
 * Name and attributes of a span that sends a message, by the messaging conventions for RabbitMQ. `botId` is given by who knows the bot that an
 * event is about: without it, the body of an event of the hub is decoded to find out.
 */
export function sending(message: Message, botId?: string): { name: string; attributes: Attributes } {
  return operation('send', '', message, botId);
}

/** Name and attributes of a span that processes a message from `queue`, by the messaging conventions for RabbitMQ. */
export function processing(message: Message, queue: string): { name: string; attributes: Attributes } {
  return operation('process', queue, message);
}

interface Route {
  readonly spanName: string;
  readonly destination: string;
  readonly routingKey: string;
}

/** By kind of operation, message name and queue: made once each, since every report of a bot needs one. */
const routes = new Map<string, Route>();

function routeOf(type: 'send' | 'process', name: MessageName, queue: string): Route {
  const key = `${type} ${name} ${queue}`;
  const known = routes.get(key);
  if (known) return known;
  const { exchange, routingKey } = addressOf(name);
  // The queue of a direct exchange is its routing key, and is named once.
  const destination = [...new Set([exchange, routingKey, queue])].filter(Boolean).join(':');
  const route = { spanName: `${type} ${destination}`, destination, routingKey };
  routes.set(key, route);
  return route;
}

function operation(type: 'send' | 'process', queue: string, message: Message, botId?: string) {
  const { spanName, destination, routingKey } = routeOf(type, message.name, queue);
  const attributes: Attributes = {
    [ATTR_MESSAGING_SYSTEM_NAME]: 'rabbitmq',
    [ATTR_MESSAGING_OPERATION_NAME]: type,
    [ATTR_MESSAGING_OPERATION_TYPE]: type,
    [ATTR_MESSAGING_DESTINATION_NAME]: destination,
    [ATTR_RABBITMQ_DESTINATION_ROUTING_KEY]: routingKey,
    [ATTR_MESSAGING_MESSAGE_ID]: message.id,
    [ATTR_MESSAGING_MESSAGE_CONVERSATION_ID]: message.correlationId,
  };
  return { name: spanName, attributes: describe(message, attributes, botId) };
}

/** What a message is about, as far as it says. */
export const aboutMessage = (message: Message): Attributes => describe(message, {});

function describe(message: Message, attributes: Attributes, botId = botOf(message)): Attributes {
  const { correlationId, task } = message;
  attributes[ATTR_CORRELATION_ID] = correlationId;
  if (isAboutOrder(message)) attributes[ATTR_ORDER_ID] = correlationId;
  if (task) {
    attributes[ATTR_TASK_ID] = task.id;
    attributes[ATTR_FENCE] = task.fence;
  }
  if (botId) attributes[ATTR_BOT_ID] = botId;
  return attributes;
}

/** Stores speaks of products and stores, and where that has to do with an order, it correlates with the order. */
const isAboutOrder = ({ name, key, correlationId }: Message): boolean =>
  !name.startsWith('stores.') || correlationId !== key;

/** The bot that an event of the hub is about. What cannot be decoded is for its handler to complain about. */
function botOf({ name, body }: Message): string {
  if (!name.startsWith('bots.')) return '';
  try {
    return (decodeBody(name, body) as { task?: { botId: string } }).task?.botId ?? '';
  } catch {
    return '';
  }
}

/** Name and attributes of a span of a gRPC call by `path` (`/package.Service/Method`), by the RPC conventions. */
export function calling(path: string): { name: string; attributes: Attributes } {
  const name = path.slice(1);
  return { name, attributes: { [ATTR_RPC_SYSTEM_NAME]: 'grpc', [ATTR_RPC_METHOD]: name } };
}

/** The order that a request or response is about, where it names one in a field `orderId`. */
export function orderAttributes(message: unknown): Attributes {
  const orderId = (message as { orderId?: unknown } | undefined)?.orderId;
  return typeof orderId === 'string' && orderId !== ''
    ? { [ATTR_ORDER_ID]: orderId, [ATTR_CORRELATION_ID]: orderId }
    : {};
}

/** The order, task and bot that a request names, for log lines. */
export function aboutRequest(request: unknown): Attributes {
  const { taskId, botId } = (request ?? {}) as { taskId?: unknown; botId?: unknown };
  return {
    ...orderAttributes(request),
    ...(typeof taskId === 'string' && taskId !== '' && { [ATTR_TASK_ID]: taskId }),
    ...(typeof botId === 'string' && botId !== '' && { [ATTR_BOT_ID]: botId }),
  };
}
