import {
  type Credit,
  type Hello,
  type HubFrame,
  Nack,
  NackReason,
  type Welcome,
} from '../../src/gen/fleet/v1/fleet.ts';
import { durationMs } from './duration.ts';
import { type HubLine, Unreadable } from './hub-client.ts';
import type { Outbox } from './outbox.ts';
import { type LossyBody, Uplink } from './uplink.ts';

/** From dialling to Welcome; a hub that takes longer is no use. */
const welcomeWaitMs = 10_000;
/** How long a draining hub's acknowledgements are waited for, whatever its deadline says by its own clock. */
const flushMs = 5_000;
/** After the bot ended its half of the stream, the hub has this long to end the other. */
const endWaitMs = 2_000;
/** Reliable frames under way when the hub names no number. */
const defaultWindow = 128;
/** When the hub names no interval. */
const defaultHeartbeatMs = 5_000;

type HubBody = NonNullable<HubFrame['body']>;
/** What the hub says about tasks and protocol; the rest is the session's own business. */
export type WorkBody = Extract<HubBody, { $case: 'offer' | 'lease' | 'cancel' | 'protocolOffer' | 'nack' }>;

export interface SessionPorts {
  readonly outbox: Outbox;
  hello(): Hello;
  /** Called before anything else is written. */
  onWelcome(welcome: Welcome): void;
  onWork(body: WorkBody, frame: HubFrame): void;
  /** The hub goes away: no new work. */
  onDeparture(): void;
  heartbeat(): LossyBody;
}

/** How a session ended. */
export interface SessionEnd {
  /** gRPC status code. */
  readonly code: number;
  readonly details: string;
  readonly welcomed: boolean;
  /** How long the session was ready, ms. */
  readonly readyMs: number;
  /** Set when the hub asked the bot to go: it comes back after a random time up to this, ms. */
  readonly retryAfterMs: number | undefined;
}

/** One connection of a bot, from Hello to the status that ends it. Never throws; `ended` never rejects. */
export class Session {
  readonly ended: Promise<SessionEnd>;
  readonly #line: HubLine;
  readonly #ports: SessionPorts;
  readonly #uplink: Uplink;
  readonly #timers = new Set<NodeJS.Timeout>();
  #lastHubSeq = 0;
  #window = 0;
  #welcomedAt: number | undefined;
  #retryAfterMs: number | undefined;
  #phase: 'open' | 'leaving' | 'over' = 'open';

