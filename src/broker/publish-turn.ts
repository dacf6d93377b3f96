import type { Message } from '../contract/message.ts';
import type { Address } from '../contract/topology.ts';

/**
 * Messages that share one AMQP message and its confirm. Beyond some tens the share of each no longer shrinks visibly, while a consumer that
 * dies in the middle of a batch is given all of it again.
 */
export const maxBatchMessages = 64;
/**
 * Bodies in one batch, bytes: what is larger is copied and transferred for longer than a confirm of its own costs. With the headers (at most
 * 2.5 KB each) a batch stays far below the largest single message, which is what a consumer's prefetch has to reckon with.
 */
export const maxBatchBytes = 64 * 1024;

interface Group {
  /** Groups are sent by place. */
  readonly place: number;
  readonly to: Address;
  readonly messages: Message[];
  readonly sent: PromiseWithResolvers<void>;
  bytes: number;
}

/**
 * Gathers what is published to one address (exchange and routing key) within one turn of the event loop, and hands it on in groups at the
 * turn's end: the frames that many streams bring, and the answers to one confirm, come in one turn.
 *
 * Messages to one address stay in order, and so do messages of one key, whatever their addresses: a message never joins a group that is
 * sent before the one with its key's last message.
 */
export class PublishTurn {
  readonly #send: (to: Address, messages: readonly Message[]) => Promise<void>;
  #groups: Group[] = [];
  /** The newest of each address. */
  readonly #open = new Map<string, Group>();
  readonly #lastOfKey = new Map<string, Group>();

  constructor(send: (to: Address, messages: readonly Message[]) => Promise<void>) {
    this.#send = send;
  }

  /** Settles as the `send` of its group does. */
  add(to: Address, message: Message): Promise<void> {
    const group = this.#groupFor(to, message);
    group.messages.push(message);
    group.bytes += message.body.byteLength;
    this.#lastOfKey.set(message.key, group);
    return group.sent.promise;
  }

  #groupFor(to: Address, { key, body }: Message): Group {
    // No exchange has a NUL in its name.
    const address = `${to.exchange}\0${to.routingKey}`;
    const open = this.#open.get(address);
    const hasRoom = open && open.messages.length < maxBatchMessages && open.bytes + body.byteLength <= maxBatchBytes;
    if (hasRoom && open.place >= (this.#lastOfKey.get(key)?.place ?? 0)) return open;
    const group: Group = {
      place: this.#groups.length,
      to,
      messages: [],
      sent: Promise.withResolvers<void>(),
      bytes: 0,
    };
    // After the callbacks of all sockets that were readable, where microtasks would run between any two.
    if (group.place === 0) setImmediate(() => this.#end());
    this.#groups.push(group);
    this.#open.set(address, group);
    return group;
  }

  #end(): void {
    const groups = this.#groups;
    this.#groups = [];
    this.#open.clear();
    this.#lastOfKey.clear();
    for (const { to, messages, sent } of groups) this.#send(to, messages).then(sent.resolve, sent.reject);
  }
}
