import { unavailable } from '../../src/contract/errors.ts';
import type { Draft } from '../../src/contract/message.ts';
import { admitBot } from '../../src/hub/admission.ts';
import { type Admitted, type Applicant, endedBy } from '../../src/hub/admissions.ts';
import type { BotRow, StreamKey } from '../../src/hub/bot-store.ts';
import type { Choose } from '../../src/hub/dispatch.ts';
import { hubTimes } from '../../src/hub/limits.ts';
import type { Report } from '../../src/hub/publish.ts';
import { isTokenOf } from '../../src/hub/resume-token.ts';
import { decideTask, type TaskInput } from '../../src/hub/task.ts';
import type { Decision } from '../../src/hub/task-ends.ts';
import { isHeld, type Task } from '../../src/hub/task-phase.ts';

export const times = hubTimes(10_000);
/** Of every attempt, each told once and in this order. */
export const steps = 3;

type Row = Pick<
  BotRow,
  'instanceId' | 'connected' | 'sessionExpiresAt' | 'hubId' | 'epoch' | 'sessionId' | 'resumeDigest'
>;

/** What all hubs share: the tables as their statements change them, and what the consumers' inboxes let through. */
export class Table {
  readonly tasks = new Map<string, Task>();
  /** Of the database's clock before this process's; it is set now and then. */
  skewMs = 0;
  isBrokerAway = false;
  /** The first promise that was broken: whoever ran into it may have taken it for a failure of the table's. */
  broken: Error | undefined;
  readonly #bots = new Map<string, Row>();
  readonly #holders = new Map<string, string>();
  readonly #results = new Map<string, string[]>();
  readonly #inbox = new Map<string, string>();
  readonly #told = new Map<string, number>();
  readonly #highest = new Map<string, number>();

  get now(): Date {
    return new Date(Date.now() + this.skewMs);
  }

  epochOf(botId: string): number {
    return this.#bots.get(botId)?.epoch ?? 0;
  }

  isNewest({ botId, epoch }: StreamKey): boolean {
    return this.epochOf(botId) === epoch;
  }

  add(task: Task): void {
    this.tasks.set(task.taskId, task);
  }

  /** As `Ledger.apply` does in a transaction. */
  async apply(taskId: string, input: TaskInput, _traceparent: string, stream?: StreamKey): Promise<Decision> {
    if (stream && !this.isNewest(stream)) return { verdict: 'refused', reason: 'WRONG_STATE', message: 'outdated' };
    return this.decide(taskId, input);
  }

  /** As `Ledger.offer` does. */
  async offer(choose: Choose): Promise<Task[]> {
    const queued = [...this.tasks.values()].filter(
      ({ phase }) => phase.state === 'QUEUED' && phase.notBefore <= this.now,
    );
    return choose(queued).flatMap(({ task, botId, epoch, schema }) => {
      const made = this.isNewest({ botId, epoch }) && this.decide(task.taskId, { type: 'offered', botId, schema });
      return made && made.verdict === 'changed' ? [made.task] : [];
    });
  }

  /** As `Admissions` does. */
  async admit(applicant: Applicant, hubId: string): Promise<Admitted> {
    const { introduction, sessionId, resumeDigest, isGone } = applicant;
    const { botId, instanceId, resumeToken, held } = introduction;
    if (isGone()) throw unavailable('the stream is gone', 'SUPERSEDED');
    const known = this.#bots.get(botId);
    const hasToken = isTokenOf(known?.resumeDigest ?? null, resumeToken);
    const admission = admitBot(known && { ...known, now: this.now }, introduction, hasToken);
    const session = admission.continues ? known!.sessionId : sessionId;
    const epoch = this.epochOf(botId) + 1;
    const row = { instanceId, epoch, sessionId: session, resumeDigest: Buffer.from(resumeDigest), hubId };
    this.#bots.set(botId, { ...row, connected: true, sessionExpiresAt: this.later(times.leaseMs) });
    const kept: Task[] = [];
    for (const task of [...this.tasks.values()]) {
      const claim = held.find(({ taskId }) => taskId === task.taskId);
      const isIts = 'botId' in task.phase && task.phase.botId === botId;
      const made = claim && isIts && this.decide(task.taskId, { type: 'resumed', botId, fence: claim.fence });
      if (made && made.verdict === 'changed') kept.push(made.task);
      else if (isIts) this.decide(task.taskId, { type: 'dropped', botId, reason: 'the bot came back without it' });
    }
    const ended = endedBy(applicant, [...this.tasks.values()]);
    return { ...admission, epoch, sessionId: session, kept, renewed: new Map(), ended };
  }