  constructor(line: HubLine, lastHubSeq: number, ports: SessionPorts) {
    this.#line = line;
    this.#ports = ports;
    this.#lastHubSeq = lastHubSeq;
    const { call } = line;
    this.#uplink = new Uplink(call, ports.outbox, () => this.#lastHubSeq);
    this.ended = new Promise((resolve) => {
      call.on('status', ({ code, details }) => {
        this.#phase = 'over';
        for (const timer of this.#timers) clearTimeout(timer);
        line.close();
        const welcomed = this.#welcomedAt !== undefined;
        const readyMs = welcomed ? performance.now() - this.#welcomedAt! : 0;
        resolve({ code, details, welcomed, readyMs, retryAfterMs: this.#retryAfterMs });
      });
    });
    // The same end comes as `status`, which success has too.
    call.on('error', () => {});
    call.on('data', (frame) => this.#receive(frame));
    // A hub that ends without a word leaves; ending our half lets the status come.
    call.on('end', () => call.end());
    this.#after(welcomeWaitMs, () => this.#welcomedAt === undefined && this.cut());
    this.#uplink.hello({ $case: 'hello', value: ports.hello() });
  }

  /** Highest hub seq that arrived. */
  get lastHubSeq(): number {
    return this.#lastHubSeq;
  }

  /** Something is in the outbox. */
  pump(): void {
    this.#uplink.pump();
  }

  post(slot: string, body: LossyBody): void {
    if (this.#welcomedAt !== undefined) this.#uplink.post(slot, body);
  }

  complain(nack: Partial<Nack>): void {
    this.#uplink.complain(Nack.fromPartial(nack));
  }

  /** Ends the stream in good order; with `goodbye` the hub takes the bot's leases back. */
  leave(goodbye?: string): void {
    if (this.#phase !== 'open') return;
    this.#phase = 'leaving';
    this.#uplink.finish(this.#welcomedAt === undefined ? undefined : goodbye);
    this.#after(endWaitMs, () => this.cut());
  }

  /** Ends it without a word. */
  cut(): void {
    this.#line.call.cancel();
    this.#line.close();
  }

  #receive(frame: HubFrame | Unreadable): void {
    if (frame instanceof Unreadable) {
      this.complain({ reason: NackReason.MALFORMED, message: frame.why });
      return;
    }
    const { body, seq } = frame;
    if (!body) {
      const message = 'body of HubFrame is unset or unknown to this bot; speak the envelope minor of Welcome';
      this.complain({ seq, reason: NackReason.BODY_UNSET, message });
      return;
    }
    if (body.$case === 'welcome') {
      this.#welcome(body.value, frame);
      return;
    }
    if (this.#welcomedAt === undefined) {
      const message = `body of HubFrame is "${body.$case}" before any welcome; welcome the bot first`;
      this.complain({ seq, reason: NackReason.WRONG_STATE, message });
      return;
    }
    this.#lastHubSeq = Math.max(this.#lastHubSeq, seq);
    // A refusal first: its frame may acknowledge what it refuses.
    if (body.$case === 'nack') this.#act(body, frame);
    this.#ports.outbox.acknowledge(frame.ack);
    if (body.$case !== 'nack') this.#act(body, frame);
    this.#departWhenFlushed();
    // An acknowledgement may have opened the window.
    this.#uplink.pump();
  }

  #act(body: Exclude<HubBody, { $case: 'welcome' }>, frame: HubFrame): void {
    switch (body.$case) {
      case 'acknowledgement':
        return;
      case 'credit':
        this.#credit(body.value, frame.seq);
        return;
      case 'drain':
        this.#depart(durationMs(body.value.retryAfter), body.value.deadline);
        return;
      case 'offer':
      case 'lease':
      case 'cancel':
      case 'protocolOffer':
      case 'nack':
        this.#ports.onWork(body, frame);
        return;
      default:
        body satisfies never;
    }
  }

  #welcome(welcome: Welcome, frame: HubFrame): void {
    if (this.#welcomedAt !== undefined) {
      const message = 'a second welcome on one stream; open sessions anew instead';
      this.complain({ seq: frame.seq, reason: NackReason.WRONG_STATE, message });
      return;
    }
    this.#welcomedAt = performance.now();
    this.#lastHubSeq = welcome.resumed ? Math.max(this.#lastHubSeq, frame.seq) : frame.seq;
    this.#window = welcome.maxUnacknowledged || defaultWindow;
    this.#ports.outbox.resume(welcome.lastBotSeq);
    this.#ports.onWelcome(welcome);
    const beatMs = durationMs(welcome.heartbeatInterval) || defaultHeartbeatMs;
    this.#timers.add(setInterval(() => this.#uplink.post('heartbeat', this.#ports.heartbeat()), beatMs));
    this.#uplink.allow(this.#window);
  }

  #credit({ kind, amount }: Credit, seq: number): void {
    if (kind !== '') {
      const message = `kind is "${kind}"; a hub's credit counts unacknowledged frames and names no kind`;
      this.complain({ seq, reason: NackReason.FIELD_INVALID, message });
      return;
    }
    this.#window = amount;
    if (this.#retryAfterMs === undefined) this.#uplink.allow(amount);
  }

  /** Nothing new goes up; once the hub has acknowledged what did, or time is up, the stream ends. */
  #depart(retryAfterMs: number, deadline: Date | undefined): void {
    if (this.#retryAfterMs !== undefined) return;
    this.#retryAfterMs = retryAfterMs;
    this.#uplink.allow(0);
    this.#ports.onDeparture();
    const leftMs = deadline ? deadline.getTime() - Date.now() : flushMs;
    this.#after(Math.min(flushMs, Math.max(0, leftMs)), () => this.leave());
  }

  #departWhenFlushed(): void {
    if (this.#retryAfterMs !== undefined && this.#ports.outbox.onTheWire === 0) this.leave();
  }

  #after(ms: number, act: () => void): void {
    this.#timers.add(setTimeout(act, ms));
  }
}
