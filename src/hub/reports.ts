import { context, SpanKind, type Tracer, trace } from '@opentelemetry/api';
import type { Logger } from 'pino';
import { type Draft, draft } from '../contract/message.ts';
import {
  type BotFrame,
  type CancelReply,
  NackReason,
  type OfferReply,
  Outcome,
  type Progress,
  type Result,
} from '../gen/fleet/v1/fleet.ts';
import { ATTR_BOT_ID, ATTR_FENCE, ATTR_REASON, ATTR_TASK_ID } from '../telemetry/attributes.ts';
import { fail } from '../telemetry/failure.ts';
import { contextOf, parseTraceparent, traceparentOf } from '../telemetry/propagation.ts';
import { recallOf, sendRecall } from './cancel.ts';
import { translatorOf } from './kinds/kind.ts';
import { passOn } from './kinds/pass-on.ts';
import type { Leases } from './leases.ts';
import type { Ledger } from './ledger.ts';
import type { HubTimes } from './limits.ts';
import type { LiveBot } from './live-bot.ts';
import type { Catalogue } from './protocol/catalogue.ts';
import type { Delivery } from './protocol/delivery.ts';
import type { Interpreter } from './protocol/majors/interpreter.ts';
import type { Trials } from './protocol/trials.ts';
import type { Publish } from './publish.ts';
import { flawOf, type Reading, readOutcome, unknownSchema } from './read-report.ts';
import type { Refusal } from './refusal.ts';
import type { Seat } from './roster.ts';
import { taskAttributes } from './task-attributes.ts';
import type { Decision } from './task-ends.ts';
import { about as aboutTask, refOf } from './task-events.ts';
import { languageOf } from './task-phase.ts';
import { durationOf } from './welcome.ts';

export interface ReportPorts {
  readonly ledger: Ledger;
  readonly leases: Leases;
  readonly publish: Publish;
  readonly catalogue: Pick<Catalogue, 'view' | 'refresh'>;
  readonly delivery: Pick<Delivery, 'heard' | 'lacks'>;
  readonly trials: Pick<Trials, 'reading' | 'read'>;
  readonly interpreter: Interpreter;
  readonly times: HubTimes;
  readonly tracer: Tracer;
  readonly logger: Logger;
  /** A bot has room for another task. */
  readonly onWilling: () => void;
}

type Frame = Pick<BotFrame, 'seq' | 'traceparent'>;
/** Undefined: the effect of the frame is durable. */
type Answer = Promise<Refusal | undefined>;

const accepted: Answer = Promise.resolve(undefined);
const refuse = (reason: Refusal['reason'], message: string): Answer => Promise.resolve({ reason, message });

/** Of the revision that a frame is in, or about; empty where it names none. */
function digestOf(body: BotFrame['body']): string {
  switch (body?.$case) {
    case 'progress':
    case 'result':
    case 'protocolStatus':
      return body.value.schema?.digest ?? '';
    default:
      return '';
  }
}

/** What bots say about tasks. */
export class Reports {
  readonly #ports: ReportPorts;

  constructor(ports: ReportPorts) {
    this.#ports = ports;
  }

