import type { Inbox } from '../../src/broker/consume.ts';
import type { Message } from '../../src/contract/message.ts';

/** An inbox without a database: the consumer's tests are about order, retries and acknowledgement, not about SQL. */
export class MemoryInbox implements Inbox {
  readonly handled: string[] = [];
  readonly parked: Array<{ id: string; attempts: number }> = [];
  readonly #handler: (message: Message) => Promise<void>;
  readonly #seen = new Set<string>();
  readonly #parkedKeys = new Set<string>();

  constructor(handler: (message: Message) => Promise<void> = async () => {}) {
    this.#handler = handler;
  }

  async process(message: Message): Promise<'handled' | 'duplicate' | 'parked'> {
    if (this.#seen.has(message.id)) return 'duplicate';
    if (this.#parkedKeys.has(message.key)) {
      this.parked.push({ id: message.id, attempts: 0 });
      return 'parked';
    }
    await this.#handler(message);
    this.#seen.add(message.id);
    this.handled.push(message.id);
    return 'handled';
  }

  async park(message: Message, _error: unknown, attempts: number): Promise<void> {
    this.#parkedKeys.add(message.key);
    this.parked.push({ id: message.id, attempts });
  }
}
