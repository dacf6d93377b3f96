import type { Envelope } from 'rabbitmq-client';
import { batchContentType } from '../contract/batch.ts';
import { type Message, toHeaders } from '../contract/message.ts';
import type { Address } from '../contract/topology.ts';

export const messageContentType = 'application/protobuf';

/** Beside the headers, the AMQP properties that other tools look at. `to` has the broker's names. */
export const envelopeOf = (to: Address, message: Message): Envelope => ({
  ...common(to, message),
  correlationId: message.correlationId,
  type: message.name,
  contentType: messageContentType,
  headers: toHeaders(message),
});

/** Of a batch: the first message's id and time, and how many there are. */
export const batchEnvelopeOf = (to: Address, messages: readonly Message[]): Envelope => ({
  ...common(to, messages[0]!),
  type: 'mallbots.batch',
  contentType: batchContentType,
  headers: { 'mallbots-count': messages.length },
});

const common = ({ exchange, routingKey }: Address, { id, time }: Message): Envelope => ({
  exchange,
  routingKey,
  durable: true,
  messageId: id,
  timestamp: Math.floor(time.getTime() / 1000),
});

/** The same bytes, in the type that the client takes as they are. */
export const bufferOf = (bytes: Uint8Array): Buffer =>
  Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
