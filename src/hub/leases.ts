import { context } from '@opentelemetry/api';
import type { Logger } from 'pino';
import type { Database } from '../database/port.ts';
import { Loop } from '../kit/loop.ts';
import { contextOf } from '../telemetry/propagation.ts';
import { renewSessions } from './bot-store.ts';
import type { HubMetrics } from './hub-metrics.ts';
import type { Ledger } from './ledger.ts';
import { type HubTimes, maxTasksPerTransaction, retryBackoff } from './limits.ts';
import type { Held, LiveBot } from './live-bot.ts';
import { nackOf, type Refusal } from './refusal.ts';
import type { Roster, Seat } from './roster.ts';
import { misfit } from './task.ts';
import { taskAttributes } from './task-attributes.ts';
import { findTask, type Renewal, renewLeases } from './task-store.ts';

export interface LeasePorts {
  readonly database: Database;
  readonly roster: Roster;
  readonly ledger: Ledger;
  readonly times: HubTimes;
  readonly metrics: HubMetrics;
  readonly logger: Logger;
}

/**
 * Keeps what the bots of this hub hold, and ends what nobody keeps. Heartbeats are gathered and renew sessions and leases in two
 * statements per tick, however many bots there are; whether a lease has run out is decided by the database's clock, for every hub alike.
 */
export class Leases {
  readonly #ports: LeasePorts;
  readonly #loop: Loop;
  /** When the last turn ended that worked. */
  #workedAtMs = performance.now();
  #judgeFromMs: number;

  constructor(ports: LeasePorts) {
    this.#ports = ports;
    // The bots of a hub that was down need a moment to come back.
    this.#judgeFromMs = performance.now() + ports.times.leaseMs;
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
    return vouches ? known : undefined;
  }

  /**
   * The lease under which the bot may report where it is not `fresh` (this process was stopped, the database was away): the table is asked, and
   * the lease is renewed or the report refused.
   */
  async verify(bot: LiveBot, taskId: string, fence: number): Promise<Held | Refusal> {
    const askedAtMs = performance.now();
    const known = bot.find(taskId);
    if (known && fence < known.task.fence) return misfit(known.task, bot.botId, fence)!;
    const { botId, epoch } = bot;
    const renewal: Renewal = { taskId, fence, botId, epoch, running: known?.running ?? false };
    const { leaseMs } = this.#ports.times;
    const { isKept, task } = await this.#ports.database.query(async (orm) => ({
      isKept: (await renewLeases(orm, [renewal], leaseMs)).has(taskId),
      task: await findTask(orm, taskId),
    }));
    if (isKept && task) return bot.leased(task, askedAtMs + leaseMs);
    bot.drop(taskId, fence);
    if (!task) return { reason: 'UNKNOWN_TASK', message: `task_id "${taskId}" names no task of this fleet; forget it` };
    const message = `task_id names a task that is ${task.phase.state}; report only between its lease and its result`;
    return misfit(task, botId, fence) ?? { reason: 'WRONG_STATE', message };
  }

  async #tick(): Promise<boolean> {
    this.#noteStall();
    this.#endSilent();
    await this.#renew();
    const ended = performance.now() < this.#judgeFromMs ? 0 : await this.#expire();
    this.#workedAtMs = performance.now();
    return ended === maxTasksPerTransaction;
  }

  /**
   * Who was not awake has not heard the heartbeats of that time, and must not judge by their absence. While the database was away no hub
   * could write them down, and no bot could come back.
   */
  #noteStall(): void {
    const { leaseMs } = this.#ports.times;
    const nowMs = performance.now();
    if (nowMs - this.#workedAtMs > leaseMs / 2) this.#judgeFromMs = nowMs + leaseMs;
  }

  #endSilent(): void {
    const { leaseMs, declinePauseMs } = this.#ports.times;
    const nowMs = performance.now();
    for (const seat of [...this.#ports.roster.seats]) {
      seat.bot.forgetUnanswered(nowMs, nowMs + declinePauseMs);
      if (nowMs - seat.bot.heardAtMs > leaseMs && nowMs >= this.#judgeFromMs)
        seat.input({ type: 'silent', forMs: leaseMs });
    }
  }

  async #renew(): Promise<void> {
    const { database, roster, times, metrics } = this.#ports;
    const taken = [...roster.seats].flatMap((seat) => {
      const beat = seat.bot.takeBeat();
      return beat ? [{ seat, ...beat }] : [];
    });
    if (taken.length === 0) return;
    const startedAtMs = performance.now();
    try {
      const renewals = taken.flatMap(({ renewals }) => renewals);
      const { sessions, leases } = await database.query(async (orm) => ({
        sessions: await renewSessions(
          orm,
          taken.map(({ beat }) => beat),
          times.leaseMs,
        ),
        leases: renewals.length > 0 ? await renewLeases(orm, renewals, times.leaseMs) : new Set<string>(),
      }));
      metrics.renewed(leases.size);
      for (const { seat, beat, renewals } of taken) {
        // The notification of the hub that has the bot now was lost; the table has not forgotten.
        if (!sessions.has(beat.botId)) seat.input({ type: 'superseded', epoch: beat.epoch + 1 });
        for (const { taskId, fence } of renewals) {
          const held = seat.bot.find(taskId);
          if (held?.task.fence !== fence) continue;
          if (leases.has(taskId)) held.expiresAtMs = startedAtMs + times.leaseMs;
          else this.#lose(seat, taskId, fence, 'the lease ran out');
        }
      }
    } catch (error) {
      for (const { seat, renewals } of taken) seat.bot.returnBeat(renewals);
      throw error;
    }
  }

  /** How many offers and leases have ended. */
  async #expire(): Promise<number> {
    const { ledger, roster, times, logger } = this.#ports;
    const ended = await ledger.expire();
    for (const { before, decision } of ended) {
      if (!('heldUntil' in before.phase)) continue;
      const { botId, state } = before.phase;
      const seat = roster.find(botId);
      const about = taskAttributes(before, { botId, sessionId: seat?.bot.sessionId ?? '' });
      context.with(contextOf(before.traceparent), () =>
        logger.info({ ...about, was: state, is: decision.task.phase.state }, 'offer or lease ran out'),
      );
      if (state === 'OFFERED') {
        seat?.bot.drop(before.taskId, before.fence);
        seat?.bot.shun(before.taskId, performance.now() + times.declinePauseMs);
      } else if (seat) this.#lose(seat, before.taskId, before.fence, 'the lease ran out');
    }
    return ended.length;
  }

  #lose(seat: Seat, taskId: string, fence: number, reason: string): void {
    if (!seat.bot.drop(taskId, fence)) return;
    const message = `task_id ${taskId} is no longer yours: ${reason}; stop`;
    seat.send(nackOf(0, { reason: 'STALE_FENCE', message }, { taskId, fence }), '');
  }
}