  /**
   * The effect of a frame of the lane. May be called again with the same frame, after it threw or after a reconnect, and then changes nothing
   * that it changed before. Throws what the broker and the database throw: the frame waits, and is tried again.
   */
  take(seat: Seat, frame: BotFrame): Answer {
    const { catalogue } = this.#ports;
    const digest = digestOf(frame.body);
    if (digest === '' || catalogue.view.find(digest)) return this.#take(seat, frame);
    // Another hub may have taught it to the bot a moment ago.
    return catalogue.refresh().then(() => this.#take(seat, frame));
  }

  #take(seat: Seat, frame: BotFrame): Answer {
    const { body } = frame;
    switch (body?.$case) {
      case 'offerReply':
        return this.#offerReply(seat, frame, body.value);
      case 'progress':
        return this.#progress(seat, frame, body.value);
      case 'result':
        return this.#result(seat, frame, body.value);
      case 'cancelReply':
        return this.#cancelReply(seat, frame, body.value);
      case 'protocolStatus':
        return Promise.resolve(this.#ports.delivery.heard(seat, body.value));
      case 'hello':
      case 'goodbye':
      case 'heartbeat':
      case 'telemetry':
      case 'credit':
      case 'nack':
        return accepted;
      case undefined:
        return refuse('BODY_UNSET', 'body is unset, or of a minor that this hub does not speak');
      default:
        return body satisfies never;
    }
  }

  async #offerReply(seat: Seat, frame: Frame, reply: OfferReply): Answer {
    const { taskId, fence, accepted } = reply;
    const { ledger, times, onWilling } = this.#ports;
    const { bot } = seat;
    const flaw = flawOf(frame.seq, reply);
    if (flaw) return flaw;
    const askedAtMs = performance.now();
    const input = { type: accepted ? 'accepted' : 'declined', botId: bot.botId, fence } as const;
    const decision = await this.#step(accepted ? 'lease' : 'decline', bot, frame, reply, async (traceparent) => {
      const made = await ledger.apply(taskId, input, traceparent, bot, bot.find(taskId)?.task);
      if (made.verdict === 'refused' || !accepted) return made;
      bot.leased(made.task, askedAtMs + times.leaseMs);
      const recall = recallOf(made.task);
      if (recall) {
        sendRecall(seat, recall, traceparent || made.task.traceparent);
        return made;
      }
      const duration = durationOf(times.leaseMs);
      seat.send(
        { $case: 'lease', value: { taskId, fence, duration, renewedBy: undefined } },
        traceparent || made.task.traceparent,
      );
      return made;
    });
    if (decision.verdict !== 'refused' && accepted) return undefined;
    const declined = bot.find(taskId)?.task;
    if (declined && reply.refusal === NackReason.PAYLOAD_UNDECODABLE) {
      this.#ports.trials.read(languageOf(declined), bot.botId, false);
    }
    if (declined && reply.refusal === NackReason.UNKNOWN_SCHEMA) this.#ports.delivery.lacks(seat, languageOf(declined));
    bot.drop(taskId, fence);
    if (!accepted) bot.shun(taskId, performance.now() + times.declinePauseMs);
    onWilling();
    return decision.verdict === 'refused' ? decision : undefined;
  }

  /** No database: the lease is in memory, the bot keeps the frame, and the event's id makes a resend harmless. */
  async #progress({ bot }: Seat, frame: Frame, progress: Progress): Answer {
    const { taskId, fence, schema, payload, started } = progress;
    const flaw = flawOf(frame.seq, progress);
    if (flaw) return flaw;
    const { leases, publish, trials, interpreter } = this.#ports;
    const held = leases.fresh(bot, taskId, fence) ?? (await leases.verify(bot, taskId, fence));
    if ('reason' in held) return held;
    const { task } = held;
    const language = languageOf(task);
    if (schema?.digest !== language.digest) return unknownSchema(schema?.digest, task);
    const about = {
      task: refOf(task, bot.botId, progress.occurredAt ?? new Date()),
      correlationId: task.correlationId,
    };
    const asked = task.schema.kind;
    const step: Reading<Draft | undefined> =
      started && payload.length === 0
        ? { value: undefined }
        : trials.reading(language, bot.botId, 'progress', payload, () => {
            const heard = interpreter.hear(language, asked, 'progress', payload);
            const words = heard.isSilent ? passOn : translatorOf(heard.kind);
            return words.progress(heard.payload, { ...about, original: heard.original });
          });
    if (step.refusal) {
      await interpreter.keep(step.cause, { taskId, fence, seq: frame.seq, language, asked, part: 'progress', payload });
      return step.refusal;
    }
    const more = {
      causationId: task.causationId,
      traceparent: parseTraceparent(frame.traceparent) ? frame.traceparent : task.traceparent,
      botId: bot.botId,
    };
    if (started || !held.running) {
      const begun = draft('bots.task_started', task.orderId, { task: about.task }, aboutTask(task));
      await publish({ draft: begun, id: `${taskId}:${fence}:started`, ...more });
    }
    held.running = true;
    if (step.value) await publish({ draft: step.value, id: `${taskId}:${fence}:${frame.seq}`, ...more });
    return undefined;
  }

  /** What the bot did before it stopped is published: the frame comes behind it. */
  async #cancelReply({ bot }: Seat, frame: Frame, reply: CancelReply): Answer {
    const { taskId, fence, stopped } = reply;
    const flaw = flawOf(frame.seq, reply);
    if (flaw) return flaw;
    const input = { type: stopped ? 'stopped' : 'goesOn', botId: bot.botId, fence } as const;
    const decision = await this.#step('cancel', bot, frame, reply, (traceparent) =>
      this.#ports.ledger.apply(taskId, input, traceparent, bot),
    );
    if (decision.verdict === 'refused') return decision;
    if (stopped && bot.drop(taskId, fence)) this.#ports.onWilling();
    return undefined;
  }

  /** All progress that came before is published; the outcome and its event commit together. */
  async #result({ bot }: Seat, frame: Frame, result: Result): Answer {
    const { taskId, fence } = result;
    const flaw = flawOf(frame.seq, result);
    if (flaw) return flaw;
    const held = this.#ports.leases.fresh(bot, taskId, fence);
    const isForeign = held && result.schema?.digest !== languageOf(held.task).digest;
    // Before anybody decodes it; where memory does not vouch for the lease, the task's machine says so.
    if (isForeign && result.outcome === Outcome.SUCCEEDED) return unknownSchema(result.schema?.digest, held.task);
    const asked = await this.#askedIn(bot, result);
    const report = readOutcome(result, { botId: bot.botId, asked }, this.#ports);
    if (report.refusal) {
      const language = { kind: asked, revision: 0, digest: '', ...result.schema };
      const { payload } = result;
      const refused = { taskId, fence, seq: frame.seq, language, asked, part: 'result' as const, payload };
      await this.#ports.interpreter.keep(report.cause, refused);
      return report.refusal;
    }
    const input = { ...report.value, botId: bot.botId, fence };
    const decision = await this.#step('result', bot, frame, result, (traceparent) =>
      this.#ports.ledger.apply(taskId, input, traceparent, bot, bot.find(taskId)?.task),
    );
    if (decision.verdict === 'refused') return decision;
    bot.drop(taskId, fence);
    this.#ports.onWilling();
    return undefined;
  }

  /** The kind that the task of a result was asked in; that of the result, where the two cannot differ or nobody knows the task. */
  async #askedIn(bot: LiveBot, { taskId, fence, schema }: Result): Promise<string> {
    const kind = schema?.kind ?? '';
    if (!this.#ports.interpreter.hasMajors(kind)) return kind;
    const held = bot.find(taskId) ?? (await this.#ports.leases.verify(bot, taskId, fence));
    return 'reason' in held ? kind : held.task.schema.kind;
  }

  /**
   * Decides in a span under the bot's that led to it; what follows belongs below that. Where neither the frame nor memory tells which the
   * bot's is, there is no span rather than one in a trace of its own, and `work` gets no trace context.
   */
  async #step(
    step: string,
    bot: LiveBot,
    frame: Frame,
    { taskId, fence }: { readonly taskId: string; readonly fence: number },
    work: (traceparent: string) => Promise<Decision>,
  ): Promise<Decision> {
    const { tracer, logger } = this.#ports;
    const known = bot.find(taskId)?.task;
    const reporter = [frame.traceparent, known?.traceparent].find((traceparent) => parseTraceparent(traceparent));
    if (reporter === undefined) return work('');
    const parent = contextOf(reporter);
    const own = { [ATTR_BOT_ID]: bot.botId, [ATTR_TASK_ID]: taskId, [ATTR_FENCE]: fence };
    const attributes = { ...(known && taskAttributes(known, bot)), ...own };
    const span = tracer.startSpan(step, { kind: SpanKind.INTERNAL, attributes }, parent);
    const active = trace.setSpan(parent, span);
    try {
      return await context.with(active, async () => {
        const decision = await work(traceparentOf(active));
        if (decision.verdict === 'refused') span.setAttribute(ATTR_REASON, decision.reason);
        else {
          const { task } = decision;
          const about = { ...taskAttributes(task, bot), ...attributes };
          span.updateName(`${step} ${task.schema.kind}`).setAttributes(about);
          logger.debug({ ...about, kind: task.schema.kind, step, state: task.phase.state }, 'report taken');
        }
        return decision;
      });
    } catch (error) {
      fail(span, error);
      throw error;
    } finally {
      span.end();
    }
  }
}
