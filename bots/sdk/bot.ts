import { trace } from '@opentelemetry/api';
import type { HubFrame, Welcome } from '../../src/gen/fleet/v1/fleet.ts';
import { Assignments } from './assignments.ts';
import { defaultBackoff, pause } from './backoff.ts';
import { type BotOptions, hubsOf } from './bot-options.ts';
import { aboutNack, type BotEvents, type BotState, HubRefused, isFinal } from './bot-state.ts';
import { Credits } from './credits.ts';
import { dialHub } from './hub-client.ts';
import { Journal } from './journal.ts';
import { Language } from './language.ts';
import { LeaseClock } from './lease-clock.ts';
import { Listeners } from './listeners.ts';
import { type BotLogger, silentLogger } from './logger.ts';
import { type Entry, Outbox } from './outbox.ts';
import { failuresAfter, retryAfter } from './reconnect.ts';
import { repertoireOf } from './repertoire.ts';
import { SelfReport } from './self-report.ts';
import { Session, type SessionEnd, type WorkBody } from './session.ts';
import { ATTR_BOT_ID } from './spans.ts';
import { Watch } from './watch.ts';

/** `drain` lets handlers work this long unless told otherwise. */
const drainDeadlineMs = 30_000;
/** After that, or for handlers that were told to stop: time to end and to be acknowledged. */
const stopGraceMs = 3_000;
/** What a frame needs around its payload: ids, digest, trace context, times. Bytes, generous. */
const frameOverheadBytes = 1_024;
/** The receive limit of gRPC servers that name none. */
const defaultMaxFrameBytes = 4 * 1_024 * 1_024;

/** Connects a bot and keeps it connected until `drain`, `close`, or a hub that refuses it for good. */
export const connectBot = (options: BotOptions): Bot => new Bot(options);

