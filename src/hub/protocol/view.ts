import type { ProtocolOffer, Revision, SchemaRef } from '../../gen/fleet/v1/fleet.ts';
import { isBuiltIn } from './built-in.ts';
import { majorOf } from './majors/document.ts';
import { type LiveTranslation, Majors } from './majors/majors.ts';
import type { Part } from './majors/parts.ts';
import { armOfTask, isMember } from './membership.ts';
import type { RevisionState } from './revision-states.ts';

/**
 * Bytes of descriptors that one frame tells of, unless a single revision has more: half of the largest frame of the stream, like the largest revision
 * (`check/bounds`). A bot that comes to many revisions is told of them in several frames.
 */
export const maxToldBytes = 128 * 1024;

/** A revision as a hub has it in memory. */
export interface LiveRevision {
  readonly schema: SchemaRef;
  readonly state: RevisionState;
  /** As bots are sent it; the same object in every view, since what a digest names never changes. */
  readonly offer: Revision;
}

/** The share of the fleet that tries a revision. */
export interface Share {
  readonly rolloutId: string;
  readonly kind: string;
  readonly digest: string;
  readonly percent: number;
}

/** What a bot can do, as far as languages go. */
export interface Speaker {
  readonly botId: string;
  readonly kinds: ReadonlySet<string>;
  readonly anyKind: boolean;
  /** Digests of the revisions that it has applied. */
  readonly applied: ReadonlySet<string>;
}

/** What a bot can be given tasks in, as far as languages go: one object for all bots that speak the same, since a fleet has thousands. */
export interface Reading {
  /** By kind, what tasks of that are done in: that may be another major of it. */
  readonly spoken: ReadonlyMap<string, SchemaRef>;
  /** The same by the digest of what a payload may be written in. */
  readonly digests: ReadonlyMap<string, SchemaRef>;
  /** As `digests`, without other majors. */
  readonly own: ReadonlyMap<string, SchemaRef>;
  /** Kinds whose tasks are done in a revision that is being tried. */
  readonly tries: ReadonlySet<string>;
}

interface KnownKind {
  /** Newest first. */
  readonly revisions: readonly LiveRevision[];
  /** What payloads may be written in: revisions of one kind read each other. */
  readonly readable: ReadonlySet<string>;
  readonly share: Share | undefined;
}

const nothing: KnownKind = { revisions: [], readable: new Set(), share: undefined };

/** The protocol as a hub believes it to be: never changed, but replaced as a whole, so that whoever reads it twice reads the same. */
export class ProtocolView {
  /** Of the kinds. */
  readonly versions: ReadonlyMap<string, number>;
  readonly #byDigest: ReadonlyMap<string, LiveRevision>;
  readonly #kinds: ReadonlyMap<string, KnownKind>;
  readonly majors: Majors;
  /** By what is spoken: those that can read the same share a map. */
  readonly #readable = new Map<string, ReadonlyMap<string, SchemaRef>>();
  /** By the digests that are spoken. */
  readonly #readings = new Map<string, Reading>();

