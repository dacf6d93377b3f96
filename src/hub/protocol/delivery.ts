import { quoted } from '../../contract/errors.ts';
import { type ProtocolStatus, RevisionStatus, type SchemaRef } from '../../gen/fleet/v1/fleet.ts';
import { pause } from '../../kit/backoff.ts';
import { storedReason } from '../read-report.ts';
import type { Refusal } from '../refusal.ts';
import type { Roster, Seat } from '../roster.ts';
import type { BotAnswer } from './answer-store.ts';
import type { Catalogue } from './catalogue.ts';
import type { BotStatus, BotWord } from './revision-states.ts';
import { isGone, type ProtocolView } from './view.ts';
import type { WriteBehind } from './write-behind.ts';

/**
 * Bots that are told in a second. Each costs the hub some 0.1 ms (two writes, and the frame that it answers with), and the processors more: told all at once, they
 * would stand in the way of tasks and reports for seconds. At this pace 5,000 know within 5 s.
 */
const toldPerSecond = 1_150;
/**
 * Bots that follow a new view in one turn of the event loop, with their place among those who are willing: each takes some 20 us, and no task waits for
 * all of a fleet (100 ms with 5,000).
 */
const maxFollowingAtOnce = 64;
/** Until the next ones follow, ms: the shortest that lets in what has come meanwhile. */
const followPauseMs = 1;
/**
 * Between two goes, ms, and the most that are told in one, however late it is. Short, so that no turn of the event loop gets long by what is told and answered:
 * each task waits for several turns. And hardly more than are due, since who makes up for a delay at once makes the next one.
 */
const pauseMs = 2;
const maxToldAtOnce = 8;

const statuses: Readonly<Record<number, BotStatus>> = {
  [RevisionStatus.RECEIVED]: 'RECEIVED',
  [RevisionStatus.VALIDATED]: 'VALIDATED',
  [RevisionStatus.APPLIED]: 'APPLIED',
  [RevisionStatus.REJECTED]: 'REJECTED',
};

export interface DeliveryPorts {
  readonly roster: Roster;
  readonly catalogue: Pick<Catalogue, 'view'>;
  readonly book: Pick<WriteBehind<BotAnswer>, 'note'>;
  /** A bot can be given other tasks than before. */
  readonly onWilling: () => void;
}

/** Brings the protocol to the bots of this hub, and takes what they say of it. */
export class Delivery {
  readonly #ports: DeliveryPorts;
  #telling: ProtocolView | undefined;

  constructor(ports: DeliveryPorts) {
    this.#ports = ports;
  }

  /** What the bot does not know yet; said right behind its welcome, so that a bot that was away for a week is up to date with its first offer. */
  tell(seat: Seat): void {
    for (let news = seat.bot.news(); news; news = seat.bot.news()) {
      seat.send({ $case: 'protocolOffer', value: news }, '');
      for (const digest of news.remove) this.#note(seat, digest, 'FORGOTTEN');
    }
  }

  /** The bot was offered a task in a revision that it has not got: it is taught that once more. */
  lacks(seat: Seat, schema: Pick<SchemaRef, 'digest'>): void {
    seat.bot.lacks(schema);
    this.#note(seat, schema.digest, 'FORGOTTEN');
    this.tell(seat);
  }

  /** All bots follow another view, as far as offers go as soon as no task has to wait for it, and are told of it by and by. */
  async follow(view: ProtocolView): Promise<void> {
    const { roster, onWilling } = this.#ports;
    this.#telling = view;
    const seats = [...roster.seats];
    let following = 0;
    let tellingAll: Promise<void> | undefined;
    while (following < seats.length) {
      if (following > 0) await pause(followPauseMs);
      if (this.#telling !== view) break;
      const next = seats.slice(following, following + maxFollowingAtOnce);
      for (const { bot } of next) bot.follow(view);
      roster.willing(performance.now());
      following += next.length;
      tellingAll ??= this.#tellAll(view, seats, () => following);
    }
    if (this.#telling === view) onWilling();
    await tellingAll;
  }

  /** One after the other, as soon as it follows the view: `following` of them do. */
  async #tellAll(view: ProtocolView, seats: readonly Seat[], following: () => number): Promise<void> {
    const startedAtMs = performance.now();
    for (let told = 0; told < seats.length; ) {
      if (told > 0) await pause(pauseMs);
      // A newer view has its own turn.
      if (this.#telling !== view) return;
      const due = Math.ceil(((performance.now() - startedAtMs + pauseMs) * toldPerSecond) / 1_000);
      for (const seat of seats.slice(told, Math.min(due, told + maxToldAtOnce, following()))) {
        this.tell(seat);
        told += 1;
      }
    }
  }

  /** Nobody is told any more. */
  stop(): void {
    this.#telling = undefined;
  }

  /** What a bot says of a revision. Undefined when it is taken, a refusal otherwise. */
  heard(seat: Seat, { schema, status, reason }: ProtocolStatus): Refusal | undefined {
    const { bot } = seat;
    const { catalogue, onWilling } = this.#ports;
    const said = statuses[status];
    if (!said) {
      const message = `status is ${status}; say RECEIVED, VALIDATED, APPLIED or REJECTED`;
      return { reason: 'FIELD_INVALID', message };
    }
    const digest = schema?.digest ?? '';
    const revision = catalogue.view.find(digest);
    if (!revision) {
      const message = `schema.digest is ${quoted(digest)}; repeat that of the protocol_offer`;
      return { reason: 'UNKNOWN_SCHEMA', message };
    }
    const { kind } = revision.schema;
    if (!bot.anyKind && !bot.kinds.has(kind)) {
      const message = `schema.digest is a revision of ${kind}, which hello.kinds does not list; serve the kind, or say nothing of it`;
      return { reason: 'FIELD_INVALID', message };
    }
    bot.answered({ digest }, said);
    this.#note(seat, digest, said, said === 'REJECTED' ? storedReason(reason, 'no reason given') : '');
    if (said !== 'APPLIED') return undefined;
    // It was taken back while the bot learnt it.
    if (isGone(revision.state)) this.tell(seat);
    onWilling();
    return undefined;
  }

  #note({ bot: { botId, epoch } }: Seat, digest: string, status: BotWord, reason = ''): void {
    this.#ports.book.note({ botId, epoch, digest, status, reason });
  }
}
