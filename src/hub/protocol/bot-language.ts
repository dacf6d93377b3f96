import type { ProtocolOffer, SchemaRef } from '../../gen/fleet/v1/fleet.ts';
import type { BotStatus } from './revision-states.ts';
import { addNote, type ProtocolView, type Reading, type Speaker } from './view.ts';

/** What one bot speaks, as this hub believes, and what it was told of the protocol on this stream. */
export class BotLanguage implements Speaker {
  readonly botId: string;
  readonly kinds: ReadonlySet<string>;
  readonly anyKind: boolean;
  readonly #applied: Set<string>;
  readonly #told = new Set<string>();
  #view: ProtocolView;
  /** Undefined until it is asked for. */
  #reading: Reading | undefined;

  constructor(
    { botId, kinds, anyKind, digests }: Omit<Speaker, 'applied'> & { readonly digests: Iterable<string> },
    view: ProtocolView,
  ) {
    this.botId = botId;
    this.kinds = kinds;
    this.anyKind = anyKind;
    this.#applied = new Set(digests);
    this.#view = view;
  }

  get applied(): ReadonlySet<string> {
    return this.#applied;
  }

  /** What it can be given tasks in. */
  get reading(): Reading {
    this.#reading ??= this.#view.readingOf(this);
    return this.#reading;
  }

  /** The protocol as it is from now on. */
  follow(view: ProtocolView): void {
    this.#reading = undefined;
    this.#view = view;
  }

  /** What the bot is to be told that it was not told yet. What it may forget counts as forgotten: it is taught that anew if it comes back. */
  news(): ProtocolOffer | undefined {
    const news = this.#view.news(this, this.#told);
    for (const digest of news?.remove ?? []) this.#forget(digest);
    return news;
  }

  /** It has not got the revision, against what it said: it is told of it anew. */
  lacks({ digest }: Pick<SchemaRef, 'digest'>): void {
    this.#forget(digest);
    this.#told.delete(addNote(digest));
  }

  /** What it says of a revision. */
  answered({ digest }: Pick<SchemaRef, 'digest'>, status: BotStatus): void {
    if (status === 'REJECTED') this.#forget(digest);
    if (status !== 'APPLIED') return;
    this.#applied.add(digest);
    this.#reading = undefined;
  }

  #forget(digest: string): void {
    if (this.#applied.delete(digest)) this.#reading = undefined;
  }
}
