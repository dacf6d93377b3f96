import type { Logger } from 'pino';
import type { MallError } from '../contract/errors.ts';
import type { BotFrame } from '../gen/fleet/v1/fleet.ts';
import { TokenBucket } from '../kit/token-bucket.ts';
import { toStatus } from '../rpc/errors.ts';
import { ATTR_FENCE, ATTR_TASK_ID } from '../telemetry/attributes.ts';
import { BotSession, type SessionPorts, type Stream } from './bot-session.ts';
import { type IncomingFrame, isMalformed, type SizedFrame } from './envelope.ts';
import type { Intake, PauseReason, Share } from './intake.ts';
import { Lane } from './lane.ts';
import { frameBurstSeconds, hangUpAfterMs, telemetryPauseMs } from './limits.ts';
import type { Call } from './outbound.ts';
import type { Refusal } from './refusal.ts';
import { nackOf, nackReasonName } from './refusal.ts';
import type { Reports } from './reports.ts';
import type { StreamInput } from './session.ts';
import { aboutFrame } from './session-log.ts';
import { isSignal, takeSignal } from './signals.ts';

export interface ConnectionPorts extends SessionPorts {
  readonly reports: Reports;
  readonly intake: Intake;
  /** Ends the connection of a peer that goes on after its stream was ended. */
  readonly hangUp: (peer: string) => void;
}

type WithoutEpoch<T> = T extends unknown ? Omit<T, 'epoch'> : never;

/** A frame of the lane, and when it came. */
interface Arrived {
  readonly frame: SizedFrame;
  readonly atMs: number;
}

/**
 * One stream: takes what comes to the session that it belongs to. Frames that must not be lost go through the lane, in order; the others
 * are handled as they come.
 */
export class Connection implements Stream {
  readonly call: Call;
  readonly logger: Logger;
  /** Resolves when the stream is over and the tables know. */
  readonly closed: Promise<void>;
  readonly #ports: ConnectionPorts;
  readonly #lane: Lane<Arrived | 'end'>;
  readonly #share: Share;
  readonly #bucket: TokenBucket;
  /** Why it is not read just now. */
  readonly #unread = new Set<PauseReason | 'TELEMETRY'>();
  readonly #helloTimer: NodeJS.Timeout;
  readonly #close = Promise.withResolvers<void>();
  #session: BotSession;
  /** Reliable frames that the bot was told it may have unacknowledged. */
  #toldWindow: number;
  #beating: NodeJS.Timeout | undefined;
  /** 0 until the stream is admitted. */
  #epoch = 0;

