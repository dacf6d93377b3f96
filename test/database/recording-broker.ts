import type { Broker } from '../../src/broker/port.ts';
import { decodeBody } from '../../src/contract/events.ts';
import type { Message } from '../../src/contract/message.ts';
import type { Address } from '../../src/contract/topology.ts';

export interface Published {
  readonly to: Address;
  readonly message: Message;
}

/** What was published, in order; `onPublish` confirms, delays or refuses. The rest of a broker is no business of a relay. */
export class RecordingBroker implements Broker {
  readonly published: Published[] = [];
  readonly #onPublish: (message: Message) => Promise<void>;

  constructor(onPublish: (message: Message) => Promise<void> = async () => {}) {
    this.#onPublish = onPublish;
  }

  /** What the messages of a key said, in the order of their confirms. */
  baysOf(key: string): string[] {
    return this.published.filter(({ message }) => message.key === key).map(({ message }) => bayOf(message));
  }

  async publish(to: Address, message: Message): Promise<void> {
    await this.#onPublish(message);
    this.published.push({ to, message });
  }

  declare = nothing;
  consume = nothing;
  read = nothing;
  onUnroutable = nothing;
  ping = nothing;
  close = nothing;
}

export const bayOf = (message: Message): string => decodeBody('orders.ready', message.body).bay;

function nothing(): never {
  throw new Error('a relay does nothing with a broker but publish');
}
