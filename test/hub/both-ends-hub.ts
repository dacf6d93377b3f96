import { kinds } from '../../src/gen/kinds.ts';
import { nearestWilling as assign } from '../../src/hub/assign.ts';
import type { BotSession } from '../../src/hub/bot-session.ts';
import { Connection, type ConnectionPorts } from '../../src/hub/connection.ts';
import { Counts } from '../../src/hub/counts.ts';
import { Dispatch } from '../../src/hub/dispatch.ts';
import { Intake } from '../../src/hub/intake.ts';
import { policiesOf } from '../../src/hub/kinds/policy.ts';
import { Leases } from '../../src/hub/leases.ts';
import type { Ledger } from '../../src/hub/ledger.ts';
import { drainDeadlineMs, hubLimits } from '../../src/hub/limits.ts';
import type { LiveBot } from '../../src/hub/live-bot.ts';
import { Outflow } from '../../src/hub/outflow.ts';
import { Patience } from '../../src/hub/patience.ts';
import { Delivery } from '../../src/hub/protocol/delivery.ts';
import { Interpreter } from '../../src/hub/protocol/majors/interpreter.ts';
import { Trials } from '../../src/hub/protocol/trials.ts';
import { ProtocolView } from '../../src/hub/protocol/view.ts';
import { nackOf } from '../../src/hub/refusal.ts';
import { Reports } from '../../src/hub/reports.ts';
import { Roster } from '../../src/hub/roster.ts';
import { misfit } from '../../src/hub/task.ts';
import type { Task } from '../../src/hub/task-phase.ts';
import { silentLogger as logger } from '../support/silent-logger.ts';
import { recordingTelemetry } from '../support/telemetry.ts';
import { type Table, times } from './both-ends-table.ts';
import type { Line } from './both-ends-wire.ts';
import { shopSchema } from './raw-bot.ts';

const { tracer } = recordingTelemetry('hub');
const limits = hubLimits({});
const { fileDescriptorSet, taskMessage, progressMessage, resultMessage } = kinds.shop;
const offer = {
  ...{ schema: shopSchema, taskMessage, progressMessage, resultMessage },
  fileDescriptorSet: Buffer.from(fileDescriptorSet, 'base64'),
};
const catalogue = {
  view: new ProtocolView(new Map([['shop', 1]]), [{ schema: shopSchema, state: 'ACTIVE', offer }], []),
  refresh: async () => {},
};
const metrics = new Proxy({} as ConnectionPorts['metrics'], { get: () => () => {} });
/** What a process that is gone waits for. */
const never = new Promise<never>(() => {});

/** The real hub without its sockets, and without the statements of its tables, which `Table` is in the place of. */
export class Hub {
  readonly address: string;
  readonly lines: Line[] = [];
  isDraining = false;
  #isDead = false;
  readonly #table: Table;
  readonly #roster = new Roster<BotSession>(limits.maxStreams);
  readonly #connections: Connection[] = [];
  readonly #dispatch: Dispatch;
  readonly #ports: ConnectionPorts;

