import type { Socket } from 'node:net';

/** How the bytes of one direction pass. */
export type Flow =
  | { readonly type: 'open' }
  /** Nothing passes, neither bytes nor the end; what is sent waits here and in the sender's socket. */
  | { readonly type: 'held' }
  | { readonly type: 'delayed'; readonly ms: number }
  | { readonly type: 'trickling'; readonly bytesPerSecond: number };

/** What one direction keeps before its sender is held back: several socket buffers. Bytes. */
const highWaterBytes = 256 * 1024;
/** A trickle comes in drops this far apart, ms. */
const dropEveryMs = 50;

/** One direction of a connection through the proxy. */
export class Wire {
  readonly #from: Socket;
  readonly #to: Socket;
  #flow: Flow;
  #queue: Array<{ readonly bytes: Buffer; readonly arrivedAtMs: number }> = [];
  #queuedBytes = 0;
  #nextDropAtMs = 0;
  #sender: 'open' | 'ended' | 'lost' = 'open';
  #timer: NodeJS.Timeout | undefined;

  constructor(from: Socket, to: Socket, flow: Flow) {
    this.#from = from;
    this.#to = to;
    this.#flow = flow;
    from.on('data', (bytes: Buffer) => {
      this.#queue.push({ bytes, arrivedAtMs: performance.now() });
      this.#queuedBytes += bytes.length;
      this.#pump();
    });
    from.on('end', () => {
      this.#sender = 'ended';
      this.#pump();
    });
    from.on('close', (hadError) => {
      if (hadError || this.#sender === 'open') this.#sender = 'lost';
      this.#pump();
    });
    // The loss itself is seen by `close`.
    from.on('error', () => {});
    to.on('drain', () => this.#pump());
    to.on('close', () => clearTimeout(this.#timer));
    this.#pump();
  }

  set(flow: Flow): void {
    this.#flow = flow;
    this.#pump();
  }

  #pump(): void {
    clearTimeout(this.#timer);
    while (this.#queue.length > 0 && !this.#to.writableNeedDrain) {
      const waitMs = this.#waitMs();
      if (waitMs > 0) {
        if (waitMs < Number.POSITIVE_INFINITY) this.#timer = setTimeout(() => this.#pump(), waitMs);
        break;
      }
      this.#write();
    }
    // A socket that is not read says nothing of its end either.
    if (this.#flow.type === 'held' || this.#queuedBytes > highWaterBytes) this.#from.pause();
    else this.#from.resume();
    if (this.#flow.type === 'held') return;
    if (this.#sender === 'lost') this.#to.destroy();
    else if (this.#sender === 'ended' && this.#queue.length === 0) this.#to.end();
  }

  /** Until the head of the queue may go. */
  #waitMs(): number {
    const nowMs = performance.now();
    switch (this.#flow.type) {
      case 'open':
        return 0;
      case 'held':
        return Number.POSITIVE_INFINITY;
      case 'delayed':
        return Math.max(0, this.#queue[0]!.arrivedAtMs + this.#flow.ms - nowMs);
      case 'trickling':
        return Math.max(0, this.#nextDropAtMs - nowMs);
      default:
        return this.#flow satisfies never;
    }
  }

  #write(): void {
    const { bytes, arrivedAtMs } = this.#queue.shift()!;
    let drop = bytes;
    if (this.#flow.type === 'trickling') {
      const dropBytes = Math.max(1, Math.round((this.#flow.bytesPerSecond * dropEveryMs) / 1_000));
      drop = bytes.subarray(0, dropBytes);
      if (drop.length < bytes.length) this.#queue.unshift({ bytes: bytes.subarray(drop.length), arrivedAtMs });
      this.#nextDropAtMs = performance.now() + dropEveryMs;
    }
    this.#queuedBytes -= drop.length;
    this.#to.write(drop);
  }
}
