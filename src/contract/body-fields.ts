import type { JsonObject } from '@bufbuild/protobuf';
import { descriptors } from '../gen/descriptors.ts';
import { type PayloadReader, payloadReader } from './describe-payload.ts';
import type { MessageName } from './events.ts';

/** Made when somebody first wants to see a body. */
let reader: PayloadReader | undefined;

/**
 * What a body says, for people and programs, as `PayloadReader.read` does: enums by name, 64-bit integers as text, bytes as base64, what a newer
 * publisher has added under its number.
 * @throws MallError INVALID_ARGUMENT when it cannot be read
 */
export function bodyFields(name: MessageName, bytes: Uint8Array): JsonObject {
  reader ??= payloadReader(Buffer.from(descriptors, 'base64'));
  return reader.read(bodyMessage(name), bytes);
}

/** `orders.cancellation_requested` is an events.orders.v1.CancellationRequested. */
function bodyMessage(name: MessageName): string {
  const [context, event = ''] = name.split('.');
  return `events.${context}.v1.${event.replaceAll(/(?:^|_)([a-z])/g, (_, letter: string) => letter.toUpperCase())}`;
}
