import { context, SpanKind, type Tracer, trace } from '@opentelemetry/api';
import type { Logger } from 'pino';
import { type SchemaRef, WhileCutOff } from '../gen/fleet/v1/fleet.ts';
import { Loop } from '../kit/loop.ts';
import { ATTR_TASK_ID } from '../telemetry/attributes.ts';
import { contextOf, traceparentOf } from '../telemetry/propagation.ts';
import { type Assign, canTake } from './assign.ts';
import { asOwn, assignAcross, type Languages, readBy, type Spoken } from './assign-across.ts';
import type { StreamKey } from './bot-store.ts';
import type { HubMetrics } from './hub-metrics.ts';
import type { PolicyOf } from './kinds/policy.ts';
import type { Ledger } from './ledger.ts';
import { dispatchPollMs, type HubTimes, idleLookMs, maxTasksPerTransaction, retryBackoff } from './limits.ts';
import type { LiveBot } from './live-bot.ts';
import type { Arm } from './protocol/rollout-record.ts';
import type { Roster, Seat } from './roster.ts';
import { taskAttributes } from './task-attributes.ts';
import { languageOf, type Task } from './task-phase.ts';
import type { WillingBots } from './willing.ts';

export interface DispatchPorts {
  readonly roster: Roster;
  readonly ledger: Ledger;
  readonly assign: Assign;
  /** By whom a task is rather done while a revision of its kind is tried. */
  readonly armOf: (task: Task) => Arm | undefined;
  readonly languages: () => Languages;
  readonly policyOf: PolicyOf;
  readonly times: HubTimes;
  readonly metrics: HubMetrics;
  readonly tracer: Tracer;
  readonly logger: Logger;
}

/** A task, the stream of this hub that it is to be offered on, and the revision that it is to be done in. */
export interface Choice extends StreamKey {
  readonly task: Task;
  readonly schema: SchemaRef;
}

/** Who gets which of the tasks given. */
export type Choose = (tasks: readonly Task[]) => readonly Choice[];

/**
 * Brings tasks to the bots of this hub, in one of two ways. A new task for which a bot is willing is offered in the transaction that takes it
 * into the table (`place`): nothing else stands between the broker and the bot. What finds no bot waits in the table, and the loop brings it:
 * woken by tasks and by bots that have room, with a slow poll behind it. While tasks wait, new ones go behind them. Takes no more than its
 * bots can take, so that the rest stays for other hubs.
 */
export class Dispatch {
  readonly #ports: DispatchPorts;
  readonly #loop: Loop;
  /** What the last look at the queue said: tasks wait there that find no bot. */
  #backlog = true;
  /** It said that nothing is queued for anybody: who becomes willing need not look again. */
  #isEmpty = false;
  #look: NodeJS.Timeout | undefined;

