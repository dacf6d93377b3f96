import { MallError } from '../contract/errors.ts';
import type { Outbox } from '../database/outbox.ts';
import type { Database, Orm, Transaction } from '../database/port.ts';
import { parseTraceparent } from '../telemetry/propagation.ts';
import { admitBot } from './admission.ts';
import { Batch } from './batch.ts';
import { claimBot, lockBot } from './bot-store.ts';
import type { Choose } from './dispatch.ts';
import type { Introduction } from './hello.ts';
import { type HubTimes, maxTasksPerTransaction } from './limits.ts';
import { lockQueued, type Takers } from './queue-store.ts';
import { type Decision, decideTask, type Task, type TaskInput } from './task.ts';
import { insertTasks, lockExpired, lockTasks, lockTasksOf, saveTasks } from './task-store.ts';

export type Changed = Extract<Decision, { verdict: 'changed' }>;

/** A task before and after. */
export interface Transition {
  readonly before: Task;
  readonly decision: Changed;
}

export interface LedgerPorts {
  readonly database: Database;
  readonly outbox: Outbox;
  readonly times: HubTimes;
  readonly hubId: string;
  /** Tasks are waiting for bots. */
  readonly onQueued: () => void;
}

export interface Admitted {
  readonly epoch: number;
  /** The hub of the stream that this one ends. */
  readonly supersededOn: string | undefined;
  /** What the bot said it holds and does. */
  readonly kept: readonly Task[];
}

interface Entry {
  readonly taskId: string;
  readonly input: TaskInput;
  /** Of the span that the input's events belong to. */
  readonly traceparent: string;
}

/** The task table: every change is a decision of `decideTask`, under the row's lock, and commits with its events. */
export class Ledger {
  readonly #ports: LedgerPorts;
  readonly #inputs: Batch<Entry, Decision>;

  constructor(ports: LedgerPorts) {
    this.#ports = ports;
    this.#inputs = new Batch(maxTasksPerTransaction, (entries) => this.#applyAll(entries));
  }

  /** Resolves when the decision is durable. Inputs that wait at the same moment share a transaction. */
  apply(taskId: string, input: TaskInput, traceparent: string): Promise<Decision> {
    return this.#inputs.add({ taskId, input, traceparent });
  }

  /**
   * New tasks, those that `choose` finds a bot for offered to it at once; answers with these. Tasks that are POISON from the start come with the
   * event that says so. Known ids change nothing.
   */
  async ingest(added: readonly Changed[], choose: Choose): Promise<Task[]> {
    const { database, times, onQueued } = this.#ports;
    const inserted = await database.transaction(async (tx) => {
      const now = new Date();
      const isOfferable = ({ phase, deadline }: Task) => phase.state === 'QUEUED' && (!deadline || deadline > now);
      const queued = added.map(({ task }) => task).filter(isOfferable);
      const offers = new Map(choose(queued).map(({ task, botId }) => [task.taskId, this.#offered(task, botId)]));
      const tasks = added.map(({ task }) => offers.get(task.taskId) ?? task);
      const inserted = await insertTasks(tx.orm, tasks, times.offerMs);
      const ids = new Set(inserted.map(({ taskId }) => taskId));
      const news = added.filter(({ task }) => ids.has(task.taskId));
      await this.#publish(
        tx,
        news.map((decision) => ({ decision, traceparent: decision.task.traceparent })),
      );
      return inserted;
    });
    if (inserted.some(({ phase }) => phase.state === 'QUEUED')) onQueued();
    return inserted.filter(({ phase }) => phase.state === 'OFFERED');
  }

  /** Offers queued tasks that `takers` can take to the bots that `choose` names, and answers with those; looks at up to `limit` of each head. */
  async offer(takers: Takers, limit: number, choose: Choose): Promise<Task[]> {
    return this.#ports.database.transaction(async ({ orm }) => {
      const { now, tasks } = await lockQueued(orm, takers, limit);
      const offered = choose(tasks).map(
        ({ task, botId }) => this.#decide(task, { type: 'offered', botId }, now) as Changed,
      );
      await save(orm, offered);
      return offered.map(({ task }) => task);
    });
  }

