import { context } from '@opentelemetry/api';
import type { Logger } from 'pino';
import { MallError } from '../contract/errors.ts';
import { newId } from '../contract/ids.ts';
import type { BotFrame, Hello } from '../gen/fleet/v1/fleet.ts';
import { TokenBucket } from '../kit/token-bucket.ts';
import { toStatus } from '../rpc/errors.ts';
import { ATTR_BOT_ID, ATTR_FENCE, ATTR_TASK_ID } from '../telemetry/attributes.ts';
import { contextOf } from '../telemetry/propagation.ts';
import { type IncomingFrame, isMalformed } from './envelope.ts';
import { type Introduction, readHello } from './hello.ts';
import { identify } from './identity.ts';
import { Lane } from './lane.ts';
import type { Admitted, Ledger } from './ledger.ts';
import {
  drainDeadlineMs,
  drainRetryAfterMs,
  frameBurstSeconds,
  type HubLimits,
  type HubTimes,
  pendingSlack,
} from './limits.ts';
import { LiveBot } from './live-bot.ts';
import { type Call, Outbound } from './outbound.ts';
import { nackOf, type Refusal } from './refusal.ts';
import type { Reports } from './reports.ts';
import type { HubBody, Roster, Seat } from './roster.ts';
import { decideSession, type SessionEffect, type SessionInput, type SessionState } from './session.ts';
import { isSignal, takeSignal } from './signals.ts';
import { durationOf, welcomeOf } from './welcome.ts';

export interface ConnectionPorts {
  readonly hubId: string;
  readonly ledger: Ledger;
  readonly roster: Roster;
  readonly reports: Reports;
  readonly times: HubTimes;
  readonly limits: HubLimits;
  readonly logger: Logger;
  readonly onWilling: () => void;
  /** The bot had a session on another hub. */
  readonly onSuperseding: (bot: LiveBot) => void;
  /** The session is over: its bot id and what it was offered are free again. Never rejects. */
  readonly detach: (bot: LiveBot, giveBack: boolean) => Promise<void>;
}

/** One stream: does what `decideSession` says. Frames that must not be lost go through the lane, in order; the others are handled as they come. */
export class Connection implements Seat {
  /** Resolves when the stream is over and its session detached. */
  readonly closed: Promise<void>;
  readonly #call: Call;
  readonly #ports: ConnectionPorts;
  readonly #outbound: Outbound;
  readonly #lane: Lane<BotFrame | 'end'>;
  readonly #bucket: TokenBucket;
  readonly #helloTimer: NodeJS.Timeout;
  readonly #close = Promise.withResolvers<void>();
  #logger: Logger;
  #state: SessionState = 'HELLO_WAIT';
  #bot: LiveBot | undefined;
  #admission: { readonly introduction: Introduction; readonly admitted: Admitted } | undefined;
  #handledSeq = 0;
  #detaching: Promise<void> | undefined;

