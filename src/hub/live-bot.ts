import type { HeldTask as Claimed, Position, ProtocolOffer, SchemaRef } from '../gen/fleet/v1/fleet.ts';
import { type Candidate, roomOf } from './assign.ts';
import type { BotLimits } from './bot-limits.ts';
import type { Beat } from './bot-store.ts';
import type { Introduction } from './hello.ts';
import type { Renewal } from './lease-store.ts';
import { BotLanguage } from './protocol/bot-language.ts';
import type { BotStatus } from './protocol/revision-states.ts';
import type { ProtocolView } from './protocol/view.ts';
import { languageOf, type Task } from './task-phase.ts';

/** A task as this hub believes that its bot has it. Times are of this process's monotonic clock, ms. */
export interface Held {
  task: Task;
  readonly isLeased: boolean;
  /** Of the offer or the lease. Never later than what the table says, since it counts from before the statement. */
  expiresAtMs: number;
  /** The bot has reported progress. */
  running: boolean;
  /** A heartbeat has named it since the last renewal. */
  named: boolean;
  /** The bot was told to stop, on this stream. */
  recalled: boolean;
}

const nothingShunned: ReadonlySet<string> = new Set();

/** For tasks: see `Candidate`. */
type Room = Pick<Candidate, 'load' | 'free'>;

/** Said once in a while, unlike the rest of a beat. */
type Said = Pick<Beat, 'credits' | 'maxUnacknowledged'>;
const nothingSaid: Said = {};

/** What a hub keeps in memory of a bot whose session it has; the tables decide, this saves asking them. */
export class LiveBot {
  readonly botId: string;
  readonly sessionId: string;
  readonly epoch: number;
  readonly #language: BotLanguage;
  readonly #credits: Map<string, number>;
  readonly #limits: Pick<BotLimits, 'of'>;
  /** What the tables do not have of the credits yet, and what of that is on its way there. */
  #unwritten: Said = nothingSaid;
  #writing: Said = nothingSaid;
  readonly #held = new Map<string, Held>();
  readonly #shunned = new Map<string, number>();
  /** Kinds that tasks are being given to the bot in, by task: they take credit until it is known what became of them. */
  readonly #reserved = new Map<string, string>();
  /** Undefined when it has to be counted again. */
  #room: Room | undefined;
  /** As it was computed last, null without room for another task; undefined when something has changed since. */
  #candidate: Candidate | null | undefined;
  #position: Position | undefined;
  #battery: number | undefined;
  #hasBeaten = false;
  /** When the bot sent its newest heartbeat, by its own clock. */
  #sentAt: Date | undefined;
  /** A number from the first: a field that began as undefined gets a new object for each of its later numbers. */
  heardAtMs = 0;
  /** Called when another `candidate` may come of it. */
  onChanged: () => void = () => {};

  constructor(
    introduction: Introduction,
    session: { readonly sessionId: string; readonly epoch: number },
    view: ProtocolView,
    limits: Pick<BotLimits, 'of'>,
    nowMs: number,
  ) {
    this.botId = introduction.botId;
    this.sessionId = session.sessionId;
    this.epoch = session.epoch;
    this.#language = new BotLanguage(introduction, view);
    this.#credits = new Map(introduction.credits);
    this.#limits = limits;
    this.#position = introduction.position;
    this.heardAtMs = nowMs;
  }