  constructor(ports: DispatchPorts) {
    this.#ports = ports;
    this.#loop = new Loop(() => this.#turn(), {
      pollMs: dispatchPollMs,
      backoff: retryBackoff,
      onError: (error, retryInMs) => ports.logger.warn({ err: error, retryInMs }, 'tasks are not offered; tried again'),
    });
  }

  start(): void {
    this.#loop.start();
  }

  /** Tasks have come into the queue. Whether they have to wait there is for the next look to say. */
  tasksQueued(): void {
    this.#loop.wake();
  }

  /** A bot has room for another task. */
  botIsWilling(): void {
    if (this.#backlog) this.#loop.wake();
    else if (!this.#isEmpty) this.#look ??= setTimeout(() => this.#lookAgain(), idleLookMs);
  }

  stop(): Promise<void> {
    clearTimeout(this.#look);
    return this.#loop.stop();
  }

  /**
   * Runs `give` with a choice among the bots that are willing now, and sends the offers that it comes to. Bots that are chosen have no room
   * for others until then. `give` may choose again, where a transaction is tried again: the last choice counts.
   */
  async place(give: (choose: Choose) => Promise<readonly Task[]>): Promise<readonly Task[]> {
    const { roster, logger } = this.#ports;
    let reserved: Array<{ readonly taskId: string; readonly bot: LiveBot }> = [];
    const release = () => {
      for (const { taskId, bot } of reserved) bot.release(taskId);
      reserved = [];
    };
    const choose: Choose = (tasks) => {
      release();
      const nowMs = performance.now();
      const left = new Set(tasks);
      return this.#assign(tasks, roster.willing(nowMs)).flatMap(({ task, botId, isOwn }) => {
        // Also has less room for each task that it was given here.
        const bot = roster.find(botId)?.bot;
        const candidate = bot?.candidate(nowMs);
        const able = isOwn && candidate ? asOwn(candidate) : candidate;
        const schema = able?.digests.get(task.schema.digest);
        if (!bot || !able || !schema || !canTake(able, task) || !left.delete(task)) {
          const about = taskAttributes(task, { botId, sessionId: bot?.sessionId ?? '' });
          context.with(contextOf(task.traceparent), () =>
            logger.error(about, 'a bot was chosen that cannot take the task'),
          );
          return [];
        }
        bot.reserve(task.taskId, schema);
        reserved.push({ taskId: task.taskId, bot });
        return [{ task, botId, epoch: bot.epoch, schema }];
      });
    };
    try {
      const offered = await give(choose);
      for (const task of offered) this.#offer(task);
      return offered;
    } finally {
      release();
    }
  }

  /** Takes new tasks in by `give`, with a choice of bots for them; without, while older tasks wait. */
  async placeNew(give: (choose: Choose) => Promise<readonly Task[]>): Promise<void> {
    if (this.#backlog) await give(() => []);
    else await this.place(give);
  }

  /** What an assignment of somebody's own throws costs its tasks a wait in the queue, not the ingest of them. */
  #assign(tasks: readonly Task[], willing: WillingBots): readonly Spoken<Task>[] {
    const { assign, armOf, languages, logger } = this.#ports;
    try {
      return assignAcross((some, able) => assign(some, able, armOf), tasks, willing, languages());
    } catch (error) {
      logger.error({ err: error, tasks: tasks.length, bots: willing.size }, 'tasks cannot be assigned');
      return [];
    }
  }

  #lookAgain(): void {
    this.#look = undefined;
    this.#loop.wake();
  }

  /** True when there may be more to offer. */
  async #turn(): Promise<boolean> {
    const { roster, ledger, languages } = this.#ports;
    const waited = await ledger.waitedFor();
    this.#isEmpty = waited.length === 0;
    const willing = roster.willing(performance.now());
    if (this.#isEmpty || willing.size === 0) {
      this.#backlog = !this.#isEmpty;
      return false;
    }
    const botIds = waited.filter((botId) => botId === '' || willing.has(botId));
    if (botIds.length === 0) {
      this.#backlog = false;
      return false;
    }
    const written = readBy(willing.languages, languages());
    // Tasks that these bots shun may stand at the head of the queue: look past them.
    const shunned = willing.shunned.size;
    const limit = Math.min(maxTasksPerTransaction, willing.room + shunned);
    let found = 0;
    const offered = await this.place((choose) =>
      ledger.offer({ botIds, ...written }, limit, (tasks) => {
        found = tasks.length;
        return choose(tasks);
      }),
    );
    const isMore = offered.length > 0 && offered.length >= limit - shunned;
    this.#backlog = isMore || found > offered.length;
    return isMore;
  }

  /** Undefined where the language has changed since the task was given out, and has no word for it now. */
  #payloadOf(task: Task): Buffer | undefined {
    try {
      return Buffer.from(this.#ports.languages().payloadOf(task));
    } catch (error) {
      this.#ports.logger.warn({ err: error, [ATTR_TASK_ID]: task.taskId }, 'an offer cannot be translated; withdrawn');
      return undefined;
    }
  }

  #offer(task: Task): void {
    if (task.phase.state !== 'OFFERED') return;
    const { roster, ledger, policyOf, times, metrics, tracer, logger } = this.#ports;
    const { botId, heldUntil } = task.phase;
    const { taskId, orderId, fence, attempt, priority, deadline, createdAt } = task;
    const schema = languageOf(task);
    const seat: Seat | undefined = roster.find(botId);
    const parent = contextOf(task.traceparent);
    const attributes = taskAttributes(task, { botId, sessionId: seat?.bot.sessionId ?? '' });
    const span = tracer.startSpan(`offer ${schema.kind}`, { kind: SpanKind.PRODUCER, attributes }, parent);
    const active = trace.setSpan(parent, span);
    const payload = this.#payloadOf(task);
    const isSent =
      payload &&
      seat?.takesOffers &&
      seat.bot.applied.has(schema.digest) &&
      seat.send(
        {
          $case: 'offer',
          value: {
            taskId,
            attempt,
            fence,
            schema,
            payload,
            replyBy: heldUntil,
            priority,
            deadline,
            orderId,
            whileCutOff: WhileCutOff[policyOf(task.schema.kind).whileCutOff === 'stop' ? 'STOP' : 'CONTINUE'],
          },
        },
        traceparentOf(active),
      );
    span.end();
    context.with(active, () => logger.debug({ ...attributes, kind: schema.kind }, 'task offered'));
    if (isSent) {
      // Only of the first offer is it told how long the task has waited.
      if (fence === 1) metrics.dispatched(schema, Date.now() - createdAt.getTime());
      seat.bot.offered(task, performance.now() + times.offerMs);
      return;
    }
    // The bot left between the decision and now, or rejected the revision. When this fails too, the offer expires.
    ledger.apply(taskId, { type: 'detached', fence }, task.traceparent).catch((error: unknown) => {
      context.with(active, () =>
        logger.warn({ err: error, ...attributes }, 'an offer that could not be sent was not withdrawn'),
      );
    });
  }
}
