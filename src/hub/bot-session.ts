import { context } from '@opentelemetry/api';
import type { Logger } from 'pino';
import { MallError } from '../contract/errors.ts';
import { newId } from '../contract/ids.ts';
import type { BotFrame, Hello } from '../gen/fleet/v1/fleet.ts';
import { TokenBucket } from '../kit/token-bucket.ts';
import { contextOf } from '../telemetry/propagation.ts';
import type { Admissions, Admitted } from './admissions.ts';
import type { BotLimits } from './bot-limits.ts';
import { recallOf, sendRecall } from './cancel.ts';
import type { Counts } from './counts.ts';
import type { Detach } from './detach.ts';
import { type IncomingFrame, isMalformed } from './envelope.ts';
import { type Introduction, readHello } from './hello.ts';
import type { HubMetrics } from './hub-metrics.ts';
import { identify } from './identity.ts';
import { drainDeadlineMs, drainRetryAfterMs, type HubLimits, type HubTimes, refusalBurst } from './limits.ts';
import { LiveBot } from './live-bot.ts';
import { type Call, Outbound } from './outbound.ts';
import type { Outflow } from './outflow.ts';
import type { Catalogue } from './protocol/catalogue.ts';
import type { Delivery } from './protocol/delivery.ts';
import { nackOf, type Refusal } from './refusal.ts';
import { digestOf, drawResumeToken } from './resume-token.ts';
import type { HubBody, Roster, Seat } from './roster.ts';
import { decideSession, type SessionEffect, type SessionInput, type SessionState } from './session.ts';
import { aboutRefusal, aboutSession, logClosed, logRefused, namedTask, type Refusable } from './session-log.ts';
import type { Task } from './task-phase.ts';
import { durationOf, welcomeOf } from './welcome.ts';

export interface SessionPorts {
  readonly hubId: string;
  readonly admissions: Admissions;
  readonly roster: Roster<BotSession>;
  readonly catalogue: Pick<Catalogue, 'view'>;
  readonly delivery: Pick<Delivery, 'tell'>;
  readonly botLimits: Pick<BotLimits, 'of'>;
  readonly times: HubTimes;
  readonly limits: HubLimits;
  readonly outflow: Outflow;
  readonly counts: Counts;
  readonly metrics: HubMetrics;
  readonly logger: Logger;
  readonly onWilling: () => void;
  /** The bot had a stream on another hub. */
  readonly onSuperseding: (bot: LiveBot) => void;
  readonly detach: Detach;
}

/** The stream that a session has just now. */
export interface Stream {
  readonly call: Call;
  readonly logger: Logger;
  /** From here on the stream is that session's, under that epoch. */
  admitted(session: BotSession, epoch: number): void;
  handle(frame: IncomingFrame): void;
  /** With OK when there is no error, and then not before `detached`. */
  end(error: MallError | undefined, detached: Promise<void> | undefined): void;
}

/** A stream that was let in. */
interface Arrival {
  readonly stream: Stream;
  readonly introduction: Introduction;
  readonly admitted: Admitted;
  readonly resumeToken: Buffer;
  /** Before the statement that leased what is kept. */
  readonly askedAtMs: number;
}

/** A session on this hub: does what `decideSession` says, over whichever stream the bot has just now. */
export class BotSession implements Seat {
  readonly #ports: SessionPorts;
  readonly #outbound: Outbound;
  readonly #refusals: TokenBucket;
  #logger: Logger;
  #state: SessionState = { at: 'HELLO_WAIT' };
  #stream: Stream | undefined;
  #bot: LiveBot | undefined;
  #arrival: Arrival | undefined;
  #grace: NodeJS.Timeout | undefined;
  #detaching: Promise<void> | undefined;

