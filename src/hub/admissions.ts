import { MallError } from '../contract/errors.ts';
import type { Database, Transaction } from '../database/port.ts';
import { type Admission, admitBot } from './admission.ts';
import { Batch } from './batch.ts';
import { type BotRow, type Claim, claimBots, lockBots } from './bot-store.ts';
import type { Changed } from './change.ts';
import type { Introduction } from './hello.ts';
import type { Ledger } from './ledger.ts';
import { type HubLimits, type HubTimes, maxAdmissionsPerTransaction } from './limits.ts';
import { isTokenOf } from './resume-token.ts';
import type { Task } from './task-phase.ts';
import { lockTasksOf } from './task-store.ts';

/** A stream that wants to be its bot's newest. */
export interface Applicant {
  readonly introduction: Introduction;
  /** Of the session, unless it goes on under the one that the bot had. */
  readonly sessionId: string;
  /** Of the token that the bot will have. */
  readonly resumeDigest: Uint8Array;
  /** The stream has ended: a bot that gave up waiting may have another by now. */
  readonly isGone: () => boolean;
}

export interface Admitted {
  readonly epoch: number;
  readonly sessionId: string;
  /** The session is the one that the bot had before this stream. */
  readonly continues: boolean;
  /** The hub of the stream that this one ends. */
  readonly supersededOn: string | undefined;
  /** What the bot said it holds and does. */
  readonly kept: readonly Task[];
  /** Of those among them that were lost and are given back: the fence under which the bot still has them, by task. */
  readonly renewed: ReadonlyMap<string, number>;
  /** Tasks that have ended by this bot's result, which it still has because it has not heard so. */
  readonly ended: ReadonlySet<string>;
}

export interface AdmissionPorts {
  readonly database: Database;
  readonly ledger: Ledger;
  readonly times: HubTimes;
  readonly limits: Pick<HubLimits, 'maxUnacknowledged'>;
  readonly hubId: string;
  /** Tasks are waiting for bots. */
  readonly onQueued: () => void;
}

/** A task of a bot that is back. */
interface Return {
  readonly botId: string;
  /** Under which the bot has had it. */
  readonly fence: number;
  readonly decision: Changed;
  readonly isKept: boolean;
}

type Outcome = Admitted | MallError;
type ByBot = ReadonlyMap<string, Applicant>;

/** Who may come in: those who ask at the same moment, as all do after a restart, share a transaction. */
export class Admissions {
  readonly #ports: AdmissionPorts;
  readonly #waiting: Batch<Applicant, Outcome>;
  #arrivals = 0;

  constructor(ports: AdmissionPorts) {
    this.#ports = ports;
    this.#waiting = new Batch(maxAdmissionsPerTransaction, (applicants) => this.#admitAll(applicants));
  }

  /** Streams that have asked since the last call. */
  takeArrivals(): number {
    const arrivals = this.#arrivals;
    this.#arrivals = 0;
    return arrivals;
  }

  /**
   * Makes the stream its bot's newest. Tasks that the bot holds and still has, or may take up again, are kept; those that it has by
   * the table but does not hold are lost.
   * @throws MallError ALREADY_EXISTS when another live instance has the bot id, ABORTED when another stream came first or this one is gone
   */
  async admit(applicant: Applicant): Promise<Admitted> {
    this.#arrivals += 1;
    const outcome = await this.#waiting.add(applicant);
    if (outcome instanceof MallError) throw outcome;
    return outcome;
  }