  constructor(
    versions: ReadonlyMap<string, number>,
    revisions: readonly LiveRevision[],
    shares: readonly Share[],
    translations: readonly LiveTranslation[] = [],
  ) {
    this.versions = versions;
    this.majors = new Majors(translations);
    this.#byDigest = new Map(revisions.map((revision) => [revision.schema.digest, revision]));
    const byKind = Map.groupBy(revisions, ({ schema }) => schema.kind);
    this.#kinds = new Map(
      [...byKind].map(([kind, of]) => [
        kind,
        {
          revisions: of.toSorted((a, b) => b.schema.revision - a.schema.revision),
          readable: new Set(of.filter(isReadable).map(({ schema }) => schema.digest)),
          share: shares.find((share) => share.kind === kind),
        },
      ]),
    );
  }

  get revisions(): Iterable<LiveRevision> {
    return this.#byDigest.values();
  }

  find(digest: string): LiveRevision | undefined {
    return this.#byDigest.get(digest);
  }

  shareOf(kind: string): Share | undefined {
    return this.#kinds.get(kind)?.share;
  }

  /** By whom a task is rather done while a revision of its kind is tried; undefined while none is. */
  armOf(task: { readonly schema: Pick<SchemaRef, 'kind'>; readonly taskId: string; readonly attempt: number }) {
    const shares = this.majors.familyOf(task.schema.kind).flatMap((kind) => this.shareOf(kind) ?? []);
    const share = shares.find(({ kind }) => kind === task.schema.kind) ?? shares.at(-1);
    return share && armOfTask(share, task);
  }

  /** Why a payload of this schema cannot be anybody's task; undefined when it can. */
  flawOf({ kind, digest }: Pick<SchemaRef, 'kind' | 'digest'>): string | undefined {
    const { revisions, readable } = this.#kinds.get(kind) ?? nothing;
    if (readable.has(digest)) return undefined;
    const found = revisions.find(({ schema }) => schema.digest === digest);
    if (!found) return 'which this hub does not know';
    const newest = revisions.find(({ state }) => state === 'ACTIVE');
    return `which is ${found.state}; write in ${newest ? `revision ${newest.schema.revision}` : 'one that is ACTIVE'}`;
  }

  /**
   * The revision of a kind that a bot is offered tasks in, and reports in: the one that it tries, when it is in the share of a canary and has applied
   * it; else the newest ACTIVE one that it has applied, else the newest DEPRECATED one. Undefined: none of that kind.
   */
  spoken(kind: string, speaker: Pick<Speaker, 'botId' | 'applied'>): SchemaRef | undefined {
    return this.#spokenIn(kind, speaker)?.schema;
  }

  #spokenIn(kind: string, { botId, applied }: Pick<Speaker, 'botId' | 'applied'>): LiveRevision | undefined {
    const { revisions, share } = this.#kinds.get(kind) ?? nothing;
    const has = (state: RevisionState) =>
      revisions.find((revision) => revision.state === state && applied.has(revision.schema.digest));
    const tried = share && isMember(share.rolloutId, botId, share.percent) ? has('CANARY') : undefined;
    return tried ?? has('ACTIVE') ?? has('DEPRECATED');
  }

  /** What the bot can be given tasks in. */
  readingOf(speaker: Speaker): Reading {
    const digests: string[] = [];
    for (const kind of this.#kindsOf(speaker)) {
      const revision = this.#spokenIn(kind, speaker);
      if (revision) digests.push(revision.schema.digest);
    }
    const key = digests.sort().join(' ');
    const known = this.#readings.get(key);
    if (known) return known;
    const reading = this.#read(digests.map((digest) => this.#byDigest.get(digest)!));
    this.#readings.set(key, reading);
    return reading;
  }

  #read(revisions: readonly LiveRevision[]): Reading {
    const own = new Map(revisions.map(({ schema }) => [schema.kind, schema]));
    const spoken = this.majors.isEmpty ? own : this.#acrossMajors(revisions);
    const tried = [...spoken].filter(([, { kind, digest }]) => this.shareOf(kind)?.digest === digest);
    return {
      spoken,
      digests: this.#readableBy(spoken),
      own: this.#readableBy(own),
      tries: new Set(tried.map(([kind]) => kind)),
    };
  }

  /**
   * Of all majors that the tasks of a kind can be translated to, what is tried comes first, then what is ACTIVE, then what is DEPRECATED, and of those the
   * newest major, as of revisions the newest.
   */
  #acrossMajors(revisions: readonly LiveRevision[]): ReadonlyMap<string, SchemaRef> {
    const best = new Map<string, SchemaRef>();
    for (const family of new Set(revisions.map(({ schema }) => this.majors.familyOf(schema.kind)))) {
      const known = revisions.filter(({ schema }) => family.includes(schema.kind));
      const [first] = known.toSorted((a, b) => usedAfter[a.state]! - usedAfter[b.state]! || newerMajor(a, b));
      for (const kind of family) if (first) best.set(kind, first.schema);
    }
    return best;
  }

  /** What payloads may be written in for who speaks this, by digest with what they are offered in. */
  #readableBy(spoken: ReadonlyMap<string, SchemaRef>): ReadonlyMap<string, SchemaRef> {
    const names = [...spoken].map(([kind, { digest }]) => `${kind} ${digest}`).sort();
    const key = names.join(' ');
    let readable = this.#readable.get(key);
    if (!readable) {
      const of = (kind: string) => [...(this.#kinds.get(kind) ?? nothing).readable];
      readable = new Map([...spoken].flatMap(([kind, schema]) => of(kind).map((digest) => [digest, schema] as const)));
      this.#readable.set(key, readable);
    }
    return readable;
  }

  /** A payload of one major as one of another. @throws Untranslatable, or Error when it is none of `from` */
  translate(
    from: Pick<SchemaRef, 'digest'>,
    into: Pick<SchemaRef, 'digest'>,
    part: Part,
    payload: Uint8Array,
  ): Uint8Array {
    const [source, target] = [this.#byDigest.get(from.digest), this.#byDigest.get(into.digest)];
    if (!source || !target) throw new Error(`revision ${source ? into.digest : from.digest} is not known here`);
    return this.majors.translate(source, target, part, payload, (kind) => this.#usual(kind)!);
  }

  /** What is written for whoever reads the kind, where there is a choice: the newest ACTIVE revision, else the newest that can be read, else the newest. */
  usual(kind: string): SchemaRef | undefined {
    return this.#usual(kind)?.schema;
  }

  #usual(kind: string): LiveRevision | undefined {
    const { revisions, readable } = this.#kinds.get(kind) ?? nothing;
    return (
      revisions.find(({ state }) => state === 'ACTIVE') ??
      revisions.find(({ schema }) => readable.has(schema.digest)) ??
      revisions[0]
    );
  }

  /**
   * What a bot is to be told that it was not `told` yet, on this stream, as far as it fits into one frame; undefined when there is nothing more.
   * Adds to `told`. What it may forget is said as long as it has applied that.
   */
  news(speaker: Speaker, told: Set<string>): ProtocolOffer | undefined {
    const add: Revision[] = [];
    let bytes = 0;
    const fits = ({ fileDescriptorSet: { length } }: Revision) => add.length === 0 || bytes + length <= maxToldBytes;
    const remove: string[] = [];
    const retired: ProtocolOffer['retired'] = [];
    const isNew = (note: string) => !told.has(note) && told.add(note) !== undefined;
    for (const kind of this.#kindsOf(speaker)) {
      const { revisions } = this.#kinds.get(kind) ?? nothing;
      for (const { schema, state, offer } of revisions) {
        const holds = speaker.applied.has(schema.digest);
        const isWanted = !holds && this.#isFor(schema, state, speaker.botId) && fits(offer);
        if (isWanted && isNew(addNote(schema.digest))) {
          add.push(offer);
          bytes += offer.fileDescriptorSet.length;
        }
        // What was rolled back may come again.
        if (state === 'ROLLED_BACK') told.delete(addNote(schema.digest));
        if (holds && isGone(state)) remove.push(schema.digest);
      }
      const held = revisions.filter(({ schema }) => speaker.applied.has(schema.digest));
      const note = `retired ${held.map(({ schema }) => schema.digest).join(' ')}`;
      if (held.length > 0 && !this.spoken(kind, speaker) && isNew(note)) {
        retired.push({ kind, message: this.#outdated(kind, held) });
      }
    }
    return add.length + remove.length + retired.length > 0 ? { add, remove, retired } : undefined;
  }

  #kindsOf({ kinds, anyKind }: Pick<Speaker, 'kinds' | 'anyKind'>): Iterable<string> {
    return anyKind ? new Set([...kinds, ...this.#kinds.keys()]) : kinds;
  }

  /** Whether it is delivered to the bot. */
  #isFor({ kind }: SchemaRef, state: RevisionState, botId: string): boolean {
    const share = this.shareOf(kind);
    if (state === 'CANARY') return share !== undefined && isMember(share.rolloutId, botId, share.percent);
    return state === 'ACTIVE';
  }

  #outdated(kind: string, held: readonly LiveRevision[]): string {
    const has = held.map(({ schema, state }) => `revision ${schema.revision}, which is ${state}`).join(', ');
    const inUse = this.majors
      .familyOf(kind)
      .flatMap((major) =>
        (this.#kinds.get(major) ?? nothing).revisions
          .filter(({ state }) => state === 'ACTIVE')
          .map(({ schema }) => `${major === kind ? '' : `${major} `}revision ${schema.revision}`),
      );
    return `of ${kind} the bot has applied ${has}; in use is ${inUse.join(', ') || 'none'}`;
  }
}

/** Of what a bot was told: that there is this revision. Without it the bot is told again where it lacks that. */
export const addNote = (digest: string): string => `add ${digest}`;

/** Bots may forget it. */
export const isGone = (state: RevisionState): boolean => state === 'RETIRED' || state === 'ROLLED_BACK';

/** Of the states that bots are offered tasks in. */
const usedAfter: Readonly<Partial<Record<RevisionState, number>>> = { CANARY: 0, ACTIVE: 1, DEPRECATED: 2 };
const newerMajor = (a: LiveRevision, b: LiveRevision): number =>
  majorOf(b.schema.kind).major - majorOf(a.schema.kind).major;

/** Whoever wrote a payload knew the kind well enough: all that were checked are compatible. */
const isReadable = ({ schema, state }: LiveRevision): boolean =>
  state !== 'DRAFT' && (state !== 'RETIRED' || isBuiltIn(schema.digest));