  /** Ends offers and leases whose time is over. */
  async expire(): Promise<Transition[]> {
    const transitions = await this.#ports.database.transaction(async (tx) => {
      const { now, tasks } = await lockExpired(tx.orm, maxTasksPerTransaction);
      const ended = tasks.map((before) => ({
        before,
        decision: this.#decide(before, { type: 'expired' }, now) as Changed,
      }));
      await this.#commit(
        tx,
        ended.map(({ decision }) => ({ decision, traceparent: decision.task.traceparent })),
      );
      return ended;
    });
    if (transitions.length > 0) this.#ports.onQueued();
    return transitions;
  }

  /**
   * Makes `sessionId` the bot's session. Tasks that the bot holds and still has are kept; those that it has by the table but does not hold are lost.
   * @throws MallError ALREADY_EXISTS when another live instance has the bot id
   */
  async admit(introduction: Introduction, sessionId: string): Promise<Admitted> {
    const { database, hubId, times } = this.#ports;
    const { botId, instanceId, bootCount, position, held } = introduction;
    const admitted = await database.transaction(async (tx) => {
      const known = await lockBot(tx.orm, botId);
      const { supersededOn } = admitBot(known, introduction, known?.now);
      const knownEpoch = known?.epoch ?? 0;
      const claim = { botId, instanceId, bootCount, sessionId, hubId, position, knownEpoch };
      const epoch = await claimBot(tx.orm, claim, times.leaseMs);
      if (epoch === undefined) {
        throw new MallError('ABORTED', `another stream of bot "${botId}" came first; connect again`, {
          reason: 'SUPERSEDED',
          field: 'hello.bot_id',
          value: botId,
        });
      }
      const { now, tasks } = await lockTasksOf(tx.orm, botId);
      const decisions = tasks.map((task) => {
        const fence = held.find(({ taskId }) => taskId === task.taskId)?.fence;
        const resumed = fence === undefined ? undefined : this.#decide(task, { type: 'resumed', botId, fence }, now);
        if (resumed?.verdict === 'changed') return { decision: resumed, kept: true };
        const reason = 'the bot came back without it';
        return { decision: this.#decide(task, { type: 'dropped', botId, reason }, now) as Changed, kept: false };
      });
      await this.#commit(
        tx,
        decisions.map(({ decision }) => ({ decision, traceparent: decision.task.traceparent })),
      );
      const kept = decisions.filter(({ kept }) => kept).map(({ decision }) => decision.task);
      return { epoch, supersededOn, kept, anyQueued: kept.length < decisions.length };
    });
    if (admitted.anyQueued) this.#ports.onQueued();
    return admitted;
  }

  async #applyAll(entries: readonly Entry[]): Promise<readonly Decision[]> {
    const decisions = await this.#ports.database.transaction(async (tx) => {
      const { now, tasks } = await lockTasks(tx.orm, [...new Set(entries.map(({ taskId }) => taskId))]);
      const current = new Map(tasks.map((task) => [task.taskId, task]));
      const made = entries.map(({ taskId, input, traceparent }) => {
        const decision = this.#decide(current.get(taskId), input, now);
        if (decision.verdict === 'changed') current.set(taskId, decision.task);
        return { decision, traceparent };
      });
      const changed = made.filter(
        (entry): entry is typeof entry & { decision: Changed } => entry.decision.verdict === 'changed',
      );
      await this.#commit(tx, changed);
      return made.map(({ decision }) => decision);
    });
    const isQueued = (decision: Decision) => decision.verdict === 'changed' && decision.task.phase.state === 'QUEUED';
    if (decisions.some(isQueued)) this.#ports.onQueued();
    return decisions;
  }

  /** The statement that inserts the task puts the database's clock in the place of this one. */
  #offered(task: Task, botId: string): Task {
    return (this.#decide(task, { type: 'offered', botId }, new Date()) as Changed).task;
  }

  #decide(task: Task | undefined, input: TaskInput, now: Date): Decision {
    return decideTask(task, input, now, this.#ports.times);
  }

  async #commit(tx: Transaction, changes: ReadonlyArray<{ decision: Changed; traceparent: string }>): Promise<void> {
    await save(
      tx.orm,
      changes.map(({ decision }) => decision),
    );
    await this.#publish(tx, changes);
  }

  async #publish(tx: Transaction, changes: ReadonlyArray<{ decision: Changed; traceparent: string }>): Promise<void> {
    const letters = changes.flatMap(({ decision: { task, events }, traceparent }) => {
      const sender = parseTraceparent(traceparent) ? traceparent : task.traceparent;
      return events.map((draft) => ({ draft, causationId: task.causationId, traceparent: sender }));
    });
    await this.#ports.outbox.addAll(tx, letters);
  }
}

/** The last decision about a task counts. */
async function save(orm: Orm, decisions: readonly Changed[]): Promise<void> {
  const last = new Map(decisions.map(({ task }) => [task.taskId, task]));
  if (last.size > 0) await saveTasks(orm, [...last.values()]);
}
