import { Batch } from '../gen/broker/v1/batch.ts';
import { encoded } from './encoding.ts';
import { MallError } from './errors.ts';
import { type Headers, headerNames, headerValues, type Message } from './message.ts';

/** Of an AMQP message whose body is a `broker.v1.Batch`; one of any other type is one message by itself. */
export const batchContentType = 'application/vnd.mallbots.batch+protobuf';

/** Messages for one address, to be delivered one by one in this order. */
export const encodeBatch = (messages: readonly Message[]): Uint8Array =>
  encoded(Batch, {
    headerNames: headerNames as string[],
    entries: messages.map((message) => ({ headerValues: headerValues(message), body: message.body as Buffer })),
  });

/** A message as it would have come by itself; whether its headers are those of a message is for `fromHeaders` to say. */
export interface BatchEntry {
  readonly headers: Headers;
  readonly body: Buffer;
}

/** @throws MallError INVALID_ARGUMENT when the bytes are no batch, or one of nothing */
export function decodeBatch(bytes: Uint8Array): BatchEntry[] {
  let batch: Batch;
  try {
    batch = Batch.decode(bytes);
  } catch (cause) {
    throw malformed('batch that cannot be decoded', { cause });
  }
  if (batch.entries.length === 0) throw malformed('batch without entries');
  return batch.entries.map(({ headerValues, body }) => {
    const headers: Headers = {};
    for (const [place, name] of batch.headerNames.entries()) {
      const value = headerValues[place];
      if (value) headers[name] = value;
    }
    return { headers, body };
  });
}

const malformed = (what: string, options?: ErrorOptions) =>
  new MallError('INVALID_ARGUMENT', what, { reason: 'BATCH_MALFORMED', field: 'body' }, options);
