import type { BotFrame } from '../../src/gen/fleet/v1/fleet.ts';
import { frameNote, Journal, keepProgress, type Note } from './journal.ts';

type Body = NonNullable<BotFrame['body']>;
export type ReliableBody = Extract<
  Body,
  { $case: 'progress' | 'result' | 'offerReply' | 'cancelReply' | 'protocolStatus' }
>;

/** What the outbox holds: a frame without its place. */
export interface Letter {
  readonly body: ReliableBody;
  readonly traceparent: string;
  /** Key of the assignment that it is about; empty for none. */
  readonly task: string;
}

export interface Entry extends Letter {
  readonly seq: number;
}

interface Waiter {
  readonly letter: Letter;
  readonly admitted: (seq: number) => void;
}

/** Reports that may wait for the hub's acknowledgement before handlers have to wait. Frames; about 50 shopping tours. */
export const outboxLimit = 512;
/** Room beyond the limit for answers to the hub (offers, cancels, protocol), which cannot wait. Frames. */
export const answerReserve = 64;

/**
 * The frames that must not be lost, in order, until the hub acknowledges them. Numbers run 1, 2, 3 ... for the life of the bot
 * instance; a dropped frame leaves a gap. Policy when full: reports wait their turn, answers are refused beyond the reserve.
 */
export class Outbox {
  readonly #limit: number;
  readonly #onSettled: (entry: Entry) => void;
  #frames: Entry[] = [];
  #waiting: Waiter[] = [];
  readonly #kept: Map<string, Entry[]>;
  readonly #journal: Journal;
  #lastSeq = 0;
  /** Highest seq written on the current connection. */
  #cursor = 0;
  /** Highest seq ever written: a hub cannot have more. */
  #highestSent = 0;

  /** `onSettled` hears of each frame that the hub acknowledged. */
  constructor(onSettled: (entry: Entry) => void, limit = outboxLimit, journal = new Journal(undefined)) {
    this.#onSettled = onSettled;
    this.#limit = limit;
    this.#journal = journal;
    const { frames, kept, lastSeq } = journal.remembered;
    this.#frames = [...frames];
    this.#kept = new Map(kept);
    this.#lastSeq = lastSeq;
    // Any of them may have been sent.
    this.#highestSent = lastSeq;
  }

  get size(): number {
    return this.#frames.length + this.#waiting.length;
  }

  /** Frames written on this connection that the hub has not acknowledged. */
  get onTheWire(): number {
    return this.#frames.findLastIndex((entry) => entry.seq <= this.#cursor) + 1;
  }

  /** Resolves with the seq once there is room; rejects with the signal's reason. */
  put(letter: Letter, signal: AbortSignal): Promise<number> {
    signal.throwIfAborted();
    if (this.#frames.length < this.#limit && this.#waiting.length === 0) return Promise.resolve(this.#push(letter));
    return new Promise((resolve, reject) => {
      const onAbort = () => {
        this.#waiting = this.#waiting.filter((other) => other.admitted !== admitted);
        reject(signal.reason);
      };
      const admitted = (seq: number) => {
        signal.removeEventListener('abort', onAbort);
        resolve(seq);
      };
      const waiter: Waiter = { letter, admitted };
      this.#waiting.push(waiter);
      signal.addEventListener('abort', onAbort, { once: true });
    });
  }

  /** The seq, or undefined when even the reserve is used up. */
  answer(letter: Letter): number | undefined {
    return this.#frames.length < this.#limit + answerReserve ? this.#push(letter) : undefined;
  }

  /** The next frame to write, when fewer than `window` are under way. Moves on: the caller writes it. */
  next(window: number): Entry | undefined {
    const index = this.#frames.findIndex((entry) => entry.seq > this.#cursor);
    const entry = this.#frames[index];
    if (!entry || index >= window) return undefined;
    this.#cursor = entry.seq;
    this.#highestSent = Math.max(this.#highestSent, entry.seq);
    return entry;
  }

  /** A new connection: the hub has everything up to `lastSeq`, the rest goes out again. */
  resume(lastSeq: number): void {
    this.#cursor = 0;
    this.#settle(Math.min(lastSeq, this.#highestSent));
  }

  /** The hub has everything up to `ack`, of what this connection carried. */
  acknowledge(ack: number): void {
    this.#settle(Math.min(ack, this.#cursor));
  }

  /** The hub will never take frame `seq`: it is out, and handed over. */
  refuse(seq: number): Entry | undefined {
    const index = this.#frames.findIndex((entry) => entry.seq === seq);
    if (index === -1) return undefined;
    const [entry] = this.#frames.splice(index, 1);
    this.#journal.note({ type: 'refused', seq });
    this.#admit();
    return entry;
  }

  /** Nothing that was said about `task` matters any more. */
  forget(task: string): void {
    this.#journal.note({ type: 'forgotten', task });
    this.#kept.delete(task);
    this.#frames = this.#frames.filter((entry) => entry.task !== task);
    this.#admit();
  }

  /**
   * The assignment goes on under another fence: everything that was reported of it goes out again, as `under` says it, with new numbers. Call
   * before anything is written.
   */
  renew(task: string, renewed: string, under: (body: ReliableBody) => ReliableBody, held: Note): void {
    const reports = this.reportsOf(task);
    this.#kept.delete(task);
    this.#frames = this.#frames.filter((entry) => entry.task !== task);
    const again = reports
      .filter(({ body }) => body.$case === 'progress' || body.$case === 'result')
      .map(({ body, traceparent }) => ({ seq: ++this.#lastSeq, body: under(body), traceparent, task: renewed }));
    this.#journal.note({ type: 'forgotten', task }, held, ...again.map(frameNote));
    this.#frames.push(...again);
    this.#waiting = this.#waiting.map((waiter) =>
      waiter.letter.task === task
        ? { ...waiter, letter: { ...waiter.letter, body: under(waiter.letter.body), task: renewed } }
        : waiter,
    );
  }

  /** All that was reported of the task, as far as it is kept. */
  reportsOf(task: string): readonly Entry[] {
    return [...(this.#kept.get(task) ?? []), ...this.#frames.filter((entry) => entry.task === task)];
  }

  #settle(upTo: number): void {
    const first = this.#frames.findIndex((entry) => entry.seq > upTo);
    const settled = this.#frames.splice(0, first === -1 ? this.#frames.length : first);
    if (settled.length > 0) this.#journal.note({ type: 'settled', upTo });
    for (const entry of settled) {
      keepProgress(this.#kept, entry);
      this.#onSettled(entry);
    }
    this.#admit();
  }

  #push(letter: Letter): number {
    const entry = { ...letter, seq: this.#lastSeq + 1 };
    // Remembered before it can be sent: its number is never another frame's.
    this.#journal.note(frameNote(entry));
    this.#lastSeq = entry.seq;
    this.#frames.push(entry);
    return this.#lastSeq;
  }

  #admit(): void {
    while (this.#frames.length < this.#limit) {
      const waiter = this.#waiting.shift();
      if (!waiter) return;
      waiter.admitted(this.#push(waiter.letter));
    }
  }
}