  constructor(address: string, table: Table) {
    this.address = address;
    this.#table = table;
    const roster = this.#roster;
    const policyOf = policiesOf({});
    const alive = <T>(act: () => Promise<T>): Promise<T> => (this.#isDead ? never : act());
    const ledger = {
      apply: (...[taskId, input, traceparent, stream]: Parameters<Ledger['apply']>) =>
        alive(() => table.apply(taskId, input, traceparent, stream)),
    } as unknown as Ledger;
    const armOf = () => undefined;
    const interpreter = new Interpreter({ database: undefined!, catalogue, book: { note: () => {} } });
    const languages = () => interpreter;
    const ports = { roster, ledger, assign, armOf, languages, policyOf, times, metrics, tracer, logger };
    this.#dispatch = new Dispatch(ports);
    const herds = { patience: new Patience(times.leaseMs, 0), takeArrivals: () => 0, onHerd: () => {} };
    const memory = new Leases({ database: undefined!, roster, ledger, times, policyOf, metrics, logger, ...herds });
    const leases = {
      fresh: (...args: Parameters<Leases['fresh']>) => memory.fresh(...args),
      verify: (bot: LiveBot, taskId: string, fence: number) => alive(async () => this.#verify(bot, taskId, fence)),
    } as unknown as Leases;
    const publish = (report: Parameters<Table['publish']>[0]) => alive(() => table.publish(report));
    const onWilling = () => {};
    const counts = new Counts();
    const delivery = new Delivery({ roster, catalogue, book: { note: () => {} }, onWilling });
    const trials = new Trials({ database: undefined!, logger, hubId: address, catalogue });
    this.#ports = {
      hubId: address,
      admissions: {
        admit: (applicant: Parameters<Table['admit']>[0]) => alive(() => table.admit(applicant, address)),
      } as unknown as ConnectionPorts['admissions'],
      reports: new Reports({
        ledger,
        leases,
        publish,
        catalogue,
        delivery,
        trials,
        interpreter,
        times,
        tracer,
        logger,
        onWilling,
      }),
      intake: new Intake(limits, counts),
      outflow: new Outflow(limits),
      botLimits: { of: () => Number.POSITIVE_INFINITY },
      ...{ roster, catalogue, delivery, times, limits, counts, metrics, logger, onWilling },
      hangUp: () => {},
      // The note to the other hub is lost: the table has to do.
      onSuperseding: () => {},
      detach: (bot, how) => alive(() => this.#detach(bot, how)),
    };
  }

  take(line: Line): void {
    this.lines.push(line);
    this.#connections.push(new Connection(line.hubEnd, this.#ports));
  }

  /** As a killed process: nothing that it was about to do is done. */
  die(): void {
    this.#isDead = true;
    for (const line of this.lines) line.breaks();
  }

  drain(): void {
    this.isDraining = true;
    for (const { session } of this.#connections) session.input({ type: 'drain' });
    setTimeout(() => {
      for (const { session } of this.#connections) session.input({ type: 'drained' });
    }, drainDeadlineMs);
  }

  async offer(): Promise<void> {
    if (!this.isDraining) await this.#dispatch.place((choose) => this.#table.offer(choose));
  }

  /** As `Leases` does at each tick. */
  tick(): void {
    const nowMs = performance.now();
    for (const seat of [...this.#roster.seats]) {
      const { bot } = seat;
      bot.forgetUnanswered(nowMs, nowMs + times.declinePauseMs);
      if (nowMs - bot.heardAtMs > times.leaseMs) seat.input({ type: 'silent', forMs: times.leaseMs });
      if (!bot.hasBeaten) continue;
      const beat = bot.takeBeat();
      if (!this.#table.renewSession(bot)) seat.input({ type: 'superseded', epoch: bot.epoch + 1 });
      for (const { taskId, fence, running } of beat.renewals) {
        const renewed = this.#table.renewLease(taskId, fence, bot, running);
        const held = bot.find(taskId);
        if (renewed && held) held.expiresAtMs = nowMs + this.#leftMs(renewed);
        else if (!renewed && bot.drop(taskId, fence)) {
          const about = { taskId, fence };
          seat.send(nackOf(0, { reason: 'STALE_FENCE', message: 'the lease ran out' }, about), '');
        }
      }
    }
  }

  #leftMs({ phase }: Task): number {
    return 'heldUntil' in phase ? phase.heldUntil.getTime() - this.#table.now.getTime() : 0;
  }

  /** As `Leases.verify` does. */
  #verify(bot: LiveBot, taskId: string, fence: number) {
    const known = bot.find(taskId);
    if (known && fence < known.task.fence) return misfit(known.task, bot.botId, fence)!;
    const renewed = this.#table.renewLease(taskId, fence, bot, known?.running ?? false);
    if (renewed) return bot.leased(renewed, performance.now() + this.#leftMs(renewed));
    bot.drop(taskId, fence);
    const task = this.#table.tasks.get(taskId)!;
    return misfit(task, bot.botId, fence) ?? ({ reason: 'WRONG_STATE', message: task.phase.state } as const);
  }

  /** As `detacher` does. */
  async #detach(bot: LiveBot, { giveBack, graceMs }: { giveBack: boolean; graceMs: number }): Promise<void> {
    const { botId } = bot;
    this.#table.detach(bot, graceMs);
    for (const { task, isLeased } of bot.held) {
      if (!isLeased) await this.#table.apply(task.taskId, { type: 'detached', fence: task.fence }, '');
      else if (giveBack) await this.#table.apply(task.taskId, { type: 'dropped', botId, reason: 'goodbye' }, '', bot);
    }
  }
}