  /** One stream of a bot at a time: the next one of the same bot has to see what became of the first. */
  async #admitAll(applicants: readonly Applicant[]): Promise<readonly Outcome[]> {
    const outcomes = new Map<Applicant, Outcome>();
    let rest = applicants;
    while (rest.length > 0) {
      const first = new Map<string, Applicant>();
      for (const applicant of rest) {
        const { botId } = applicant.introduction;
        if (applicant.isGone()) outcomes.set(applicant, cameSecond(botId));
        else if (!first.has(botId)) first.set(botId, applicant);
      }
      const admitted = first.size > 0 ? await this.#admitEach(first) : undefined;
      for (const [botId, applicant] of first) outcomes.set(applicant, admitted?.get(botId) ?? cameSecond(botId));
      rest = rest.filter((applicant) => !outcomes.has(applicant));
    }
    return applicants.map((applicant) => outcomes.get(applicant)!);
  }

  async #admitEach(applicants: ByBot): Promise<Map<string, Outcome>> {
    const { database, ledger, times, onQueued } = this.#ports;
    const { outcomes, areQueued } = await database.transaction(async (tx) => {
      const known = await lockBots(tx.orm, [...applicants.keys()]);
      const outcomes = new Map<string, Outcome>();
      const claims = new Map<string, Claim & Admission>();
      for (const [botId, applicant] of applicants) {
        const claim = this.#judge(applicant, known.get(botId));
        if (claim instanceof MallError) outcomes.set(botId, claim);
        else claims.set(botId, claim);
      }
      const epochs = await claimBots(tx.orm, [...claims.values()], times.leaseMs);
      const claimed = [...epochs.keys()].flatMap((botId) => applicants.get(botId)!.introduction.held);
      const { now, tasks: found } = await lockTasksOf(
        tx.orm,
        [...epochs.keys()],
        claimed.map(({ taskId }) => taskId),
      );
      const admitted = new Map([...applicants].filter(([botId]) => epochs.has(botId)));
      const returned = found.flatMap((task) => this.#returned(tx, task, admitted, now));
      await ledger.commit(tx, returned);
      const kept = returned.filter(({ isKept }) => isKept);
      const byBot = Map.groupBy(kept, ({ botId }) => botId);
      for (const [botId, epoch] of epochs) {
        const { sessionId, continues, supersededOn } = claims.get(botId)!;
        const of = byBot.get(botId) ?? [];
        const tasks = of.map(({ decision }) => decision.task);
        const renewed = new Map(
          of.flatMap(({ decision: { task }, fence }) => (fence < task.fence ? [[task.taskId, fence] as const] : [])),
        );
        const ended = endedBy(applicants.get(botId)!, found);
        outcomes.set(botId, { epoch, sessionId, continues, supersededOn, kept: tasks, renewed, ended });
      }
      return { outcomes, areQueued: kept.length < returned.length };
    });
    if (areQueued) onQueued();
    return outcomes;
  }

  #judge(applicant: Applicant, known: (BotRow & { now: Date }) | undefined): (Claim & Admission) | MallError {
    const { introduction, resumeDigest, sessionId } = applicant;
    const { botId, instanceId, bootCount, position, resumeToken, supports, anyKind, credits } = introduction;
    const { hubId, limits } = this.#ports;
    try {
      const hasNewestToken = isTokenOf(known?.resumeDigest ?? null, resumeToken);
      const admission = admitBot(known, introduction, hasNewestToken);
      return {
        ...{ botId, instanceId, bootCount, resumeDigest, hubId, position, kinds: supports, anyKind, ...admission },
        credits: Array.from(credits, ([kind, amount]) => ({ kind, amount })),
        maxUnacknowledged: limits.maxUnacknowledged,
        sessionId: admission.continues ? known!.sessionId : sessionId,
        knownEpoch: known?.epoch ?? 0,
      };
    } catch (error) {
      return MallError.from(error);
    }
  }

  /** What becomes of a task that a bot has by the table, or says it has, when the bot is back; nothing when it is neither its own nor was. */
  #returned(tx: Transaction, task: Task, applicants: ByBot, now: Date): Return[] {
    const { ledger } = this.#ports;
    const { phase, lost } = task;
    const holder = 'botId' in phase ? phase.botId : '';
    for (const botId of new Set([lost?.botId ?? '', holder])) {
      const held = applicants.get(botId)?.introduction.held.find(({ taskId }) => taskId === task.taskId);
      if (!held) continue;
      const { fence } = held;
      const decision = ledger.decide(tx, task, { type: 'resumed', botId, fence }, now);
      if (decision.verdict === 'changed') return [{ botId, fence, decision, isKept: true }];
    }
    if (!applicants.has(holder)) return [];
    const reason = 'the bot came back without it';
    const decision = ledger.decide(tx, task, { type: 'dropped', botId: holder, reason }, now);
    return decision.verdict === 'changed' ? [{ botId: holder, fence: task.fence, decision, isKept: false }] : [];
  }
}

/** Tasks whose result is the one that the bot still has: it sends it again, and is told that it counts. */
export function endedBy({ introduction: { botId, held } }: Applicant, tasks: readonly Task[]): Set<string> {
  const isEnded = ({ taskId, fence }: (typeof held)[number]) =>
    tasks.some(
      (task) =>
        task.taskId === taskId &&
        task.fence === fence &&
        (task.phase.state === 'SUCCEEDED' || task.phase.state === 'FAILED') &&
        task.phase.botId === botId,
    );
  return new Set(held.filter((each) => each.finished && isEnded(each)).map(({ taskId }) => taskId));
}

const cameSecond = (botId: string) =>
  new MallError('ABORTED', `another stream of bot "${botId}" came first; connect again`, {
    reason: 'SUPERSEDED',
    field: 'hello.bot_id',
    value: botId,
  });
