import type { Logger } from 'pino';
import { unavailable } from '../contract/errors.ts';
import type { Database } from '../database/port.ts';
import { pause } from '../kit/backoff.ts';
import { Loop } from '../kit/loop.ts';
import { ATTR_FENCE, ATTR_TASK_ID } from '../telemetry/attributes.ts';
import { beatsAsJson, renewSessions } from './bot-store.ts';
import { sendRecall } from './cancel.ts';
import type { HubMetrics } from './hub-metrics.ts';
import type { PolicyOf } from './kinds/policy.ts';
import { isUntold, type Renewal, type Renewed, renewLeases } from './lease-store.ts';
import type { Ledger } from './ledger.ts';
import { type HubTimes, maxTasksPerTransaction, retryBackoff } from './limits.ts';
import type { Held, LiveBot } from './live-bot.ts';
import type { Patience } from './patience.ts';
import { nackOf, type Refusal } from './refusal.ts';
import type { Roster, Seat } from './roster.ts';
import { aboutSession } from './session-log.ts';
import { misfit } from './task.ts';
import type { Task } from './task-phase.ts';
import { findTask } from './task-store.ts';
import { durationOf } from './welcome.ts';

export interface LeasePorts {
  readonly database: Database;
  readonly roster: Roster;
  readonly ledger: Ledger;
  readonly times: HubTimes;
  readonly policyOf: PolicyOf;
  readonly metrics: HubMetrics;
  readonly logger: Logger;
  readonly patience: Patience;
  /** Bots that have said Hello since the last call. */
  readonly takeArrivals: () => number;
  /** Bots come as a herd: no hub is to judge those that are not here yet. */
  readonly onHerd: () => void;
}

/**
 * Bots whose sessions one statement renews: it keeps a processor of the database busy for 10 ms, and what tasks wait for comes between two of them. What is put
 * together for it has gone before V8 takes it for old, which the list of thousands of bots would not.
 */
const maxBeatsAtOnce = 500;
/** Between two of them, for what tasks wait for, of a tick: 20,000 bots take three ticks then, of the ten that a lease lasts. */
const pausePart = 1 / 20;

/** A lease that a bot's heartbeat has named. */
interface Named {
  readonly seat: Seat;
  readonly renewal: Renewal;
  readonly sentAt: Date | undefined;
}

/**
 * Keeps what the bots of this hub hold, and ends what nobody keeps. Heartbeats are gathered and renew sessions and leases in two
 * statements per tick for 500 bots; whether a lease has run out is decided by the database's clock, for every hub alike.
 */
export class Leases {
  readonly #ports: LeasePorts;
  readonly #loop: Loop;
  /** When the last turn ended that worked. */
  #workedAtMs = performance.now();