  detach(stream: StreamKey, graceMs: number): void {
    const row = this.#bots.get(stream.botId);
    if (row && this.isNewest(stream))
      this.#bots.set(stream.botId, { ...row, connected: false, sessionExpiresAt: this.later(graceMs) });
  }

  /** As the statements behind a heartbeat do: false when the stream is not its bot's newest. */
  renewSession(stream: StreamKey): boolean {
    const row = this.#bots.get(stream.botId);
    if (!row || !this.isNewest(stream)) return false;
    this.#bots.set(stream.botId, { ...row, sessionExpiresAt: this.later(times.leaseMs) });
    return true;
  }

  renewLease(taskId: string, fence: number, stream: StreamKey, running: boolean): Task | undefined {
    const task = this.tasks.get(taskId);
    if (!task || !isHeld(task.phase) || task.fence !== fence) return undefined;
    if (task.phase.botId !== stream.botId || !this.isNewest(stream)) return undefined;
    if (task.phase.state !== 'CANCELLING') {
      const { phase } = task;
      const hasBegun = running || phase.state === 'RUNNING' || (phase.state === 'SUSPECT' && phase.running);
      const state = hasBegun ? 'RUNNING' : 'LEASED';
      this.#write({ ...task, phase: { state, botId: phase.botId, heldUntil: this.later(times.leaseMs) } }, []);
    }
    return this.tasks.get(taskId);
  }

  decide(taskId: string, input: TaskInput): Decision {
    const policy = { ...times, onLeaseLoss: { holdLeases: 1 }, wins: 'newest' } as const;
    const decision = decideTask(this.tasks.get(taskId), input, this.now, policy);
    if (decision.verdict === 'changed') this.#write(decision.task, decision.events);
    return decision;
  }

  later(ms: number): Date {
    return new Date(this.now.getTime() + ms);
  }

  /** As broker and inboxes do with progress: an id has its effect once, and none once its task is known to be at a higher fence. */
  async publish({ draft, id }: Report): Promise<void> {
    if (this.isBrokerAway) throw unavailable('the broker is away', 'CHAOS');
    const { stopIndex } = draft.body as { stopIndex?: number };
    const said = `${draft.name} ${stopIndex ?? ''}`;
    const before = this.#inbox.get(id);
    if (before !== undefined && before !== said) throw this.#broken(`${id} was "${before}" and is "${said}"`);
    this.#inbox.set(id, said);
    if (before === undefined) this.#hear(draft, stopIndex);
  }

  #hear({ task }: Draft, stopIndex: number | undefined): void {
    const { id, fence } = task!;
    if (fence < (this.#highest.get(id) ?? 0)) return;
    this.#highest.set(id, fence);
    if (stopIndex === undefined) return;
    const key = `${id}:${fence}`;
    const told = this.#told.get(key) ?? 0;
    if (stopIndex !== told) throw this.#broken(`step ${stopIndex} of ${key} comes after ${told} steps`);
    this.#told.set(key, told + 1);
  }

  #broken(promise: string): Error {
    this.broken ??= new Error(promise);
    return this.broken;
  }

  /** Everything that must hold whatever happens is looked at here. */
  #write(task: Task, events: readonly Draft[]): void {
    const { taskId, fence, phase } = task;
    if (fence < this.tasks.get(taskId)!.fence) throw this.#broken(`the fence of ${taskId} falls to ${fence}`);
    if (isHeld(phase) || phase.state === 'OFFERED') {
      const holder = this.#holders.get(`${taskId}:${fence}`) ?? phase.botId;
      if (holder !== phase.botId)
        throw this.#broken(`${holder} and ${phase.botId} both have fence ${fence} of ${taskId}`);
      this.#holders.set(`${taskId}:${fence}`, phase.botId);
    }
    if (phase.state === 'SUCCEEDED' && this.#told.get(`${taskId}:${fence}`) !== steps)
      throw this.#broken(
        `${taskId} succeeded under fence ${fence} with ${this.#told.get(`${taskId}:${fence}`)} steps told`,
      );
    for (const event of events) {
      this.#hear(event, undefined);
      if (event.name === 'bots.task_lost') continue;
      const results = [...(this.#results.get(taskId) ?? []), event.name];
      if (results.length > 1) throw this.#broken(`${taskId} ends more than once: ${results}`);
      this.#results.set(taskId, results);
    }
    this.tasks.set(taskId, task);
  }
}
