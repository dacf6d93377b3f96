import {
  type Cancel,
  type HeldTask,
  type Lease,
  type Nack,
  NackReason,
  type Offer,
  type OfferReply,
  Outcome,
  Verdict,
  type Welcome,
} from '../../src/gen/fleet/v1/fleet.ts';
import { Assignment, type AssignmentPorts, keyOf } from './assignment.ts';
import type { Credits } from './credits.ts';
import { durationMs } from './duration.ts';
import { heldNote, type Journal } from './journal.ts';
import type { PreparedWork } from './kind.ts';
import { type Declined, declined, type Language } from './language.ts';
import type { LeaseClock } from './lease-clock.ts';
import type { Entry } from './outbox.ts';
import type { AbortCause } from './task.ts';

/** An accepted offer whose lease does not come in this time is given up: its credit is needed. */
const leaseWaitMs = 30_000;
/** Offers whose answer is remembered, so that an offer that comes twice is answered the same way. */
const rememberedAnswers = 256;

export interface AssignmentsPorts extends AssignmentPorts {
  readonly language: Language;
  readonly credits: Credits;
  readonly journal: Journal;
  readonly clock: LeaseClock;
  /** Refuses a hub frame. */
  complain(nack: Partial<Nack>): void;
  /** The number of assignments, or the phase of one, is another. */
  changed(): void;
}

const answerTo = (work: PreparedWork | Declined) =>
  'why' in work
    ? { accepted: false, reason: work.why, refusal: work.refusal }
    : { accepted: true, reason: '', refusal: NackReason.UNSPECIFIED };

/** Other refusals are about one frame, and the task goes on. */
function endsAssignment({ reason }: Nack, { phase }: Assignment, entry: Entry | undefined): boolean {
  if (reason === NackReason.STALE_FENCE || reason === NackReason.UNKNOWN_TASK) return true;
  if (phase === 'accepted') return true;
  return reason === NackReason.WRONG_STATE && entry?.body.$case !== 'cancelReply';
}

/** What this bot has taken on: decides about offers, starts work on a lease, ends what is lost. */
export class Assignments {
  readonly #ports: AssignmentsPorts;
  readonly #held = new Map<string, Assignment>();
  /** Lost assignments whose handler has not ended: they hold on to their credit, as the robot is still busy. */
  readonly #windingUp = new Set<Assignment>();
  readonly #answers = new Map<string, OfferReply>();
  /** Why no offer is taken; undefined when offers are welcome. */
  #closedFor: string | undefined;

  constructor(ports: AssignmentsPorts) {
    this.#ports = ports;
    for (const [key, { offer, traceparent }] of ports.journal.remembered.held) {
      const work = ports.language.prepare(offer);
      // Another program than the one that took it: the hub hears that the bot has it no more.
      if ('why' in work) ports.outbox.forget(key);
      else this.#held.set(offer.taskId, new Assignment(offer, traceparent, work, ports));
    }
  }

  /** True when no handler runs and no lease is awaited. */
  get isIdle(): boolean {
    return this.#windingUp.size === 0 && [...this.#held.values()].every(({ phase }) => phase === 'reported');
  }