  constructor(call: Call, ports: ConnectionPorts) {
    this.#call = call;
    this.#ports = ports;
    this.#logger = ports.logger.child({ peer: call.getPeer() });
    this.closed = this.#close.promise.then(() => this.#detaching);
    const { framesPerSecond, maxUnacknowledged, helloDeadlineMs } = ports.limits;
    this.#bucket = new TokenBucket(framesPerSecond * frameBurstSeconds, framesPerSecond, performance.now());
    this.#outbound = new Outbound(call, ports.limits, () => this.input({ type: 'overflowed' }));
    this.#lane = new Lane({
      handle: (item) => this.#handle(item),
      onFailure: (error) => this.input({ type: 'failed', error }),
      maxItems: maxUnacknowledged + pendingSlack,
      onFull: () => call.pause(),
      onRoom: () => call.resume(),
      logger: this.#logger,
    });
    this.#helloTimer = setTimeout(() => this.input({ type: 'overdue', afterMs: helloDeadlineMs }), helloDeadlineMs);
    call.on('data', (frame) => this.#receive(frame));
    call.on('end', () => (this.#bot ? this.#lane.push('end') : this.input({ type: 'halfClosed' })));
    for (const event of ['cancelled', 'error', 'close']) call.on(event, () => this.input({ type: 'gone' }));
  }

  get bot(): LiveBot {
    if (!this.#bot) throw new Error('the stream has no bot before it is admitted');
    return this.#bot;
  }

  get takesOffers(): boolean {
    return this.#state === 'READY';
  }

  send(body: HubBody, traceparent: string): boolean {
    return this.#outbound.send(body, traceparent);
  }

  input(input: SessionInput, frame?: IncomingFrame): void {
    const { state, effects } = decideSession(this.#state, input);
    this.#state = state;
    for (const effect of effects) this.#perform(effect, frame);
  }

  #perform(effect: SessionEffect, frame: IncomingFrame | undefined): void {
    switch (effect.type) {
      case 'admit':
        clearTimeout(this.#helloTimer);
        void this.#admit(((frame as BotFrame).body as { value: Hello }).value);
        return;
      case 'open':
        this.#open();
        return;
      case 'handle':
        this.#take(frame!);
        return;
      case 'nack':
        this.#nack(frame && !isMalformed(frame) ? frame : { seq: 0 }, {
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
        this.#ports.roster.remove(this);
        this.#detaching = this.#ports.detach(this.bot, effect.giveBack);
        return;
      case 'close':
        this.#end(effect.error);
        return;
      default:
        effect satisfies never;
    }
  }

  #receive(frame: IncomingFrame): void {
    const nowMs = performance.now();
    if (this.#bot) this.#bot.heardAtMs = nowMs;
    if (!this.#bucket.take(nowMs))
      this.input({ type: 'flooded', what: 'frames', perSecond: this.#ports.limits.framesPerSecond });
    else if (isMalformed(frame)) this.input({ type: 'frame', malformed: frame.malformed }, frame);
    else if (frame.body?.$case === 'hello') this.input({ type: 'hello' }, frame);
    else this.input({ type: 'frame' }, frame);
  }

  async #admit(hello: Hello): Promise<void> {
    try {
      const introduction = readHello({ ...hello, botId: identify(this.#call, hello.botId) });
      const { botId } = introduction;
      const sessionId = newId();
      const askedAtMs = performance.now();
      const admitted = await this.#ports.ledger.admit(introduction, sessionId);
      this.#bot = new LiveBot(introduction, { sessionId, epoch: admitted.epoch }, performance.now());
      for (const task of admitted.kept) this.#bot.leased(task, askedAtMs + this.#ports.times.leaseMs);
      this.#logger = this.#logger.child({ [ATTR_BOT_ID]: botId, session: sessionId, epoch: admitted.epoch });
      this.#admission = { introduction, admitted };
      this.input({ type: 'admitted' });
    } catch (thrown) {
      const error = MallError.from(thrown);
      if (error.code === 'INTERNAL') this.#logger.error({ err: thrown }, 'a bot could not be admitted');
      else this.#logger.info({ [ATTR_BOT_ID]: hello.botId, code: error.code, reason: error.message }, 'bot refused');
      this.input({ type: 'refused', error });
    }
  }

  #open(): void {
    const { hubId, times, limits, roster, onSuperseding, onWilling } = this.#ports;
    const { introduction, admitted } = this.#admission!;
    const { sessionId } = this.bot;
    this.send({ $case: 'welcome', value: welcomeOf(introduction, admitted, { sessionId, hubId }, times, limits) }, '');
    if (admitted.supersededOn !== undefined && admitted.supersededOn !== hubId) onSuperseding(this.bot);
    this.#logger.info({ kept: admitted.kept.length, held: introduction.held.length }, 'bot connected');
    roster.add(this);
    onWilling();
  }

  #take(frame: IncomingFrame): void {
    if (isMalformed(frame)) {
      this.#nack({ seq: 0 }, { reason: 'MALFORMED', message: frame.malformed });
      return;
    }
    if (isSignal(frame.body)) this.#signal(frame);
    // A numbered frame is acknowledged in its turn, whatever it is.
    if (!isSignal(frame.body) || frame.seq > 0) this.#lane.push(frame);
  }

  #signal(frame: BotFrame): void {
    const body = frame.body;
    if (!isSignal(body)) return;
    if (body.$case === 'nack') this.#logger.warn({ nack: body.value }, 'the bot refused a frame');
    const { refusal, stale = [], isWilling } = takeSignal(this.bot, body);
    if (refusal) this.#nack(frame, refusal);
    if (isWilling) this.#ports.onWilling();
    // What waits in the lane may be about these tasks.
    if (!this.#lane.isEmpty) return;
    for (const { taskId, fence } of stale) {
      const message = `held_tasks names task ${taskId} with fence ${fence}, which is no longer yours; stop`;
      this.send(nackOf(frame.seq, { reason: 'STALE_FENCE', message }, { taskId, fence }), '');
    }
  }

  async #handle(item: BotFrame | 'end'): Promise<void> {
    if (item === 'end') {
      this.input({ type: 'halfClosed' });
      return;
    }
    const isNew = item.seq === 0 || item.seq > this.#handledSeq;
    const refusal = isNew ? await this.#effect(item) : undefined;
    if (refusal) this.#nack(item, refusal);
    this.#handledSeq = Math.max(this.#handledSeq, item.seq);
    if (item.seq > 0) this.#outbound.acknowledge(this.#handledSeq);
  }

  #effect(frame: BotFrame): Promise<Refusal | undefined> | undefined {
    if (frame.body?.$case !== 'goodbye') return this.#ports.reports.take(this, frame);
    this.#logger.info({ reason: frame.body.value.reason }, 'bot leaves');
    this.input({ type: 'goodbye' });
    return undefined;
  }

  #nack(frame: { seq: number; traceparent?: string; body?: BotFrame['body'] }, refusal: Refusal): void {
    const value = frame.body?.value as { taskId?: string; fence?: number } | undefined;
    const about = { taskId: value?.taskId ?? '', fence: value?.fence ?? 0 };
    const task = about.taskId && { [ATTR_TASK_ID]: about.taskId, [ATTR_FENCE]: about.fence };
    context.with(contextOf(frame.traceparent), () =>
      this.#logger.warn({ seq: frame.seq, frame: frame.body?.$case, ...refusal, ...(task || {}) }, 'frame refused'),
    );
    this.send(nackOf(frame.seq, refusal, about), '');
  }

  #end(error: MallError | undefined): void {
    clearTimeout(this.#helloTimer);
    this.#lane.close();
    this.#outbound.close();
    if (this.#bot) this.#logger.info({ code: error?.code ?? 'OK', reason: error?.message }, 'bot disconnected');
    // A bot that leaves in good order may come back as another instance as soon as it hears that it has left.
    if (error) this.#call.emit('error', toStatus(error));
    else if (!this.#call.cancelled) void Promise.resolve(this.#detaching).then(() => this.#call.end());
    this.#close.resolve();
  }
}