  constructor(stream: Stream, ports: SessionPorts) {
    this.#ports = ports;
    this.#logger = stream.logger;
    this.#stream = stream;
    const { refusalsPerSecond } = ports.limits;
    this.#refusals = new TokenBucket(refusalBurst(ports.limits), refusalsPerSecond, performance.now());
    this.#outbound = new Outbound(
      ports.outflow,
      ports.metrics,
      () => this.input({ type: 'overflowed' }),
      ports.onWilling,
    );
    this.#outbound.attach(stream.call);
  }

  get logger(): Logger {
    return this.#logger;
  }

  get bot(): LiveBot {
    if (!this.#bot) throw new Error('the session has no bot before it is admitted');
    return this.#bot;
  }

  get state(): SessionState['at'] {
    return this.#state.at;
  }

  get takesOffers(): boolean {
    return this.#state.at === 'READY' && this.#outbound.isFlowing;
  }

  /** Every frame of the bot up to here is durable, or refused for good. */
  get durable(): number {
    return this.#outbound.durable;
  }

  send(body: HubBody, traceparent: string): boolean {
    return this.#outbound.send(body, traceparent);
  }

  acknowledge(seq: number): void {
    this.#outbound.acknowledge(seq);
  }

  /** The bot has seen what this hub sent, up to `hubSeq`. */
  confirm(hubSeq: number): void {
    this.#outbound.confirm(hubSeq);
  }

  nack(frame: Refusable, refusal: Refusal): void {
    if (!this.mayRefuse(refusal)) return;
    const about = namedTask(frame);
    const known = this.#bot?.find(about.taskId)?.task;
    context.with(contextOf(frame.traceparent || known?.traceparent), () =>
      this.#logger.warn(aboutRefusal(frame, refusal, known), 'frame refused'),
    );
    this.send(nackOf(frame.seq, refusal, about), '');
  }

  /** A refusal costs a frame and a line of log: a bot that earns too many loses its stream. */
  mayRefuse({ reason }: Pick<Refusal, 'reason'>): boolean {
    const { counts, limits } = this.#ports;
    counts.add('mallbots.hub.frames.refused', reason);
    if (this.#refusals.take(performance.now())) return true;
    const epoch = this.#bot?.epoch ?? 0;
    this.input({ type: 'flooded', what: 'refused frames', perSecond: limits.refusalsPerSecond, epoch });
    return false;
  }

  input(input: SessionInput, frame?: IncomingFrame): void {
    const { state, effects } = decideSession(this.#state, input);
    this.#state = state;
    for (const effect of effects) this.#perform(effect, frame);
  }

  #perform(effect: SessionEffect, frame: IncomingFrame | undefined): void {
    switch (effect.type) {
      case 'admit':
        void this.#admit(this.#stream!, ((frame as BotFrame).body as { value: Hello }).value);
        return;
      case 'open':
        this.#open(this.#arrival!);
        return;
      case 'handle':
        this.#stream!.handle(frame!);
        return;
      case 'nack':
        this.nack(frame && !isMalformed(frame) ? frame : { seq: 0 }, {
          reason: 'WRONG_STATE',
          message: effect.message,
        });
        return;
      case 'announceDrain': {
        const deadline = new Date(Date.now() + drainDeadlineMs);
        this.send({ $case: 'drain', value: { deadline, retryAfter: durationOf(drainRetryAfterMs) } }, '');
        return;
      }
      case 'detach':
        this.#detach(effect);
        return;
      case 'end':
        this.#end(effect.error);
        return;
      case 'forget':
        clearTimeout(this.#grace);
        this.#ports.roster.remove(this, false);
        this.#logger.info({ reason: 'nobody came back to it' }, 'session expired');
        return;
      default:
        effect satisfies never;
    }
  }

  async #admit(stream: Stream, hello: Hello): Promise<void> {
    const { admissions, roster } = this.#ports;
    try {
      const introduction = readHello({ ...hello, botId: identify(stream.call, hello.botId) });
      const { botId, lastHubSeq } = introduction;
      const resumeToken = drawResumeToken();
      const askedAtMs = performance.now();
      const admitted = await admissions.admit({
        introduction,
        sessionId: newId(),
        resumeDigest: digestOf(resumeToken),
        isGone: () => this.#state.at === 'CLOSED',
      });
      const arrival = { stream, introduction, admitted, resumeToken, askedAtMs };
      const older = roster.findAny(botId);
      if (this.#state.at === 'SYNC' && older?.goesOn(admitted, lastHubSeq)) {
        this.#outbound.detach();
        this.#stream = undefined;
        this.input({ type: 'handedOver' });
        older.#arrive(arrival, { type: 'resumed', epoch: admitted.epoch });
      } else {
        roster.supersede(botId, admitted.epoch);
        this.#arrive(arrival, { type: 'admitted', epoch: admitted.epoch });
      }
    } catch (thrown) {
      const error = MallError.from(thrown);
      logRefused(this.#logger, hello, error);
      this.input({ type: 'refused', error });
    }
  }

  /** Whether that stream of its bot is this session's next one, and all that the bot has not seen is still here. */
  goesOn({ continues, sessionId, epoch }: Admitted, lastHubSeq: number): boolean {
    const isNext = continues && this.bot.sessionId === sessionId && this.bot.epoch === epoch - 1;
    return isNext && this.#outbound.reaches(lastHubSeq);
  }

  #arrive(arrival: Arrival, input: SessionInput): void {
    const { stream, introduction, admitted, askedAtMs } = arrival;
    const { sessionId, epoch, kept } = admitted;
    this.#arrival = arrival;
    const { catalogue, botLimits } = this.#ports;
    this.#bot = new LiveBot(introduction, { sessionId, epoch }, catalogue.view, botLimits, performance.now());
    for (const task of kept) {
      // What is being cancelled was not renewed: the table is asked how long it has.
      const leaseMs = task.phase.state === 'CANCELLING' ? 0 : this.#ports.times.leaseMs;
      this.#bot.leased(task, askedAtMs + leaseMs);
    }
    this.#logger = stream.logger.child(aboutSession(this.#bot));
    stream.admitted(this, epoch);
    this.input(input);
  }

  #open({ stream, introduction, admitted, resumeToken }: Arrival): void {
    const { hubId, times, limits, roster, delivery, onSuperseding, onWilling } = this.#ports;
    const { kept, supersededOn } = admitted;
    const resumed = this.#stream !== stream;
    this.#arrival = undefined;
    clearTimeout(this.#grace);
    if (resumed) {
      this.#stream = stream;
      this.#outbound.attach(stream.call);
    }
    const resumption = { resumed, lastBotSeq: resumed ? this.durable : 0, resumeToken };
    this.send({ $case: 'welcome', value: welcomeOf(introduction, admitted, resumption, hubId, times, limits) }, '');
    if (resumed) this.#outbound.replay(introduction.lastHubSeq, (body) => stillMatters(body, kept));
    if (supersededOn !== undefined && supersededOn !== hubId) onSuperseding(this.bot);
    this.#logger.debug({ kept: kept.length, held: introduction.held.length, resumed }, 'session opened');
    for (const recall of kept.map(recallOf)) if (recall) sendRecall(this, recall);
    delivery.tell(this);
    roster.add(this);
    onWilling();
  }

  #detach({ giveBack, resumable }: { readonly giveBack: boolean; readonly resumable: boolean }): void {
    const { roster, times, detach } = this.#ports;
    const { epoch } = this.bot;
    const graceMs = resumable ? times.graceMs : 0;
    if (resumable) this.#grace = setTimeout(() => this.input({ type: 'graceOver', epoch }), graceMs).unref();
    roster.remove(this, resumable);
    this.#detaching = detach(this.bot, { giveBack, graceMs });
  }

  #end(error: MallError | undefined): void {
    if (this.#bot) logClosed(this.#logger, error);
    const stream = this.#stream;
    this.#stream = undefined;
    this.#outbound.detach();
    stream?.end(error, this.#detaching);
  }
}

/** The verdicts of a welcome say all that is to be said about a task that the bot has no more; of the protocol, the bot is told anew what it lacks. */
function stillMatters(body: HubBody, kept: readonly Task[]): boolean {
  if (body.$case === 'protocolOffer') return false;
  if (body.$case !== 'lease' && body.$case !== 'cancel') return true;
  const { taskId, fence } = body.value;
  return kept.some((task) => task.taskId === taskId && task.fence === fence);
}