  held(): HeldTask[] {
    return [...this.#held.values()].map(({ offer: { taskId, fence }, phase }) => ({
      taskId,
      fence,
      finished: phase === 'reported',
    }));
  }

  /** Digests of all that it has or is still busy with. */
  pinned(): ReadonlySet<string> {
    const all = [...this.#held.values(), ...this.#windingUp];
    return new Set(all.map(({ offer }) => offer.schema!.digest));
  }

  /** Declines every offer from now on, saying why; undefined takes offers again. */
  close(why: string | undefined): void {
    this.#closedFor = why;
  }

  offer(offer: Offer, traceparent: string, seq: number): void {
    const { taskId, fence } = offer;
    const key = keyOf(taskId, fence);
    const before = this.#answers.get(key);
    if (before) {
      this.#answer(key, before, traceparent);
      return;
    }

    const known = this.#held.get(taskId);
    if (known && fence > known.offer.fence) this.#lose(known, 'lease-lost', `offered again under fence ${fence}`);
    const work = this.#judge(offer, seq);
    if (!('why' in work)) this.#ports.journal.note(heldNote(key, offer, traceparent));
    const isAnswered = this.#answer(key, { taskId, fence, ...answerTo(work) }, traceparent);
    // No room for the answer: the hub withdraws the offer when its time is up.
    if (!('why' in work) && !isAnswered) this.#ports.outbox.forget(key);
    if (!isAnswered || 'why' in work) return;
    const assignment = new Assignment(offer, traceparent, work, this.#ports);
    this.#held.set(taskId, assignment);
    setTimeout(() => this.#giveUp(assignment), leaseWaitMs).unref();
    this.#ports.changed();
  }

  lease({ taskId, fence, duration, renewedBy }: Lease, traceparent: string, seq: number): void {
    const assignment = this.#find(taskId, fence);
    const fromMs = renewedBy ? this.#ports.clock.beatAtMs(renewedBy) : assignment?.acceptedAtMs;
    if (duration && fromMs !== undefined) assignment?.keepUntil(fromMs + durationMs(duration));
    if (renewedBy) return;
    if (assignment?.phase === 'accepted') {
      this.#begin(assignment, traceparent);
      return;
    }
    if (assignment || this.#answers.get(keyOf(taskId, fence))?.accepted) return;
    const message = `task_id ${taskId} with fence ${fence} is not a task that this bot accepted; offer it first`;
    this.#ports.complain({ seq, reason: NackReason.UNKNOWN_TASK, message, taskId, fence });
  }

  cancel({ taskId, fence, reason }: Cancel): void {
    const assignment = this.#find(taskId, fence);
    if (assignment?.phase === 'working') {
      assignment.stop('cancelled', reason);
      return;
    }
    if (assignment?.phase === 'accepted') this.#lose(assignment, 'cancelled', reason);
    const stopped = assignment?.phase !== 'reported';
    this.#ports.outbox.answer({
      body: { $case: 'cancelReply', value: { taskId, fence, stopped } },
      traceparent: assignment?.traceparent ?? '',
      task: stopped ? '' : keyOf(taskId, fence),
    });
    this.#ports.written();
  }

  /** After a reconnect: what the hub says about each task that the bot said it holds. */
  verdicts({ verdicts, leaseDuration }: Pick<Welcome, 'verdicts' | 'leaseDuration'>): void {
    for (const { taskId, fence, verdict, renewedFence } of verdicts) {
      const assignment = this.#find(taskId, fence);
      if (!assignment) continue;
      const isVoid = verdict === Verdict.REPORT_IN_FULL && renewedFence <= fence;
      if (verdict === Verdict.ABANDON || isVoid) {
        const why = isVoid ? `renewed_fence is ${renewedFence}, not above ${fence}` : 'the hub gave the task up';
        this.#lose(assignment, 'lease-lost', `${why} while this bot was away`);
        continue;
      }
      if (verdict === Verdict.REPORT_IN_FULL) assignment.renew(renewedFence);
      if (leaseDuration) assignment.keepUntil(this.#ports.clock.helloAtMs + durationMs(leaseDuration));
      // "Still yours": the hub has leased it, and its Lease was lost with the old connection.
      if (assignment.phase === 'accepted') this.#begin(assignment);
    }
  }

  /** The hub refuses `entry`, or, where there is none, something that it was not promised. */
  refused(nack: Nack, entry: Entry | undefined): void {
    const assignment = this.#find(nack.taskId, nack.fence);
    if (!assignment) return;
    if (endsAssignment(nack, assignment, entry)) this.#lose(assignment, 'lease-lost', nack.message);
    else if (entry?.body.$case !== 'result') return;
    else if (entry.body.value.outcome === Outcome.SUCCEEDED) assignment.replaceResult(nack.message);
    else this.settled(entry);
  }

  /** A frame is done with. */
  settled({ body, task }: Entry): void {
    if (body.$case !== 'result') return;
    this.#ports.outbox.forget(task);
    if (this.#find(body.value.taskId, body.value.fence)) this.#held.delete(body.value.taskId);
    this.#ports.changed();
  }

  /** Asks all handlers to end; their outcome is reported. */
  stopAll(why: AbortCause, detail: string): void {
    for (const assignment of this.#held.values()) {
      if (assignment.phase === 'working') assignment.stop(why, detail);
      else if (assignment.phase === 'accepted') this.#lose(assignment, why, detail);
    }
  }

  /** Aborts all handlers; nothing more is reported. */
  loseAll(why: AbortCause, detail: string): void {
    for (const assignment of [...this.#held.values()]) this.#lose(assignment, why, detail);
  }

  /** What log lines say of the task; undefined when this bot does not have it. */
  about(taskId: string, fence: number): object | undefined {
    return this.#find(taskId, fence)?.about;
  }

  #find(taskId: string, fence: number): Assignment | undefined {
    const assignment = this.#held.get(taskId);
    return assignment?.offer.fence === fence ? assignment : undefined;
  }

  /** The work when the offer can be taken, else why not. */
  #judge(offer: Offer, seq: number): PreparedWork | Declined {
    const { taskId, fence, schema } = offer;
    if (this.#closedFor !== undefined) return declined(this.#closedFor);
    const newest = this.#held.get(taskId)?.offer.fence;
    if (newest !== undefined) return declined(`fence ${fence} is below ${newest}, under which this bot has the task`);
    const work = this.#prepare(offer, seq);
    if ('why' in work) return work;
    const kind = schema!.kind;
    const credits = this.#ports.credits.of(kind);
    return this.#used(kind) >= credits ? declined(`no credit: ${credits} of kind "${kind}" in use`) : work;
  }

  #prepare(offer: Offer, seq: number): PreparedWork | Declined {
    const { taskId, fence } = offer;
    const work = this.#ports.language.prepare(offer);
    if ('why' in work && work.refusal === NackReason.PAYLOAD_UNDECODABLE) {
      this.#ports.complain({ seq, reason: work.refusal, message: work.why, taskId, fence });
    }
    return work;
  }

  #used(kind: string): number {
    const all = [...this.#held.values(), ...this.#windingUp];
    return all.filter(({ offer, phase }) => offer.schema?.kind === kind && phase !== 'reported').length;
  }

  #answer(key: string, reply: OfferReply, traceparent: string): boolean {
    const task = reply.accepted ? key : '';
    const letter = { body: { $case: 'offerReply', value: reply }, traceparent, task } as const;
    if (this.#ports.outbox.answer(letter) === undefined) return false;
    this.#answers.delete(key);
    this.#answers.set(key, reply);
    if (this.#answers.size > rememberedAnswers) this.#answers.delete(this.#answers.keys().next().value!);
    this.#ports.written();
    return true;
  }

  #begin(assignment: Assignment, traceparent = ''): void {
    const finished = () => {
      this.#windingUp.delete(assignment);
      this.#ports.changed();
    };
    void assignment.run(traceparent).then(finished);
  }

  #giveUp(assignment: Assignment): void {
    if (assignment.phase !== 'accepted' || assignment.isLost) return;
    this.#answers.delete(assignment.key);
    this.#lose(assignment, 'lease-lost', `no lease within ${leaseWaitMs} ms of accepting`);
  }

  #lose(assignment: Assignment, why: AbortCause, detail: string): void {
    const { taskId } = assignment.offer;
    this.#ports.logger.info({ ...assignment.about, why, detail }, 'task is lost to this bot');
    assignment.lose(why, detail);
    if (this.#held.get(taskId) === assignment) this.#held.delete(taskId);
    if (assignment.phase === 'working') this.#windingUp.add(assignment);
    this.#ports.changed();
  }
}