export class Bot implements AsyncDisposable {
  readonly botId: string;
  readonly instanceId: string;
  /** Resolves when the bot is closed, with the error when the hub refused it. Never rejects. */
  readonly closed: Promise<HubRefused | undefined>;
  readonly #options: BotOptions;
  readonly #hubs: readonly string[];
  readonly #logger: BotLogger;
  readonly #random: () => number;
  readonly #credits: Credits;
  readonly #language: Language;
  readonly #journal: Journal;
  readonly #outbox: Outbox;
  readonly #assignments: Assignments;
  readonly #selfReport: SelfReport;
  readonly #clock = new LeaseClock();
  readonly #stopping = new AbortController();
  readonly #listeners = new Listeners<BotEvents>((event, err) =>
    this.#logger.warn({ [ATTR_BOT_ID]: this.botId, event, err }, 'a listener threw'),
  );
  readonly #watch = new Watch();
  #state: BotState;
  #session: Session | undefined;
  #resumeToken: Uint8Array;
  #lastHubSeq = 0;
  #maxFrameBytes = defaultMaxFrameBytes;
  #leaving = false;

  constructor(options: BotOptions) {
    this.#options = options;
    this.botId = options.botId;
    this.#hubs = hubsOf(options);
    this.#logger = options.logger ?? silentLogger;
    this.#random = options.random ?? Math.random;
    const repertoire = repertoireOf(options.kinds);
    this.#credits = new Credits(repertoire);
    this.#journal = new Journal(options.store, options.bootCount);
    const { instanceId, bootCount, token } = this.#journal.remembered;
    this.instanceId = instanceId;
    this.#resumeToken = token;
    this.#outbox = new Outbox((entry: Entry) => this.#assignments.settled(entry), options.outboxLimit, this.#journal);
    this.#language = new Language({
      botId: options.botId,
      repertoire,
      accept: options.accept ?? (() => true),
      journal: this.#journal,
      logger: this.#logger,
      outbox: this.#outbox,
      written: () => this.#session?.pump(),
      told: (status) => this.#listeners.tell('revision', status),
      retired: (kind) => this.#listeners.tell('retired', kind),
      leaving: this.#stopping.signal,
      newKind: (kind) => this.#sayCredits(kind),
      pinned: () => this.#assignments.pinned(),
    });
    this.#assignments = new Assignments({
      botId: options.botId,
      language: this.#language,
      credits: this.#credits,
      logger: this.#logger,
      tracer: options.tracer ?? trace.getTracer('mallbots-bot'),
      outbox: this.#outbox,
      journal: this.#journal,
      clock: this.#clock,
      maxPayloadBytes: () => this.#maxFrameBytes - frameOverheadBytes,
      written: () => this.#session?.pump(),
      complain: (nack) => this.#session?.complain(nack),
      changed: () => {
        this.#language.forgetUnpinned();
        this.#watch.look();
      },
    });
    this.#selfReport = new SelfReport(options, {
      instanceId,
      bootCount,
      language: this.#language,
      credits: this.#credits,
      anyKind: repertoire.any !== undefined,
      assignments: this.#assignments,
      clock: this.#clock,
    });
    // Bots of one fleet start at different hubs.
    const first = Math.floor(this.#random() * this.#hubs.length);
    this.#state = { at: 'connecting', hub: this.#hubs[first]!, attempt: 1 };
    this.closed = this.#stayConnected(first);
  }

  get state(): BotState {
    return this.#state;
  }

  /** Reports that the hub has not acknowledged yet. */
  get unacknowledged(): number {
    return this.#outbox.size;
  }

  /** Returns what takes the listener off again. What a listener throws is logged, and changes nothing. */
  on<E extends keyof BotEvents>(event: E, listener: (value: BotEvents[E]) => void): () => void {
    return this.#listeners.add(event, listener);
  }

  /** Resolves once the bot is `ready`; rejects when it closes instead, or with the signal's reason. */
  async ready(signal?: AbortSignal): Promise<void> {
    await this.#watch.until(() => this.#state.at === 'ready' || this.#state.at === 'closed', signal);
    signal?.throwIfAborted();
    if (this.#state.at === 'closed') throw this.#state.error ?? new Error(`bot ${this.botId} is closed`);
  }

  /**
   * How many tasks of `kind` the bot takes at once from now on; 0 is a pause (charging). `otherKinds` stands for each kind that only the
   * handler of `anyKind` serves.
   * @throws RangeError when the bot serves no such kind
   */
  setCredits(kind: string, amount: number): void {
    for (const each of this.#credits.set(kind, amount, [...this.revisions.keys()])) this.#sayCredits(each);
  }

  /** What this bot speaks: the digests of each kind. */
  get revisions(): ReadonlyMap<string, readonly string[]> {
    return new Map(this.#language.support().map(({ kind, digests }) => [kind, digests]));
  }

  /** Measurements for whoever watches; the newest replaces what was not sent yet, and all may be lost. */
  telemetry(gauges: Record<string, number>): void {
    this.#session?.post('telemetry', this.#selfReport.telemetry(gauges));
  }

  /**
   * Leaves in good order: takes no new tasks, ends those under way, waits for the hub's acknowledgement, says goodbye. Tasks that are not
   * done within `deadlineMs` are aborted and reported as failed, for another bot to retry.
   */
  async drain({ deadlineMs = drainDeadlineMs, reason = 'drain' } = {}): Promise<void> {
    this.#leaving = true;
    this.#assignments.close('the bot is draining');
    for (const kind of this.#credits.kinds) this.setCredits(kind, 0);
    const isDone = () => this.#state.at === 'closed' || (this.#assignments.isIdle && this.#outbox.size === 0);
    await this.#watch.until(isDone, AbortSignal.timeout(deadlineMs));
    if (!isDone()) {
      this.#assignments.stopAll('shutdown', `not done within ${deadlineMs} ms of draining`);
      await this.#watch.until(isDone, AbortSignal.timeout(stopGraceMs));
    }
    await this.close(reason);
  }

  /** Leaves at once: handlers are aborted, nothing more is reported, the hub gets the tasks back. */
  async close(reason = 'close'): Promise<void> {
    this.#assignments.close('the bot is closing');
    this.#assignments.loseAll('shutdown', reason);
    this.#stopping.abort();
    this.#session?.leave(reason);
    await this.closed;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** Cuts the connection without a word, as a lost radio link does. The bot comes back by itself. */
  cut(): void {
    this.#session?.cut();
  }

  /** Ends without a word, as a killed process does: for tests and simulators. */
  async kill(): Promise<void> {
    this.#journal.close();
    this.#assignments.loseAll('killed', 'killed');
    this.#stopping.abort();
    this.#session?.cut();
    await this.closed;
  }

  async #stayConnected(first: number): Promise<HubRefused | undefined> {
    let failures = 0;
    for (let turn = first; !this.#stopping.signal.aborted; turn += 1) {
      const hub = this.#hubs[turn % this.#hubs.length]!;
      this.#enter({ at: 'connecting', hub, attempt: failures + 1 });
      const end = await this.#hold(hub);
      if (this.#stopping.signal.aborted) break;
      if (isFinal(end)) return this.#finish(new HubRefused(hub, end));
      failures = failuresAfter(failures, end);
      const retry = retryAfter(end, failures, this.#options.reconnect ?? defaultBackoff, this.#random());
      this.#enter({ at: 'waiting', ...retry });
      await pause(retry.retryInMs, this.#stopping.signal);
    }
    return this.#finish();
  }

  /** One session, from dialling to its end. */
  async #hold(hub: string): Promise<SessionEnd> {
    this.#session = new Session(dialHub(hub, this.#options.credentials), this.#lastHubSeq, {
      outbox: this.#outbox,
      hello: () => this.#selfReport.hello({ token: this.#resumeToken, lastHubSeq: this.#lastHubSeq }),
      heartbeat: () => this.#selfReport.heartbeat(),
      onWelcome: (welcome) => this.#welcomed(hub, welcome),
      onWork: (body, frame) => this.#work(body, frame),
      onDeparture: () => {
        this.#assignments.close('this hub is draining');
        this.#enter({ at: 'departing', hub });
      },
    });
    const end = await this.#session.ended;
    this.#lastHubSeq = this.#session.lastHubSeq;
    this.#session = undefined;
    return end;
  }

  #welcomed(hub: string, welcome: Welcome): void {
    this.#resumeToken = welcome.resumeToken;
    this.#journal.note({ type: 'token', token: welcome.resumeToken.toString('base64') });
    this.#maxFrameBytes = welcome.maxFrameBytes || defaultMaxFrameBytes;
    this.#assignments.verdicts(welcome);
    if (!this.#leaving) this.#assignments.close(undefined);
    const { hubId, sessionId, epoch, resumed } = welcome;
    this.#enter({ at: 'ready', hub, hubId, sessionId, epoch, resumed });
  }

  #work(body: WorkBody, { traceparent, seq }: HubFrame): void {
    switch (body.$case) {
      case 'offer':
        this.#assignments.offer(body.value, traceparent, seq);
        return;
      case 'lease':
        this.#assignments.lease(body.value, traceparent, seq);
        return;
      case 'cancel':
        this.#assignments.cancel(body.value);
        return;
      case 'protocolOffer':
        this.#language.take(body.value, traceparent);
        return;
      case 'nack': {
        const known = this.#assignments.about(body.value.taskId, body.value.fence);
        this.#logger.warn(aboutNack(this.botId, this.#state, body.value, known), 'the hub refused a frame');
        this.#assignments.refused(body.value, this.#outbox.refuse(body.value.seq));
        this.#listeners.tell('nack', body.value);
        return;
      }
      default:
        body satisfies never;
    }
  }

  #sayCredits(kind: string): void {
    this.#session?.post(`credit:${kind}`, { $case: 'credit', value: { kind, amount: this.#credits.of(kind) } });
  }

  /** The only writer of the state. */
  #enter(state: BotState): void {
    this.#state = state;
    this.#logger.debug({ [ATTR_BOT_ID]: this.botId, ...state }, 'the bot has a new state');
    this.#listeners.tell('state', state);
    this.#watch.look();
  }

  #finish(error?: HubRefused): HubRefused | undefined {
    this.#assignments.loseAll('shutdown', error?.message ?? 'the bot is closed');
    if (error)
      this.#logger.error(
        { [ATTR_BOT_ID]: this.botId, code: error.code, detail: error.message },
        'the hub refuses the bot',
      );
    this.#journal.close();
    this.#enter(error ? { at: 'closed', error } : { at: 'closed' });
    return error;
  }
}
