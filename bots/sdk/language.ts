import {
  type KindSupport,
  NackReason,
  type Offer,
  type ProtocolOffer,
  type ProtocolStatus,
  type RetiredKind,
  type Revision,
  RevisionStatus,
  type SchemaRef,
} from '../../src/gen/fleet/v1/fleet.ts';
import { type Journal, learnedNote, unlearnedNote } from './journal.ts';
import type { PreparedWork, ServedKind } from './kind.ts';
import type { BotLogger } from './logger.ts';
import type { Letter, Outbox } from './outbox.ts';
import { reasonOf } from './reason.ts';
import { handlerOf, type Repertoire } from './repertoire.ts';
import { compileSchema, type Schema } from './schema.ts';
import { ATTR_BOT_ID } from './spans.ts';

/** A kind's schema has 1 to 2 KB; a hundred times that is a mistake. Bytes of a descriptor set. */
export const maxRevisionBytes = 131_072;
/** Revisions that a bot keeps, of all kinds: a few of each live at a time, and a Hello lists 64 of a kind at most. */
export const maxRevisions = 64;

/** Asked of each revision that the bot could apply: `true`, or why it does not want it. What it throws is a no. */
export type Accept = (revision: Schema) => true | string;

export interface LanguagePorts {
  readonly botId: string;
  readonly repertoire: Repertoire;
  readonly accept: Accept;
  readonly journal: Journal;
  readonly logger: BotLogger;
  readonly outbox: Outbox;
  /** Something is in the outbox. */
  written(): void;
  /** For whoever watches. */
  told(status: ProtocolStatus): void;
  retired(kind: RetiredKind): void;
  /** Aborted when the bot leaves. */
  readonly leaving: AbortSignal;
  /** A kind that only the handler for all other kinds serves, and that the bot speaks from now on. */
  newKind(kind: string): void;
  /** Digests of the tasks that the bot has. */
  pinned(): ReadonlySet<string>;
}

/** Why an offer is not taken; `refusal` when its revision is at fault. */
export interface Declined {
  readonly why: string;
  readonly refusal: NackReason;
}

export const declined = (why: string, refusal: NackReason = NackReason.UNSPECIFIED): Declined => ({ why, refusal });

const keyOf = (kind: string, digest: string): string => `${kind} ${digest}`;
const nothing: SchemaRef = { kind: '', revision: 0, digest: '' };

/**
 * The revisions that this bot speaks: those that its handlers were generated for, and those that the hub has taught it. Each that is offered goes
 *
 * | status    | when                                                                         |
 * |-----------|------------------------------------------------------------------------------|
 * | RECEIVED  | at once                                                                      |
 * | VALIDATED | its digest, messages and handler fit; one revision a turn of the event loop  |
 * | APPLIED   | `accept` wants it, and it is in the store                                    |
 * | REJECTED  | one of these does not hold; says why                                         |
 *
 * `told` hears of each. The hub hears how far each is when a turn ends, since the newest status implies those before it: one frame for a revision that goes
 * all the way in a turn, where each frame of a fleet costs its hub 50 us.
 */
export class Language {
  readonly #ports: LanguagePorts;
  readonly #learned = new Map<string, Schema>();
  /** Told to forget; kept for as long as a task is pinned to them. */
  readonly #dropping = new Set<string>();
  /** Revisions of handlers that the hub has retired: they are in the program, but nobody is told. */
  readonly #retired = new Set<string>();
  readonly #toCheck: Array<{ readonly revision: Revision; readonly traceparent: string }> = [];
  /** What the hub is to hear at the end of this turn, by revision. */
  readonly #unsaid = new Map<string, Letter>();

