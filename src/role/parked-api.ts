import { invalid } from '../contract/errors.ts';
import type { MessageName } from '../contract/events.ts';
import type { Message } from '../contract/message.ts';

import { requireText } from '../contract/text.ts';
import type { Parked, ParkedMessage } from '../database/parked.ts';
import type { ParkedService, ParkedMessage as ParkedView } from '../gen/parked/v1/parked.ts';
import type { Api } from '../rpc/api.ts';

/** Of a message; what the broker carries at most. */
const maxKeyChars = 255;

/** What staff do about messages that a service could not handle, over gRPC. */
export const parkedApi = (parked: Parked): Api<ParkedService> => ({
  async listParked({ key, afterId }) {
    const messages = await parked.list({ ...(key && { key: requireText('key', key, maxKeyChars) }), afterId });
    return { messages: await Promise.all(messages.map(viewOf)) };
  },

  async retryParked({ key }) {
    const { settled, left, failure = '' } = await parked.retry(requireText('key', key, maxKeyChars));
    return { settled, left, failure: firstLine(failure) };
  },

  async dropParked({ id }) {
    if (!Number.isSafeInteger(id) || id < 1) throw invalid('id', id, 'MALFORMED_ID', 'give the id of a parked message');
    return await viewOf(await parked.drop(id));
  },
});

const viewOf = async ({ id, message, reason, attempts, parkedAt }: ParkedMessage): Promise<ParkedView> => ({
  id,
  messageId: message.id,
  name: message.name,
  key: message.key,
  correlationId: message.correlationId,
  source: message.source,
  traceparent: message.traceparent,
  reason: firstLine(reason),
  attempts,
  parkedAt,
  occurredAt: message.time,
  bodyJson: await bodyJson(message),
});

/** The rest of a reason is a stack, which is for the log. */
const firstLine = (text: string): string => text.split('\n', 1)[0]!;

/** Empty of a body that cannot be read: the message may be parked just for that. */
async function bodyJson({ name, body }: Message): Promise<string> {
  try {
    // What knows all names is loaded when somebody looks: it would take a twentieth of a second of every role's start.
    const { bodyFields } = await import('../contract/body-fields.ts');
    return JSON.stringify(bodyFields(name as MessageName, body));
  } catch {
    return '';
  }
}
