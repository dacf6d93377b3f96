import type { Logger } from 'pino';
import type { Outbox } from '../database/outbox.ts';
import type { Database, Orm, Transaction } from '../database/port.ts';
import { Batch } from './batch.ts';
import { epochsOf, type StreamKey } from './bot-store.ts';
import { type Change, type Changed, lettersOf, outdated, save, type Versions, withVersion, write } from './change.ts';
import { swapTasks } from './change-store.ts';
import type { Choice, Choose } from './dispatch.ts';
import type { HubMetrics } from './hub-metrics.ts';
import type { PolicyOf } from './kinds/policy.ts';
import { type HubTimes, maxTasksPerTransaction } from './limits.ts';
import { type AttemptRow, addAttempts } from './protocol/trial-store.ts';
import type { Trials } from './protocol/trials.ts';
import { lockOverdue, lockQueued, type Takers, waitedFor } from './queue-store.ts';
import type { Roster } from './roster.ts';
import { decideTask, type TaskInput } from './task.ts';
import type { Decision } from './task-ends.ts';
import { logTask } from './task-log.ts';
import type { Task } from './task-phase.ts';
import { insertTasks, lockExpired, lockTasks, type Offer } from './task-store.ts';

/** A task before and after. */
export interface Transition {
  readonly before: Task;
  readonly decision: Changed;
}

export interface LedgerPorts {
  readonly database: Database;
  readonly outbox: Outbox;
  readonly times: HubTimes;
  readonly policyOf: PolicyOf;
  readonly roster: Pick<Roster, 'findAny'>;
  readonly metrics: HubMetrics;
  /** What the end of an attempt says to a rollout; undefined when it says nothing. */
  readonly trialOf: Trials['ended'];
  /** A revision of the task's kind is tried just now. */
  readonly isTried: (task: Task | undefined) => boolean;
  readonly logger: Logger;
  /** Tasks are waiting for bots. */
  readonly onQueued: () => void;
  /** The bot has a newer stream than the one of this hub. */
  readonly onSuperseded: (botId: string, epoch: number) => void;
}

interface Entry {
  readonly taskId: string;
  readonly input: TaskInput;
  /** Of the span that the input's events belong to. */
  readonly traceparent: string;
  /** The stream that brought it, where one did. */
  readonly stream: StreamKey | undefined;
}

/** As an `Entry`, about a task that is known. */
interface Known extends Entry {
  readonly known: Task;
  readonly stream: StreamKey;
}

/**
 * The task table: every change is a decision of `decideTask`, about the row as it is (under its lock, or where it is still of the version that is
 * known), and commits with its events.
 */
export class Ledger {
  readonly #ports: LedgerPorts;
  readonly #inputs: Batch<Entry, Decision>;
  readonly #swaps: Batch<Known, Decision | undefined>;
  /** Attempts that decisions of a transaction have ended, written by its `commit`. */
  readonly #ended = new WeakMap<Transaction, AttemptRow[]>();

  constructor(ports: LedgerPorts) {
    this.#ports = ports;
    this.#inputs = new Batch(maxTasksPerTransaction, (entries) => this.#applyAll(entries));
    this.#swaps = new Batch(maxTasksPerTransaction, (entries) => this.#swapAll(entries));
  }

  /**
   * Resolves when the decision is durable. Inputs that wait at the same moment share a transaction. What came on a `stream` is refused when the
   * bot has a newer one, on whichever hub. `known` is the task as memory has it: where its row is still of that version, the usual inputs of a
   * task's life take one statement.
   */
  async apply(
    taskId: string,
    input: TaskInput,
    traceparent: string,
    stream?: StreamKey,
    known?: Task,
  ): Promise<Decision> {
    const entry = { taskId, input, traceparent, stream };
    // What ends while a revision of its kind is tried is written with that.
    const isUsual = input.type === 'accepted' || (input.type === 'succeeded' && !this.#ports.isTried(known));
    if (isUsual && stream && known?.version !== undefined) {
      const decision = await this.#swaps.add({ ...entry, known, stream });
      if (decision) return decision;
    }
    return this.#inputs.add(entry);
  }

  /**
   * New tasks, those that `choose` finds a bot for offered to it at once; answers with these. Tasks that are POISON from the start come with the
   * event that says so. Known ids change nothing, and an offer on a stream that is not its bot's newest leaves the task queued.
   */
  async ingest(added: readonly Changed[], choose: Choose): Promise<Task[]> {
    const { database, onQueued } = this.#ports;
    const insert = (orm: Orm) => this.#insert(orm, added, choose);
    const isSilent = added.every(({ events }) => events.length === 0);
    const inserted = isSilent ? await database.query(insert) : await this.#insertAndTell(added, insert);
    if (inserted.some(({ phase }) => phase.state === 'QUEUED')) onQueued();
    return inserted.filter(({ phase }) => phase.state === 'OFFERED');
  }

  async #insert(orm: Orm, added: readonly Changed[], choose: Choose): Promise<Task[]> {
    const { times, onSuperseded } = this.#ports;
    const now = new Date();
    const isOfferable = ({ phase, deadline }: Task) => phase.state === 'QUEUED' && (!deadline || deadline > now);
    const tasks = added.map(({ task }) => task);
    // The statement that inserts the task puts the database's clock in the place of `now`.
    const offers = new Map(
      choose(tasks.filter(isOfferable)).map(({ task, botId, epoch, schema }): [string, Offer] => {
        const { task: offered } = this.#judge(task, { type: 'offered', botId, schema }, now) as Changed;
        return [task.taskId, { task: offered, botId, epoch }];
      }),
    );
    const inserted = await insertTasks(orm, tasks, offers, times.offerMs);
    for (const { taskId, phase } of inserted) {
      const offer = offers.get(taskId);
      // Not its bot's newest stream: the next one has the next epoch at least.
      if (offer && phase.state === 'QUEUED') onSuperseded(offer.botId, offer.epoch + 1);
    }
    return inserted;
  }

