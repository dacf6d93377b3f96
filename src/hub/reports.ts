import { SpanKind, type Tracer } from '@opentelemetry/api';
import type { Logger } from 'pino';
import { draft } from '../contract/message.ts';
import type { BotFrame, OfferReply, Progress, Result } from '../gen/fleet/v1/fleet.ts';
import { ATTR_BOT_ID, ATTR_CORRELATION_ID, ATTR_FENCE, ATTR_ORDER_ID, ATTR_TASK_ID } from '../telemetry/attributes.ts';
import { contextOf, parseTraceparent } from '../telemetry/propagation.ts';
import { translatorOf } from './kinds/kind.ts';
import type { Leases } from './leases.ts';
import type { Ledger } from './ledger.ts';
import type { HubTimes } from './limits.ts';
import type { LiveBot } from './live-bot.ts';
import type { Publish } from './publish.ts';
import { decoded, flawOf, readOutcome, unknownSchema } from './read-report.ts';
import type { Refusal } from './refusal.ts';
import type { Seat } from './roster.ts';
import { about, refOf, type Task } from './task.ts';

export interface ReportPorts {
  readonly ledger: Ledger;
  readonly leases: Leases;
  readonly publish: Publish;
  readonly times: HubTimes;
  readonly tracer: Tracer;
  readonly logger: Logger;
  /** A bot has room for another task. */
  readonly onWilling: () => void;
}

type Frame = Pick<BotFrame, 'seq' | 'traceparent'>;
/** Undefined: the effect of the frame is durable. */
type Answer = Promise<Refusal | undefined>;

/**
 * What bots say about tasks. Each method may be called again with the same frame, after it threw or after a reconnect, and then changes
 * nothing that it changed before. Throws what the broker and the database throw: the frame waits, and is tried again.
 */
export class Reports {
  readonly #ports: ReportPorts;

  constructor(ports: ReportPorts) {
    this.#ports = ports;
  }

  async offerReply(seat: Seat, frame: Frame, reply: OfferReply): Answer {
    const { taskId, fence, accepted } = reply;
    const { ledger, times, onWilling } = this.#ports;
    const { bot } = seat;
    const flaw = flawOf(frame.seq, reply);
    if (flaw) return flaw;
    const askedAtMs = performance.now();
    const input = { type: accepted ? 'accepted' : 'declined', botId: bot.botId, fence } as const;
    const decision = await ledger.apply(taskId, input, frame.traceparent);
    if (decision.verdict === 'refused' || !accepted) {
      bot.drop(taskId, fence);
      if (!accepted) bot.shun(taskId, performance.now() + times.declinePauseMs);
      onWilling();
      return decision.verdict === 'refused' ? decision : undefined;
    }
    const { task } = decision;
    bot.leased(task, askedAtMs + times.leaseMs);
    const traceparent = parseTraceparent(frame.traceparent) ? frame.traceparent : task.traceparent;
    const duration = { seconds: Math.floor(times.leaseMs / 1000), nanos: (times.leaseMs % 1000) * 1_000_000 };
    this.#span('lease', bot, task, traceparent);
    seat.send({ $case: 'lease', value: { taskId, fence, duration } }, traceparent);
    return undefined;
  }

  /** No database: the lease is in memory, the bot keeps the frame, and the event's id makes a resend harmless. */
  async progress({ bot }: Seat, frame: Frame, progress: Progress): Answer {
    const { taskId, fence, schema, payload, started } = progress;
    const flaw = flawOf(frame.seq, progress);
    if (flaw) return flaw;
    const held = await this.#ports.leases.verify(bot, taskId, fence);
    if ('reason' in held) return held;
    const { task } = held;
    const translator = translatorOf(task.schema);
    if (!schema || schema.digest !== task.schema.digest || !translator) return unknownSchema(schema?.digest, task);
    const reported = {
      task: refOf(task, bot.botId, progress.occurredAt ?? new Date()),
      original: { schema: task.schema, payload },
      correlationId: task.correlationId,
    };
    const begun = draft('bots.task_started', task.orderId, { task: reported.task }, about(task));
    const step = decoded(() => (started && payload.length === 0 ? undefined : translator.progress(payload, reported)));
    if (step.refusal) return step.refusal;
    const more = {
      botId: bot.botId,
      causationId: task.causationId,
      traceparent: parseTraceparent(frame.traceparent) ? frame.traceparent : task.traceparent,
    };
    if (started || !held.running)
      await this.#ports.publish({ draft: begun, id: `${taskId}:${fence}:started`, ...more });
    held.running = true;
    if (step.value) await this.#ports.publish({ draft: step.value, id: `${taskId}:${fence}:${frame.seq}`, ...more });
    return undefined;
  }

  /** All progress that came before is published; the outcome and its event commit together. */
  async result({ bot }: Seat, frame: Frame, result: Result): Answer {
    const { taskId, fence } = result;
    const flaw = flawOf(frame.seq, result);
    if (flaw) return flaw;
    const report = readOutcome(result);
    if (report.refusal) return report.refusal;
    const decision = await this.#ports.ledger.apply(
      taskId,
      { ...report.value, botId: bot.botId, fence },
      frame.traceparent,
    );
    if (decision.verdict === 'refused') return decision;
    bot.drop(taskId, fence);
    this.#span('result', bot, { ...decision.task, fence }, frame.traceparent);
    this.#ports.onWilling();
    return undefined;
  }

  #span(step: string, bot: LiveBot, task: Task, traceparent: string): void {
    const attributes = {
      [ATTR_BOT_ID]: bot.botId,
      [ATTR_TASK_ID]: task.taskId,
      [ATTR_FENCE]: task.fence,
      [ATTR_ORDER_ID]: task.orderId,
      [ATTR_CORRELATION_ID]: task.correlationId,
      'mallbots.session_id': bot.sessionId,
      'mallbots.attempt': task.attempt,
    };
    const parent = contextOf(parseTraceparent(traceparent) ? traceparent : task.traceparent);
    this.#ports.tracer.startSpan(`${step} ${task.schema.kind}`, { kind: SpanKind.INTERNAL, attributes }, parent).end();
    this.#ports.logger.debug({ ...attributes, state: task.phase.state }, `${step} ${task.schema.kind}`);
  }
}