  constructor(ports: LeasePorts) {
    this.#ports = ports;
    this.#loop = new Loop(() => this.#tick(), {
      pollMs: ports.times.tickMs,
      backoff: retryBackoff,
      onError: (error, retryInMs) =>
        ports.logger.warn({ err: error, retryInMs }, 'leases are not renewed; tried again'),
    });
  }

  start(): void {
    this.#loop.start();
  }

  stop(): Promise<void> {
    return this.#loop.stop();
  }

  /** The lease under which the bot may report, as far as memory vouches for it: nothing to wait for. */
  fresh(bot: LiveBot, taskId: string, fence: number): Held | undefined {
    const known = bot.find(taskId);
    const vouches = known?.isLeased && known.task.fence === fence && known.expiresAtMs > performance.now();
    return vouches && !mayBeUntold(known.task, known.running) ? known : undefined;
  }

  /**
   * The lease under which the bot may report where it is not `fresh` (this process was stopped, the database was away, an earlier attempt was
   * lost): the table is asked, and the lease is renewed or the report refused.
   * @throws MallError UNAVAILABLE while the loss of the earlier attempt has not left the outbox: see `lockQueued`
   */
  async verify(bot: LiveBot, taskId: string, fence: number): Promise<Held | Refusal> {
    const askedAtMs = performance.now();
    const known = bot.find(taskId);
    if (known && fence < known.task.fence) return misfit(known.task, bot.botId, fence)!;
    const { botId, epoch } = bot;
    const renewal: Renewal = { taskId, fence, botId, epoch, running: known?.running ?? false };
    const { leaseMs } = this.#ports.times;
    const { renewed, task, untold } = await this.#ports.database.query(async (orm) => ({
      renewed: (await renewLeases(orm, [renewal], leaseMs)).get(taskId),
      task: await findTask(orm, taskId),
      untold: await isUntold(orm, taskId),
    }));
    if (renewed && task) {
      if (untold && mayBeUntold(task, renewal.running)) {
        throw unavailable(`the loss of attempt ${task.attempt - 1} of task ${taskId} is not told yet`, 'LOSS_NOT_TOLD');
      }
      return bot.leased(renewedTask(task, renewed), askedAtMs + renewed.leftMs);
    }
    bot.drop(taskId, fence);
    if (!task) return { reason: 'UNKNOWN_TASK', message: `task_id "${taskId}" names no task of this fleet; forget it` };
    const message = `task_id names a task that is ${task.phase.state}; report only between its lease and its result`;
    return misfit(task, botId, fence) ?? { reason: 'WRONG_STATE', message };
  }

  async #tick(): Promise<boolean> {
    this.#noteStall();
    this.#noteHerd();
    this.#endSilent();
    await this.#renew();
    // Also between two statements this process may have been stopped.
    this.#noteStall();
    const ended = this.#ports.patience.mayJudge(performance.now()) ? await this.#expire() : 0;
    const overdue = (await this.#ports.ledger.endOverdue()).length;
    this.#workedAtMs = performance.now();
    return ended === maxTasksPerTransaction || overdue === maxTasksPerTransaction;
  }

  /**
   * Who was not awake has not heard the heartbeats of that time, and must not judge by their absence. While the database was away no hub
   * could write them down, and no bot could come back.
   */
  #noteStall(): void {
    const { times, patience } = this.#ports;
    const nowMs = performance.now();
    if (nowMs - this.#workedAtMs > times.leaseMs / 2) patience.wasAway(nowMs);
  }

  #noteHerd(): void {
    const { roster, patience, takeArrivals, onHerd } = this.#ports;
    if (patience.came(takeArrivals(), roster.size, performance.now())) onHerd();
  }

  #endSilent(): void {
    const { times, patience } = this.#ports;
    const { leaseMs, declinePauseMs } = times;
    const nowMs = performance.now();
    const mayJudge = patience.mayJudge(nowMs);
    for (const seat of [...this.#ports.roster.seats]) {
      seat.bot.forgetUnanswered(nowMs, nowMs + declinePauseMs);
      if (mayJudge && nowMs - seat.bot.heardAtMs > leaseMs) seat.input({ type: 'silent', forMs: leaseMs });
    }
  }

  async #renew(): Promise<void> {
    const { roster, times } = this.#ports;
    const seats = [...roster.seats].filter(({ bot }) => bot.hasBeaten);
    const pauseMs = times.tickMs * pausePart;
    for (let first = 0; first < seats.length; first += maxBeatsAtOnce) {
      if (first > 0) await pause(pauseMs);
      const some = seats.slice(first, first + maxBeatsAtOnce);
      // Who has left meanwhile is kept for as long as its end says, which may be not at all.
      await this.#renewSome(some.filter((seat) => roster.find(seat.bot.botId) === seat));
    }
  }

  async #renewSome(seats: readonly Seat[]): Promise<void> {
    const { database, roster, times, metrics } = this.#ports;
    const { beats, named } = takeBeats(seats);
    const renewals = named.map(({ renewal }) => renewal);
    const startedAtMs = performance.now();
    try {
      const { superseded, leases } = await database.query(async (orm) => ({
        superseded: await renewSessions(orm, beats, times.leaseMs),
        leases: renewals.length > 0 ? await renewLeases(orm, renewals, times.leaseMs) : new Map<string, Renewed>(),
      }));
      metrics.renewed(leases.size);
      // The notification of the hub that has the bot now was lost; the table has not forgotten.
      for (const { botId, epoch } of superseded) roster.supersede(botId, epoch + 1);
      for (const each of named) this.#renewed(each, leases.get(each.renewal.taskId), startedAtMs);
    } catch (error) {
      for (const { bot } of seats) bot.returnBeat();
      for (const { seat, renewal } of named) seat.bot.returnRenewal(renewal);
      throw error;
    }
  }

  #renewed({ seat, renewal: { taskId, fence }, sentAt }: Named, renewed: Renewed | undefined, askedAtMs: number): void {
    const { times, policyOf } = this.#ports;
    const held = seat.bot.find(taskId);
    if (held?.task.fence !== fence) return;
    if (!renewed) {
      this.#lose(seat, taskId, fence, 'the lease ran out');
      return;
    }
    held.expiresAtMs = askedAtMs + renewed.leftMs;
    held.task = renewedTask(held.task, renewed);
    const { cancelReason: reason } = renewed;
    // The note of the hub that was asked was lost.
    if (reason !== undefined && !held.recalled) sendRecall(seat, { botId: seat.bot.botId, taskId, fence, reason });
    else if (reason === undefined && policyOf(held.task.schema.kind).whileCutOff === 'stop') {
      const duration = durationOf(times.leaseMs);
      seat.send({ $case: 'lease', value: { taskId, fence, duration, renewedBy: sentAt } }, '');
    }
  }

  /** How many offers and leases have ended. */
  async #expire(): Promise<number> {
    const { ledger, roster, times } = this.#ports;
    const ended = await ledger.expire();
    for (const { before, decision } of ended) {
      if (!('heldUntil' in before.phase)) continue;
      const { botId, state } = before.phase;
      const seat = roster.find(botId);
      if (state === 'OFFERED') {
        seat?.bot.drop(before.taskId, before.fence);
        seat?.bot.shun(before.taskId, performance.now() + times.declinePauseMs);
      } else if (seat && decision.task.phase.state !== 'SUSPECT') {
        this.#lose(seat, before.taskId, before.fence, 'the lease ran out');
      }
    }
    return ended.length;
  }

  #lose(seat: Seat, taskId: string, fence: number, reason: string): void {
    if (!seat.bot.drop(taskId, fence)) return;
    const about = { ...aboutSession(seat.bot), [ATTR_TASK_ID]: taskId, [ATTR_FENCE]: fence };
    this.#ports.logger.info({ ...about, reason }, 'the bot is told that it has lost a task');
    const message = `task_id ${taskId} is no longer yours: ${reason}; stop`;
    seat.send(nackOf(0, { reason: 'STALE_FENCE', message }, { taskId, fence }), '');
  }
}

/** Beats as `renewSessions` takes them, and what else is wanted. */
function takeBeats(seats: readonly Seat[]): { readonly beats: string; readonly named: readonly Named[] } {
  const named: Named[] = [];
  const beats = seats.map((seat) => {
    const { beat, sentAt, renewals } = seat.bot.takeBeat();
    for (const renewal of renewals) named.push({ seat, renewal, sentAt });
    return beat;
  });
  return { beats: beatsAsJson(beats), named };
}

/** What is being cancelled is not as memory has it. */
const renewedTask = ({ version: _, ...task }: Task, { version, cancelReason }: Renewed): Task =>
  cancelReason === undefined ? { ...task, version } : task;

/** An attempt before this one was lost, and nothing has been said under this fence yet. */
const mayBeUntold = ({ attempt }: Task, running: boolean): boolean => attempt > 1 && !running;