  get held(): readonly Held[] {
    return [...this.#held.values()];
  }

  find(taskId: string): Held | undefined {
    return this.#held.get(taskId);
  }

  get kinds(): ReadonlySet<string> {
    return this.#language.kinds;
  }

  get anyKind(): boolean {
    return this.#language.anyKind;
  }

  /** Digests of the revisions that it has applied. */
  get applied(): ReadonlySet<string> {
    return this.#language.applied;
  }

  /** The protocol as it is from now on. */
  follow(view: ProtocolView): void {
    this.#changed();
    this.#language.follow(view);
  }

  /** See `BotLanguage`. */
  news(): ProtocolOffer | undefined {
    const news = this.#language.news();
    if (news && news.remove.length > 0) this.#changed();
    return news;
  }

  /** See `BotLanguage`. */
  lacks(revision: Pick<SchemaRef, 'digest'>): void {
    this.#changed();
    this.#language.lacks(revision);
  }

  /** What it says of a revision. */
  answered(revision: Pick<SchemaRef, 'digest'>, status: BotStatus): void {
    if (status === 'APPLIED' || status === 'REJECTED') this.#changed();
    this.#language.answered(revision, status);
  }

  /** Newest position and charge; what the frame leaves out stays, and so does what it only repeats: the new object would be garbage among the old ones. */
  locate(position: Position | undefined, battery?: number): void {
    if (position && (position.x !== this.#position?.x || position.y !== this.#position?.y)) {
      this.#position = position;
      this.#changed();
    }
    if (battery !== undefined && battery !== this.#battery) this.#battery = battery;
  }

  setCredit(kind: string, amount: number): void {
    this.#roomChanged();
    this.#credits.set(kind, amount);
    const credits = Array.from(this.#credits, ([kind, amount]) => ({ kind, amount }));
    this.#unwritten = { ...this.#unwritten, credits };
  }

  /** It may have so many reliable frames unacknowledged from now on. */
  toldWindow(maxUnacknowledged: number): void {
    this.#unwritten = { ...this.#unwritten, maxUnacknowledged };
  }

  /** Operators limit it otherwise than before. */
  limited(): void {
    this.#roomChanged();
  }

  /** The task is about to be offered: `offered` or `release` follows. */
  reserve(taskId: string, { kind }: SchemaRef): void {
    this.#roomChanged();
    this.#reserved.set(taskId, kind);
  }

  release(taskId: string): void {
    this.#roomChanged();
    this.#reserved.delete(taskId);
  }

  offered(task: Task, expiresAtMs: number): void {
    this.release(task.taskId);
    this.#held.set(task.taskId, { task, isLeased: false, expiresAtMs, running: false, named: false, recalled: false });
  }

  leased(task: Task, expiresAtMs: number): Held {
    this.#roomChanged();
    const known = this.#held.get(task.taskId);
    const before = known?.task.fence === task.fence ? known : undefined;
    const running = before?.running ?? task.phase.state === 'RUNNING';
    const recalled = before?.recalled ?? false;
    const held: Held = { task, isLeased: true, expiresAtMs, running, named: false, recalled };
    this.#held.set(task.taskId, held);
    return held;
  }

  /** False when the bot has the task under another fence, or not at all. */
  drop(taskId: string, fence: number): boolean {
    this.#roomChanged();
    return this.#held.get(taskId)?.task.fence === fence && this.#held.delete(taskId);
  }

  shun(taskId: string, untilMs: number): void {
    this.#changed();
    this.#shunned.set(taskId, untilMs);
  }

  /** A heartbeat; answers with the unfinished tasks that the bot believes to have and has not. */
  beat(claimed: readonly Claimed[], sentAt?: Date): Claimed[] {
    this.#hasBeaten = true;
    // Of those alone that may have a lease renewed.
    if (sentAt && this.#held.size > 0) this.#sentAt = sentAt;
    return claimed.filter(({ taskId, fence, finished }) => {
      const held = this.#held.get(taskId);
      if (held?.task.fence !== fence) return !finished;
      held.named = true;
      return false;
    });
  }

  /** There were heartbeats since the last `takeBeat`. */
  get hasBeaten(): boolean {
    return this.#hasBeaten;
  }

  /** What the heartbeats since the last call want renewed. */
  takeBeat(): { beat: Beat; sentAt: Date | undefined; renewals: Renewal[] } {
    this.#hasBeaten = false;
    const { botId, epoch } = this;
    const named = this.held.filter((held) => held.named && held.isLeased);
    for (const held of named) held.named = false;
    this.#writing = this.#unwritten;
    this.#unwritten = nothingSaid;
    return {
      beat: { botId, epoch, position: this.#position, battery: this.#battery, ...this.#writing },
      sentAt: this.#sentAt,
      renewals: named.map(({ task: { taskId, fence }, running }) => ({ taskId, fence, botId, epoch, running })),
    };
  }

  /** The beat that was taken last could not be written: it is taken again. */
  returnBeat(): void {
    this.#hasBeaten = true;
    this.#unwritten = { ...this.#writing, ...this.#unwritten };
  }

  /** Nor could this part of it. */
  returnRenewal({ taskId, fence }: Renewal): void {
    const held = this.#held.get(taskId);
    if (held?.task.fence === fence) held.named = true;
  }

  /** Forgets offers that were not answered in time, and does not want them again before `shunUntilMs`. */
  forgetUnanswered(nowMs: number, shunUntilMs: number): void {
    for (const { task, isLeased, expiresAtMs } of this.held) {
      if (isLeased || expiresAtMs > nowMs) continue;
      this.drop(task.taskId, task.fence);
      this.shun(task.taskId, shunUntilMs);
    }
  }

  /** Undefined when it has no room for another task. */
  candidate(nowMs: number): Candidate | undefined {
    if (this.#shunned.size > 0) this.#forgive(nowMs);
    if (this.#candidate === undefined) this.#candidate = this.#asCandidate();
    return this.#candidate ?? undefined;
  }

  #changed(): void {
    this.#candidate = undefined;
    this.onChanged();
  }

  #roomChanged(): void {
    this.#room = undefined;
    this.#changed();
  }

  #forgive(nowMs: number): void {
    for (const [taskId, untilMs] of this.#shunned) {
      if (untilMs > nowMs) continue;
      this.#changed();
      this.#shunned.delete(taskId);
    }
  }

  #asCandidate(): Candidate | null {
    this.#room ??= this.#countRoom();
    if (roomOf(this.#room) === 0) return null;
    return {
      botId: this.botId,
      position: this.#position,
      ...this.#room,
      ...this.#language.reading,
      shunned: this.#shunned.size > 0 ? new Set(this.#shunned.keys()) : nothingShunned,
    };
  }

  #countRoom(): Room {
    const kinds = [...this.held.map(({ task }) => languageOf(task).kind), ...this.#reserved.values()];
    const has = (kind: string) => kinds.filter((taken) => taken === kind).length;
    const may = (kind: string, amount: number) => Math.min(amount, this.#limits.of(this.botId, kind));
    const free = new Map(
      [...this.#credits].map(([kind, amount]) => [kind, Math.max(0, may(kind, amount) - has(kind))]),
    );
    return { load: kinds.length, free };
  }
}