  constructor(call: Call, ports: ConnectionPorts) {
    this.call = call;
    this.logger = ports.logger.child({ peer: call.getPeer() });
    this.closed = this.#close.promise;
    this.#ports = ports;
    const { framesPerSecond, maxUnacknowledged, helloDeadlineMs } = ports.limits;
    this.#toldWindow = maxUnacknowledged;
    this.#share = ports.intake.join({
      pause: (reason) => this.#pause(reason),
      resume: () => this.#resume('BOT', 'HUB'),
    });
    this.#bucket = new TokenBucket(framesPerSecond * frameBurstSeconds, framesPerSecond, performance.now());
    this.#session = new BotSession(this, ports);
    this.#lane = new Lane({
      handle: (item) => this.#work(item),
      onFailure: (error) => this.#input({ type: 'failed', error }),
      onHandled: (item) => {
        if (item === 'end') return;
        this.#share.remove(item.frame.wireBytes);
        this.#tellWindow();
      },
      logger: () => this.#session.logger,
      describe: (item) => (item === 'end' ? { frame: 'end' } : aboutFrame(item.frame)),
    });
    this.#helloTimer = setTimeout(() => this.#input({ type: 'overdue', afterMs: helloDeadlineMs }), helloDeadlineMs);
    call.on('data', (frame) => this.#receive(frame));
    call.on('end', () => (this.#epoch > 0 ? this.#lane.push('end') : this.#input({ type: 'halfClosed' })));
    for (const event of ['cancelled', 'error', 'close']) call.on(event, () => this.#input({ type: 'gone' }));
  }

  get session(): BotSession {
    return this.#session;
  }

  admitted(session: BotSession, epoch: number): void {
    this.#session = session;
    this.#epoch = epoch;
  }

  handle(frame: IncomingFrame): void {
    if (isMalformed(frame)) {
      this.#session.nack({ seq: 0 }, { reason: 'MALFORMED', message: frame.malformed });
      return;
    }
    this.#session.confirm(frame.ack);
    if (isSignal(frame.body)) this.#signal(frame);
    // A numbered frame is acknowledged in its turn, whatever it is.
    if (isSignal(frame.body) && frame.seq === 0) return;
    this.#share.add(frame.wireBytes);
    this.#lane.push({ frame, atMs: performance.now() });
    this.#tellWindow();
  }

  end(error: MallError | undefined, detached: Promise<void> | undefined): void {
    this.#ports.counts.add('mallbots.hub.sessions.closed', error?.detail.reason ?? error?.code ?? 'OK');
    clearTimeout(this.#helloTimer);
    clearInterval(this.#beating);
    this.#lane.close();
    this.#share.leave();
    if (error?.code === 'RESOURCE_EXHAUSTED') {
      const peer = this.call.getPeer();
      setTimeout(() => this.#ports.hangUp(peer), hangUpAfterMs).unref();
    }
    // A bot that leaves in good order may come back as another instance as soon as it hears that it has left.
    if (error) this.call.emit('error', toStatus(error));
    else if (!this.call.cancelled) void Promise.resolve(detached).then(() => this.call.end());
    this.#close.resolve(detached);
  }

  #input(input: WithoutEpoch<StreamInput>, frame?: IncomingFrame): void {
    this.#session.input({ ...input, epoch: this.#epoch }, frame);
  }

  #receive(frame: IncomingFrame): void {
    const nowMs = performance.now();
    this.#ports.metrics.frame('receive', isMalformed(frame) ? 'malformed' : (frame.body?.$case ?? 'unset'));
    if (this.#epoch > 0) this.#session.bot.heardAtMs = nowMs;
    const { framesPerSecond: perSecond } = this.#ports.limits;
    if (!isMalformed(frame) && frame.body?.$case === 'telemetry') this.#ease(nowMs);
    if (!this.#bucket.take(nowMs)) this.#input({ type: 'flooded', what: 'frames', perSecond });
    else if (isMalformed(frame)) this.#input({ type: 'frame', malformed: frame.malformed }, frame);
    else if (frame.body?.$case === 'hello') {
      clearTimeout(this.#helloTimer);
      this.#input({ type: 'hello' }, frame);
    } else this.#input({ type: 'frame' }, frame);
  }

  #signal(frame: BotFrame): void {
    const { body } = frame;
    const session = this.#session;
    if (!isSignal(body)) return;
    if (body.$case === 'nack') {
      this.#ports.counts.add('mallbots.hub.frames.refused_by_bots', nackReasonName(body.value.reason));
      const { seq, taskId, fence, reason, message: detail } = body.value;
      const about = taskId && { [ATTR_TASK_ID]: taskId, [ATTR_FENCE]: fence };
      session.logger.warn({ ...(about || {}), seq, reason: nackReasonName(reason), detail }, 'the bot refused a frame');
    }
    const { refusal, stale = [], isWilling } = takeSignal(session.bot, body);
    if (refusal) session.nack(frame, refusal);
    if (isWilling) this.#ports.onWilling();
    // What waits in the lane may be about these tasks.
    if (!this.#lane.isEmpty) return;
    for (const { taskId, fence } of stale) {
      if (!session.mayRefuse({ reason: 'STALE_FENCE' })) return;
      const message = `held_tasks names task ${taskId} with fence ${fence}, which is no longer yours; stop`;
      session.send(nackOf(frame.seq, { reason: 'STALE_FENCE', message }, { taskId, fence }), '');
    }
  }

  async #work(item: Arrived | 'end'): Promise<void> {
    if (item === 'end') {
      this.#input({ type: 'halfClosed' });
      return;
    }
    const { frame, atMs } = item;
    const session = this.#session;
    const isNew = frame.seq === 0 || frame.seq > session.durable;
    const refusal = isNew ? await this.#effect(frame) : undefined;
    // The session has gone on to another stream: the bot sends the frame again there, and it is judged there.
    if (session.bot.epoch !== this.#epoch) return;
    if (isNew) this.#count(frame, refusal);
    if (refusal) session.nack(frame, refusal);
    if (refusal?.reason === 'STALE_FENCE') this.#ports.metrics.staleFence();
    if (frame.seq === 0) return;
    session.acknowledge(frame.seq);
    this.#ports.metrics.acknowledged(performance.now() - atMs);
  }

  /** Of the revision that the bot names, when there is one: what a bot says must not make up figures. */
  #count({ body }: BotFrame, refusal: Refusal | undefined): void {
    if (body?.$case !== 'progress' && body?.$case !== 'result') return;
    const { catalogue, metrics } = this.#ports;
    metrics.said(catalogue.view.find(body.value.schema?.digest ?? '')?.schema, refusal?.reason ?? 'taken');
  }

  #tellWindow(): void {
    const { window } = this.#ports.intake;
    if (window === this.#toldWindow) return;
    this.#toldWindow = window;
    this.#session.bot.toldWindow(window);
    this.#session.send({ $case: 'credit', value: { kind: '', amount: window } }, '');
  }

  /** Telemetry leaves half of what is agreed to the other frames: it makes its sender wait, and costs no stream. */
  #ease(nowMs: number): void {
    if (this.#bucket.take(nowMs, { cost: 0, reserve: this.#ports.limits.framesPerSecond })) return;
    this.#ports.counts.add('mallbots.hub.reading.paused', 'TELEMETRY');
    this.#pause('TELEMETRY');
    setTimeout(() => this.#resume('TELEMETRY'), telemetryPauseMs);
  }

  #pause(reason: PauseReason | 'TELEMETRY'): void {
    if (this.#unread.size === 0) this.call.pause();
    this.#unread.add(reason);
    // What this hub does not read, it must not miss: the connection's pings say whether the bot is there.
    if (reason === 'HUB') this.#beating ??= setInterval(() => this.#beat(), this.#ports.times.heartbeatMs);
  }

  #resume(...reasons: Array<PauseReason | 'TELEMETRY'>): void {
    for (const reason of reasons) this.#unread.delete(reason);
    if (!this.#unread.has('HUB')) {
      clearInterval(this.#beating);
      this.#beating = undefined;
    }
    if (this.#unread.size === 0) this.call.resume();
  }

  #beat(): void {
    const { bot } = this.#session;
    bot.heardAtMs = performance.now();
    bot.beat(bot.held.map(({ task: { taskId, fence } }) => ({ taskId, fence, finished: false })));
  }

  #effect(frame: BotFrame): Promise<Refusal | undefined> {
    if (frame.body?.$case !== 'goodbye') return this.#ports.reports.take(this.#session, frame);
    this.#session.logger.debug({ reason: frame.body.value.reason }, 'the bot says goodbye');
    this.#input({ type: 'goodbye' });
    return Promise.resolve(undefined);
  }
}