  constructor(ports: LanguagePorts) {
    this.#ports = ports;
    for (const revision of ports.journal.remembered.revisions.values()) {
      const ref = revision.schema ?? nothing;
      try {
        const schema = this.#validate(ref, revision);
        this.#ask(schema);
        this.#learned.set(keyOf(ref.kind, ref.digest), schema);
      } catch (error) {
        // Another program than the one that applied it: the hub hears that the bot has it no more.
        ports.logger.warn({ ...this.#about(ref), err: error }, 'a revision that was applied is not any more');
        ports.journal.note(unlearnedNote(ref));
      }
    }
  }

  /** What the bot can be offered, by kind. */
  support(): KindSupport[] {
    // Sets: what was learned may be built in by now.
    const kinds = new Map<string, Set<string>>(
      [...this.#ports.repertoire.named.keys()].map((kind) => [kind, new Set()]),
    );
    for (const { builtIn } of this.#ports.repertoire.named.values()) {
      if (builtIn && !this.#retired.has(builtIn.digest)) kinds.get(builtIn.kind)!.add(builtIn.digest);
    }
    for (const [key, { kind, digest }] of this.#learned) {
      if (!this.#dropping.has(key)) kinds.set(kind, (kinds.get(kind) ?? new Set()).add(digest));
    }
    return [...kinds].map(([kind, digests]) => ({ kind, digests: [...digests] }));
  }

  /** The work of an offer, or why this bot cannot even read it. */
  prepare({ taskId, schema, payload }: Offer): PreparedWork | Declined {
    const { kind, digest } = schema ?? nothing;
    const served = handlerOf(this.#ports.repertoire, kind);
    if (!served) return declined(`kind "${kind}" is not served by this bot`, NackReason.UNKNOWN_SCHEMA);
    const learned = this.#learned.get(keyOf(kind, digest));
    if (!learned && served.builtIn?.digest !== digest) {
      return declined(`digest "${digest}" is not applied on this bot`, NackReason.UNKNOWN_SCHEMA);
    }
    try {
      return served.prepare(payload, learned);
    } catch (error) {
      const why = `payload of task ${taskId} is not a task of ${digest}: ${reasonOf(error)}`;
      return declined(why, NackReason.PAYLOAD_UNDECODABLE);
    }
  }

  take({ add, remove, retired }: ProtocolOffer, traceparent: string): void {
    for (const kind of retired) {
      this.#ports.logger.warn({ [ATTR_BOT_ID]: this.#ports.botId, kind: kind.kind }, kind.message);
      this.#ports.retired(kind);
    }
    for (const digest of remove) this.#drop(digest);
    this.forgetUnpinned();
    for (const revision of add) {
      this.#tell(revision.schema ?? nothing, RevisionStatus.RECEIVED, traceparent);
      this.#toCheck.push({ revision, traceparent });
      if (this.#toCheck.length === 1) setImmediate(() => this.#checkNext());
    }
  }

  /** Forgets what it was told to forget and has no task of any more. */
  forgetUnpinned(): void {
    if (this.#dropping.size === 0) return;
    const pinned = this.#ports.pinned();
    for (const key of this.#dropping) {
      const { kind, digest } = this.#learned.get(key)!;
      if (pinned.has(digest)) continue;
      this.#dropping.delete(key);
      this.#learned.delete(key);
      this.#ports.journal.note(unlearnedNote({ kind, digest }));
    }
  }

  #drop(digest: string): void {
    for (const [key, schema] of this.#learned) if (schema.digest === digest) this.#dropping.add(key);
    for (const { builtIn } of this.#ports.repertoire.named.values()) {
      if (builtIn?.digest === digest) this.#retired.add(digest);
    }
  }

  /** One a turn: a bot that is taught a lot goes on with its heartbeats. */
  #checkNext(): void {
    const next = this.#toCheck.shift();
    if (!next) return;
    const { revision, traceparent } = next;
    const ref = revision.schema ?? nothing;
    try {
      this.#apply(ref, revision, traceparent);
    } catch (error) {
      const reason = reasonOf(error);
      this.#ports.logger.warn({ ...this.#about(ref), reason }, 'revision rejected');
      this.#tell(ref, RevisionStatus.REJECTED, traceparent, reason);
    }
    for (const letter of this.#unsaid.values()) void this.#send(letter);
    this.#unsaid.clear();
    if (this.#toCheck.length > 0) setImmediate(() => this.#checkNext());
  }

  /** @throws Error saying why not */
  #apply(ref: SchemaRef, revision: Revision, traceparent: string): void {
    const key = keyOf(ref.kind, ref.digest);
    const isNew = !this.#learned.has(key) && !this.#isBuiltIn(ref);
    if (isNew && this.#learned.size >= maxRevisions) {
      throw new Error(`this bot keeps ${maxRevisions} revisions and has as many; retire some`);
    }
    const schema = this.#validate(ref, revision);
    this.#tell(ref, RevisionStatus.VALIDATED, traceparent);
    this.#ask(schema);
    this.#dropping.delete(key);
    this.#retired.delete(ref.digest);
    if (isNew) this.#learn(key, schema, revision);
    this.#tell(ref, RevisionStatus.APPLIED, traceparent);
  }

  /** @throws Error when the bot does not want it, or not any more */
  #ask(schema: Schema): void {
    const answer = this.#answerTo(schema);
    if (answer === true) return;
    this.#drop(schema.digest);
    throw new Error(answer);
  }

  /** What `accept` throws is a no as well. */
  #answerTo(schema: Schema): true | string {
    try {
      return this.#ports.accept(schema) || 'accept says no, and not why';
    } catch (error) {
      this.#ports.logger.warn({ ...this.#about(schema), err: error }, 'accept threw');
      return `accept threw "${reasonOf(error)}"`;
    }
  }

  #learn(key: string, schema: Schema, revision: Revision): void {
    const { kind } = schema;
    const isFirst = ![...this.#learned.values()].some((other) => other.kind === kind);
    this.#ports.journal.note(learnedNote(revision));
    this.#learned.set(key, schema);
    this.#ports.logger.debug(this.#about(schema), 'revision applied');
    if (isFirst && !this.#ports.repertoire.named.has(kind)) this.#ports.newKind(kind);
  }

  #validate(ref: SchemaRef, revision: Revision): Schema {
    const served = this.#handlerOf(ref);
    const size = revision.fileDescriptorSet.length;
    if (size > maxRevisionBytes) {
      throw new Error(
        `file_descriptor_set has ${size} bytes, this bot takes ${maxRevisionBytes}; leave out what the kind does not need`,
      );
    }
    const schema = compileSchema(ref, revision);
    const conflict = this.#isBuiltIn(ref) ? undefined : served.conflict(schema);
    if (conflict) throw new Error(conflict);
    return schema;
  }

  #isBuiltIn({ kind, digest }: SchemaRef): boolean {
    return handlerOf(this.#ports.repertoire, kind)?.builtIn?.digest === digest;
  }

  #handlerOf({ kind }: SchemaRef): ServedKind {
    const served = handlerOf(this.#ports.repertoire, kind);
    if (served) return served;
    throw new Error(`kind "${kind}" is not served by this bot; offer it to bots whose hello has the kind or any_kind`);
  }

  #tell(schema: SchemaRef, status: RevisionStatus, traceparent: string, reason = ''): void {
    const value = { schema, status, reason };
    this.#ports.told(value);
    const body = { $case: 'protocolStatus', value } as const;
    this.#unsaid.set(keyOf(schema.kind, schema.digest), { body, traceparent, task: '' });
  }

  /** Waits for room where an answer would be dropped: a status that the hub never hears keeps the bot out of the revision's tasks. */
  async #send(letter: Letter): Promise<void> {
    const { outbox, written, leaving } = this.#ports;
    try {
      await outbox.put(letter, leaving);
      written();
    } catch {
      // The bot has left.
    }
  }

  #about({ kind, digest, revision }: Pick<SchemaRef, 'kind' | 'digest' | 'revision'>) {
    return { [ATTR_BOT_ID]: this.#ports.botId, kind, revision, digest };
  }
}