  /** What was known before is not told again. */
  #insertAndTell(added: readonly Changed[], insert: (orm: Orm) => Promise<Task[]>): Promise<Task[]> {
    return this.#ports.database.transaction(async (tx) => {
      const inserted = await insert(tx.orm);
      const ids = new Set(inserted.map(({ taskId }) => taskId));
      const news = added.filter(({ task }) => ids.has(task.taskId));
      await this.#publish(
        tx,
        news.map((decision) => ({ decision })),
      );
      return inserted;
    });
  }

  /** The bots that queued tasks wait for; '' when there are some that any bot may have. */
  waitedFor(): Promise<readonly string[]> {
    return this.#ports.database.query(waitedFor);
  }

  /**
   * Offers queued tasks that `takers` can take to the bots that `choose` names, and answers with those; looks at up to `limit` of each head. An offer
   * on a stream that is not its bot's newest leaves the task as it was: a hub that was stopped wakes with bots that have gone.
   */
  async offer(takers: Takers, limit: number, choose: Choose): Promise<Task[]> {
    return this.#ports.database.transaction(async (tx) => {
      const { now, tasks } = await lockQueued(tx.orm, takers, limit);
      const choices = choose(tasks);
      const offered = choices.map(
        ({ task, botId, schema }) => this.#judge(task, { type: 'offered', botId, schema }, now) as Changed,
      );
      const [versions, withdrawn] = await Promise.all([save(tx.orm, offered), this.#outdated(tx, choices)]);
      tx.withCommit(write(tx.orm, [...withdrawn.values()]));
      const standing = choices.filter(({ task }) => !withdrawn.has(task.taskId));
      const after = new Map(offered.map(({ task }) => [task.taskId, task]));
      return standing.map(({ task: before }) => {
        const task = withVersion(after.get(before.taskId)!, versions);
        tx.afterCommit(() => this.#ports.metrics.changed(before, 'offered', task));
        return task;
      });
    });
  }

  /**
   * Which of the tasks, as they were, are not to be offered, by id. Asked beside the statement that writes the offers, so that it costs no round
   * trip: nobody hears of them before the transaction ends.
   */
  async #outdated({ orm, afterCommit }: Transaction, choices: readonly Choice[]): Promise<ReadonlyMap<string, Task>> {
    if (choices.length === 0) return new Map();
    const epochs = await epochsOf(orm, [...new Set(choices.map(({ botId }) => botId))]);
    const outdated = choices.filter(({ botId, epoch }) => epochs.get(botId) !== epoch);
    for (const { botId } of outdated) afterCommit(() => this.#ports.onSuperseded(botId, epochs.get(botId) ?? 0));
    return new Map(outdated.map(({ task }) => [task.taskId, task]));
  }

  /** Ends offers, leases and graces whose time is over. */
  expire(): Promise<Transition[]> {
    return this.#endAll(lockExpired, { type: 'expired' });
  }

  /** Ends queued tasks whose deadline has passed. */
  endOverdue(): Promise<Transition[]> {
    return this.#endAll(lockOverdue, { type: 'overdue' });
  }

  async #endAll(lock: typeof lockExpired, input: TaskInput): Promise<Transition[]> {
    const transitions = await this.#ports.database.transaction(async (tx) => {
      const { now, tasks } = await lock(tx.orm, maxTasksPerTransaction);
      const ended = tasks.map((before) => ({ before, decision: this.decide(tx, before, input, now) as Changed }));
      await this.commit(tx, ended);
      return ended;
    });
    if (transitions.some(({ decision }) => decision.task.phase.state === 'QUEUED')) this.#ports.onQueued();
    return transitions;
  }

  /** What the table says of `task` after `input`; it is written by `commit`, and counted when `tx` is committed. */
  decide(tx: Transaction, task: Task | undefined, input: TaskInput, now: Date): Decision {
    const { metrics, trialOf } = this.#ports;
    const decision = this.#judge(task, input, now);
    if (task && decision.verdict === 'changed') {
      const ended = trialOf(task, input.type, decision.task, now);
      if (ended) this.#ended.set(tx, [...(this.#ended.get(tx) ?? []), ended]);
      tx.afterCommit(() => {
        metrics.changed(task, input.type, decision.task);
        logTask(this.#ports, task, input, decision.task);
      });
    }
    return decision;
  }

  /** Writes decisions about tasks that `tx` has locked, and their events with them; what it answers with is there when `tx` is committed. */
  async commit(tx: Transaction, changes: readonly Change[]): Promise<{ readonly saving: Promise<Versions> }> {
    const saving = save(
      tx.orm,
      changes.map(({ decision }) => decision),
    );
    tx.withCommit(saving);
    await addAttempts(tx.orm, this.#ended.get(tx) ?? []);
    await this.#publish(tx, changes);
    return { saving };
  }

  /** Undefined where the row is not as it is known: nothing is written of that then. */
  async #swapAll(entries: readonly Known[]): Promise<ReadonlyArray<Decision | undefined>> {
    const { database, outbox, times, metrics } = this.#ports;
    const now = new Date();
    const changes = new Map<Known, Change>();
    for (const entry of new Map(entries.map((entry) => [entry.taskId, entry])).values()) {
      // The statement puts the database's clock in the place of `now`.
      const decision = this.#judge(entry.known, entry.input, now);
      if (decision.verdict === 'changed') changes.set(entry, { decision, traceparent: entry.traceparent });
    }
    const letters = lettersOf([...changes.values()]);
    const swaps = [...changes].map(([{ stream }, { decision }]) => ({ task: decision.task, epoch: stream.epoch }));
    const swapped = await database.query((orm) => swapTasks(orm, swaps, outbox.asJson(letters), times.leaseMs));
    if (letters.length > 0) outbox.added();
    return entries.map((entry) => {
      const task = swapped.get(entry.taskId);
      const change = changes.get(entry);
      if (!task || !change) return undefined;
      metrics.changed(entry.known, entry.input.type, task);
      logTask(this.#ports, entry.known, entry.input, task);
      return { ...change.decision, task };
    });
  }

  async #applyAll(entries: readonly Entry[]): Promise<readonly Decision[]> {
    const { made, saving } = await this.#ports.database.transaction(async (tx) => {
      const streams = entries.flatMap(({ stream }) => stream ?? []);
      // Both are under way at once; the epochs are read when the rows are locked, so that an admission is seen as soon as it is committed.
      const [{ now, tasks }, epochs] = await Promise.all([
        lockTasks(tx.orm, [...new Set(entries.map(({ taskId }) => taskId))]),
        streams.length > 0 ? epochsOf(tx.orm, [...new Set(streams.map(({ botId }) => botId))]) : new Map(),
      ]);
      const current = new Map(tasks.map((task) => [task.taskId, task]));
      const made = entries.map(({ taskId, input, traceparent, stream }) => {
        const isOutdated = stream !== undefined && epochs.get(stream.botId) !== stream.epoch;
        const decision = isOutdated ? outdated(stream) : this.decide(tx, current.get(taskId), input, now);
        if (decision.verdict === 'changed') current.set(taskId, decision.task);
        return { decision, traceparent };
      });
      const changed = made.filter(
        (entry): entry is typeof entry & { decision: Changed } => entry.decision.verdict === 'changed',
      );
      return { made, ...(await this.commit(tx, changed)) };
    });
    const versions = await saving;
    const decisions = made.map(({ decision }) =>
      decision.verdict === 'changed' ? { ...decision, task: withVersion(decision.task, versions) } : decision,
    );
    const isQueued = (decision: Decision) => decision.verdict === 'changed' && decision.task.phase.state === 'QUEUED';
    if (decisions.some(isQueued)) this.#ports.onQueued();
    return decisions;
  }

  #judge(task: Task | undefined, input: TaskInput, now: Date): Decision {
    const { times, policyOf } = this.#ports;
    return decideTask(task, input, now, { ...times, ...policyOf(task?.schema.kind ?? '') });
  }

  #publish(tx: Transaction, changes: readonly Change[]): Promise<void> {
    return this.#ports.outbox.addAll(tx, lettersOf(changes));
  }
}
