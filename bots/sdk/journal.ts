import { randomUUID } from 'node:crypto';
import { BotFrame, Offer, Revision, type SchemaRef } from '../../src/gen/fleet/v1/fleet.ts';
import type { BotStore } from './bot-store.ts';
import type { Entry, ReliableBody } from './outbox.ts';

/** What happened, as the store keeps it. Frames, offers and revisions are base64 of their protobuf. */
export type Note =
  | { readonly type: 'boot'; readonly instanceId: string; readonly bootCount: number }
  | { readonly type: 'token'; readonly token: string }
  | { readonly type: 'lastSeq'; readonly seq: number }
  | { readonly type: 'frame'; readonly task: string; readonly frame: string }
  | { readonly type: 'settled'; readonly upTo: number }
  | { readonly type: 'refused'; readonly seq: number }
  | { readonly type: 'held'; readonly task: string; readonly offer: string; readonly traceparent: string }
  /** Nothing about the task matters any more. */
  | { readonly type: 'forgotten'; readonly task: string }
  | { readonly type: 'learned'; readonly revision: string }
  | { readonly type: 'unlearned'; readonly kind: string; readonly digest: string };

/** What a bot knew when its process ended. */
export interface Remembered {
  instanceId: string;
  bootCount: number;
  token: Buffer;
  lastSeq: number;
  /** Not acknowledged, in their order. */
  frames: Entry[];
  /** Acknowledged progress of tasks that are not over, by task. */
  kept: Map<string, Entry[]>;
  held: Map<string, { readonly offer: Offer; readonly traceparent: string }>;
  /** Revisions that the hub has taught the bot. */
  revisions: Map<string, Revision>;
}

/** Acknowledged progress that is kept per held task, for a hub that asks to hear it all again and for a bot that starts again. Frames. */
const keptPerTask = 1_024;
/** Beyond this the log is written anew, with what still matters. Bytes. */
const maxLogBytes = 1_048_576;

export const frameNote = ({ seq, traceparent, body, task }: Entry): Note => ({
  type: 'frame',
  task,
  frame: Buffer.from(BotFrame.encode({ seq, ack: 0, traceparent, body }).finish()).toString('base64'),
});

export const heldNote = (task: string, offer: Offer, traceparent: string): Note => ({
  type: 'held',
  task,
  offer: Buffer.from(Offer.encode(offer).finish()).toString('base64'),
  traceparent,
});

export const learnedNote = (revision: Revision): Note => ({
  type: 'learned',
  revision: Buffer.from(Revision.encode(revision).finish()).toString('base64'),
});

export const unlearnedNote = ({ kind, digest }: Pick<SchemaRef, 'kind' | 'digest'>): Note => ({
  type: 'unlearned',
  kind,
  digest,
});

const nothing = (): Remembered => ({
  instanceId: '',
  bootCount: 0,
  token: Buffer.alloc(0),
  lastSeq: 0,
  frames: [],
  kept: new Map(),
  held: new Map(),
  revisions: new Map(),
});

/** Adds an acknowledged frame to what is kept of its task, if it is progress; beyond `keptPerTask` the oldest goes. */
export function keepProgress(kept: Map<string, Entry[]>, entry: Entry): void {
  if (entry.body.$case !== 'progress') return;
  kept.set(entry.task, [...(kept.get(entry.task) ?? []), entry].slice(-keptPerTask));
}

/** Changes `known` by what happened. */
function remember(known: Remembered, note: Note): void {
  switch (note.type) {
    case 'boot':
      known.instanceId = note.instanceId;
      known.bootCount = note.bootCount;
      return;
    case 'token':
      known.token = Buffer.from(note.token, 'base64');
      return;
    case 'lastSeq':
      known.lastSeq = note.seq;
      return;
    case 'frame': {
      const { seq, traceparent, body } = BotFrame.decode(Buffer.from(note.frame, 'base64'));
      known.frames.push({ seq, traceparent, task: note.task, body: body as ReliableBody });
      known.lastSeq = Math.max(known.lastSeq, seq);
      return;
    }
    case 'settled': {
      for (const entry of known.frames.filter(({ seq }) => seq <= note.upTo)) keepProgress(known.kept, entry);
      known.frames = known.frames.filter(({ seq }) => seq > note.upTo);
      return;
    }
    case 'refused':
      known.frames = known.frames.filter(({ seq }) => seq !== note.seq);
      return;
    case 'held':
      known.held.set(note.task, {
        offer: Offer.decode(Buffer.from(note.offer, 'base64')),
        traceparent: note.traceparent,
      });
      return;
    case 'forgotten':
      known.held.delete(note.task);
      known.kept.delete(note.task);
      known.frames = known.frames.filter(({ task }) => task !== note.task);
      return;
    case 'learned': {
      const revision = Revision.decode(Buffer.from(note.revision, 'base64'));
      known.revisions.set(`${revision.schema?.kind} ${revision.schema?.digest}`, revision);
      return;
    }
    case 'unlearned':
      known.revisions.delete(`${note.kind} ${note.digest}`);
      return;
    default:
      note satisfies never;
  }
}

/** The shortest story that leads to `known`. */
function storyOf({ instanceId, bootCount, token, lastSeq, frames, kept, held, revisions }: Remembered): Note[][] {
  const before = [...kept.values()].flat();
  const upTo = Math.max(0, ...before.map(({ seq }) => seq));
  return [
    [{ type: 'boot', instanceId, bootCount }],
    [{ type: 'token', token: token.toString('base64') }],
    ...[...revisions.values()].map((revision) => [learnedNote(revision)]),
    ...[...held].map(([task, { offer, traceparent }]) => [heldNote(task, offer, traceparent)]),
    ...before.sort((a, b) => a.seq - b.seq).map((entry) => [frameNote(entry)]),
    [{ type: 'settled', upTo }],
    ...frames.map((entry) => [frameNote(entry)]),
    [{ type: 'lastSeq', seq: lastSeq }],
  ];
}

/** What a bot remembers over the end of its process; without a store, nothing. */
export class Journal {
  /** As it was when the process began. */
  readonly remembered: Remembered;
  readonly #store: BotStore | undefined;
  #known: Remembered;
  #writtenBytes = 0;
  #isOpen = true;

  constructor(store: BotStore | undefined, bootCount = 0) {
    this.#store = store;
    this.#known = nothing();
    for (const line of store?.open() ?? []) {
      for (const note of JSON.parse(line) as Note[]) remember(this.#known, note);
    }
    const instanceId = this.#known.instanceId || randomUUID();
    this.note({ type: 'boot', instanceId, bootCount: store ? this.#known.bootCount + 1 : bootCount });
    const { kept, held, revisions } = this.#known;
    this.remembered = { ...this.#known, kept: new Map(kept), held: new Map(held), revisions: new Map(revisions) };
  }

  /** All of `notes` or none are remembered once this returns. */
  note(...notes: readonly Note[]): void {
    if (!this.#isOpen) return;
    if (!this.#store) {
      for (const note of notes) if (note.type === 'boot') remember(this.#known, note);
      return;
    }
    const line = JSON.stringify(notes);
    this.#store.append(line);
    for (const note of notes) remember(this.#known, note);
    this.#writtenBytes += line.length;
    if (this.#writtenBytes <= maxLogBytes) return;
    this.#store.rewrite(storyOf(this.#known).map((story) => JSON.stringify(story)));
    this.#writtenBytes = 0;
  }

  /** From here on nothing is remembered: as if the process had ended. */
  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#store?.close();
  }
}
