import { context, SpanKind, type Tracer, trace } from '@opentelemetry/api';
import type { Logger } from 'pino';
import { WhileCutOff } from '../gen/fleet/v1/fleet.ts';
import { Loop } from '../kit/loop.ts';
import { contextOf, traceparentOf } from '../telemetry/propagation.ts';
import { assign, type Candidate } from './assign.ts';
import type { Ledger } from './ledger.ts';
import { dispatchPollMs, type HubTimes, maxTasksPerTransaction, retryBackoff } from './limits.ts';
import type { Roster, Seat } from './roster.ts';
import type { Task } from './task.ts';
import { taskAttributes } from './task-attributes.ts';

export interface DispatchPorts {
  readonly roster: Roster;
  readonly ledger: Ledger;
  readonly times: HubTimes;
  readonly tracer: Tracer;
  readonly logger: Logger;
}

/**
 * Brings queued tasks to the bots of this hub: woken by new tasks and by bots that have room, with a slow poll behind it. Takes no more
 * than its bots can take, so that the rest stays for other hubs.
 */
export class Dispatch {
  readonly #ports: DispatchPorts;
  readonly #loop: Loop;

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

  wake(): void {
    this.#loop.wake();
  }

  stop(): Promise<void> {
    return this.#loop.stop();
  }

  /** True when there may be more to offer. */
  async #turn(): Promise<boolean> {
    const { roster, ledger } = this.#ports;
    const willing = candidates(roster, performance.now());
    if (willing.length === 0) return false;
    const digests = [...new Set(willing.flatMap(({ digests }) => [...digests]))];
    // Tasks that these bots shun may stand at the head of the queue: look past them.
    const shunned = new Set(willing.flatMap(({ shunned }) => [...shunned])).size;
    const limit = Math.min(maxTasksPerTransaction, free(willing) + shunned);
    const offered = await ledger.offer(digests, limit, (tasks) => assign(tasks, willing));
    for (const task of offered) this.#offer(task);
    return offered.length > 0 && offered.length >= limit - shunned;
  }

  #offer(task: Task): void {
    if (task.phase.state !== 'OFFERED') return;
    const { roster, ledger, times, tracer, logger } = this.#ports;
    const { botId, heldUntil } = task.phase;
    const { taskId, orderId, fence, attempt, schema, priority } = task;
    const seat: Seat | undefined = roster.find(botId);
    const parent = contextOf(task.traceparent);
    const attributes = taskAttributes(task, { botId, sessionId: seat?.bot.sessionId ?? '' });
    const span = tracer.startSpan(`offer ${schema.kind}`, { kind: SpanKind.PRODUCER, attributes }, parent);
    const active = trace.setSpan(parent, span);
    const payload = Buffer.from(task.payload);
    const isSent =
      seat?.takesOffers &&
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
            deadline: undefined,
            orderId,
            whileCutOff: WhileCutOff.CONTINUE,
          },
        },
        traceparentOf(active),
      );
    span.end();
    context.with(active, () => logger.debug(attributes, `offer ${schema.kind}`));
    if (isSent) {
      seat.bot.offered(task, performance.now() + times.offerMs);
      return;
    }
    // The bot left between the decision and now. When this fails too, the offer expires.
    ledger.apply(taskId, { type: 'detached', fence }, task.traceparent).catch((error: unknown) => {
      logger.warn({ err: error, ...attributes }, 'an offer that could not be sent was not withdrawn');
    });
  }
}

function candidates(roster: Roster, nowMs: number): Candidate[] {
  const open = [...roster.seats].filter((seat) => seat.takesOffers);
  return open.map(({ bot }) => bot.candidate(nowMs)).filter((candidate) => free([candidate]) > 0);
}

const free = (candidates: readonly Candidate[]): number =>
  candidates.reduce((sum, { free }) => sum + [...free.values()].reduce((slots, n) => slots + n, 0), 0);
