import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { JsonObject } from '@bufbuild/protobuf';
import type { Tracer } from '@opentelemetry/api';
import { KeyedSerial } from '../../src/kit/keyed-serial.ts';
import {
  anyKind,
  type Bot,
  type BotLogger,
  connectBot,
  fileStore,
  type GenericTask,
  otherKinds,
  type ReturnProgress,
  type ReturnResult,
  type ReturnTask,
  returnKind,
  type ShopProgress,
  type ShopResult,
  type ShopTask,
  shopKind,
  type Task,
  TaskAborted,
} from '../sdk/index.ts';
import { anyErrand } from './any-errand.ts';
import { bringBack } from './bring-back.ts';
import { Chassis } from './chassis.ts';
import { type FaultOptions, type FaultPlan, planTour, unitsOnShelf } from './faults.ts';
import { type FleetEvent, revisionEvent } from './fleet-event.ts';
import { tour } from './tour.ts';
import { vetoOf } from './veto.ts';

export interface RobotOptions {
  readonly hub: string;
  readonly botId: string;
  readonly seed: number;
  readonly timeScale: number;
  readonly faults: FaultOptions;
  /** Also does tasks of kinds that it was not made for. */
  readonly generic: boolean;
  /** Where the robot keeps what survives its program; undefined: nothing does. */
  readonly stateDirectory: string | undefined;
  readonly tracer: Tracer | undefined;
  readonly logger: BotLogger | undefined;
  readonly tell: (event: FleetEvent) => void;
}

type AnyTask = Pick<Task<unknown, never>, 'id' | 'orderId' | 'attempt' | 'payload' | 'signal'>;

/** From a crash until the program runs again, in life. */
const rebootSeconds = 20;

/** A simulated robot: a chassis on the floor and, while it is not crashed, a program that talks to the hub. */
export class Robot {
  readonly #options: RobotOptions;
  readonly #chassis: Chassis;
  /** Aborted when the robot is to stop: it does not charge up or boot again. */
  readonly #switchedOff = new AbortController();
  /** A return that is asked for on a tour is made after it. */
  readonly #errands = new KeyedSerial(1);
  #bot: Bot | undefined;
  #boots = 0;
  #isReturning = false;
  #isCharging = false;

  constructor(options: RobotOptions) {
    this.#options = options;
    this.#chassis = new Chassis(options.timeScale);
    this.#boot();
  }

  get isConnected(): boolean {
    return this.#bot?.state.at === 'ready';
  }

  /** Ends the tour under way first, unless that takes longer than `deadlineMs`. */
  async stop(deadlineMs: number): Promise<void> {
    this.#switchedOff.abort();
    await this.#bot?.drain({ deadlineMs, reason: 'the fleet stops' });
  }

  #boot(): void {
    const { hub, botId, seed, faults, generic, stateDirectory, tracer, logger, tell } = this.#options;
    this.#boots += 1;
    const bot = connectBot({
      hub,
      botId,
      bootCount: this.#boots,
      store: stateDirectory === undefined ? undefined : fileStore(join(stateDirectory, `${botId}.log`)),
      kinds: [
        shopKind.serve((task) => this.#shop(bot, task), { credits: 1 }),
        returnKind.serve((task) => this.#return(bot, task), { credits: 1 }),
        ...(generic ? [anyKind.serve((task) => this.#anyErrand(bot, task), { credits: 1 })] : []),
      ],
      accept: vetoOf(seed, faults, botId),
      position: () => this.#chassis.position(),
      battery: () => this.#chassis.battery(),
      tracer,
      logger,
    });
    this.#bot = bot;
    let attempt = 1;
    bot.on('state', (state) => {
      if (state.at === 'connecting') attempt = state.attempt;
      // A connection that was only cut is back with the next attempt.
      if (state.at === 'waiting' && attempt > 1) tell({ type: 'kept_out', botId, reason: state.reason });
      if (state.at === 'ready') tell({ type: 'connected', botId, hubId: state.hubId, epoch: state.epoch });
    });
    bot.on('revision', (status) => {
      const event = revisionEvent(botId, status);
      if (event) tell(event);
    });
    void bot.closed.then((error) => error && tell({ type: 'refused', botId, error }));
  }

  async #shop(bot: Bot, task: Task<ShopTask, ShopProgress>): Promise<ShopResult> {
    const { tell } = this.#options;
    const about = this.#about(task);
    return this.#errand(task, 'tour_aborted', async () => {
      tell({ type: 'tour_started', attempt: task.attempt, stops: task.payload.stops.length, ...about });
      const result = await this.#tour(bot, task);
      tell({ type: 'delivered', walkedMetres: result.walkedMetres, ...about });
      // Before the result goes out, so that the hub does not offer in between.
      if (this.#chassis.needsCharge) void this.#charge(bot);
      return result;
    });
  }

  /** What it holds is what the task says: a robot whose program was killed has its basket still, and no memory of it. */
  async #return(bot: Bot, task: Task<ReturnTask, ReturnProgress>): Promise<ReturnResult> {
    const { tell } = this.#options;
    const about = this.#about(task);
    this.#isReturning = true;
    this.#sayCredits(bot);
    try {
      return await this.#errand(task, 'return_aborted', async () => {
        tell({ type: 'return_started', attempt: task.attempt, stops: task.payload.stops.length, ...about });
        const result = await this.#walkBack(bot, task);
        tell({ type: 'returned', walkedMetres: result.walkedMetres, ...about });
        if (this.#chassis.needsCharge) void this.#charge(bot);
        return result;
      });
    } finally {
      this.#isReturning = false;
      this.#sayCredits(bot);
    }
  }

  /** Nobody has told the robot what the task is about. */
  #anyErrand(bot: Bot, task: GenericTask): Promise<JsonObject> {
    const { botId, tell } = this.#options;
    const about = { kind: task.schema.kind, ...this.#about(task) };
    return this.#errand(task, 'errand_aborted', async () => {
      tell({ type: 'errand_started', ...about });
      const result = await anyErrand(task, botId, (place) => this.#chassis.walkTo(place, 1, task.signal));
      tell({ type: 'errand_done', ...about });
      if (this.#chassis.needsCharge) void this.#charge(bot);
      return result;
    });
  }

  #about({ id: taskId, orderId }: AnyTask) {
    return { botId: this.#options.botId, orderId, taskId };
  }

  /** One at a time: the robot has one pair of wheels. */
  async #errand<R>(
    task: AnyTask,
    aborted: 'tour_aborted' | 'return_aborted' | 'errand_aborted',
    work: () => Promise<R>,
  ): Promise<R> {
    try {
      return await this.#errands.run('', async () => {
        task.signal.throwIfAborted();
        return work();
      });
    } catch (error) {
      const why = error instanceof TaskAborted ? error.why : 'failed';
      this.#options.tell({ type: aborted, why, ...this.#about(task) });
      throw error;
    }
  }

  #tour(bot: Bot, task: Task<ShopTask, ShopProgress>): Promise<ShopResult> {
    const { seed, faults, tell } = this.#options;
    const { payload, attempt, signal } = task;
    const about = this.#about(task);
    const plan = planTour(seed, faults, payload, attempt);
    return tour(task, {
      setOut: (leg) => this.#setOut(bot, plan, leg),
      walkTo: (place) => this.#chassis.walkTo(place, plan.pace, signal),
      pick: async (item) => {
        const units = Math.min(item.quantity, unitsOnShelf(seed, faults, payload, item));
        await this.#chassis.moveUnits(units, signal);
        return units;
      },
      condition: () => ({ batteryPercent: Math.round(this.#chassis.battery() * 100) }),
      onStop: ({ storeName }) => tell({ type: 'stop_reached', storeName, ...about }),
      onPicked: ({ name }, { picked, short }) => {
        if (picked > 0) tell({ type: 'item_picked', name, quantity: picked, ...about });
        if (short > 0) tell({ type: 'item_short', name, quantity: short, ...about });
      },
    });
  }

  #walkBack(bot: Bot, task: Task<ReturnTask, ReturnProgress>): Promise<ReturnResult> {
    const { seed, faults, tell } = this.#options;
    const { payload, attempt, signal } = task;
    const about = this.#about(task);
    const plan = planTour(seed, faults, payload, attempt, 'return');
    return bringBack(task, {
      setOut: (leg) => this.#setOut(bot, plan, leg),
      walkTo: (place) => this.#chassis.walkTo(place, plan.pace, signal),
      putBack: ({ quantity }) => this.#chassis.moveUnits(quantity, signal),
      collect: (units) => this.#chassis.moveUnits(units, signal),
      onCollected: (bay) => tell({ type: 'goods_collected', bay, ...about }),
      onStop: ({ storeName }) => tell({ type: 'stop_reached', storeName, ...about }),
      onReturned: ({ name, quantity }) => tell({ type: 'item_returned', name, quantity, ...about }),
    });
  }

  #setOut(bot: Bot, plan: FaultPlan, leg: number): void {
    if (leg === plan.disconnectOnLeg) this.#disconnect(bot);
    if (leg === plan.crashOnLeg) this.#crash(bot);
  }

  /** No list on a way back, whose basket is full; nothing at all at the socket. */
  #sayCredits(bot: Bot): void {
    bot.setCredits(shopKind.kind, this.#isReturning || this.#isCharging ? 0 : 1);
    bot.setCredits(returnKind.kind, this.#isCharging ? 0 : 1);
    if (this.#options.generic) bot.setCredits(otherKinds, this.#isReturning || this.#isCharging ? 0 : 1);
  }

  async #charge(bot: Bot): Promise<void> {
    const { botId, tell } = this.#options;
    this.#isCharging = true;
    this.#sayCredits(bot);
    tell({ type: 'charging', botId });
    try {
      await this.#errands.run('', () => this.#chassis.charge(this.#switchedOff.signal));
    } catch {
      return;
    } finally {
      this.#isCharging = false;
    }
    tell({ type: 'charged', botId });
    this.#sayCredits(bot);
  }

  #disconnect(bot: Bot): void {
    this.#options.tell({ type: 'disconnected', botId: this.#options.botId });
    bot.cut();
  }

  /** The program dies as by `kill -9`: what it knew is gone, the hub hears nothing. It boots again after a while. */
  #crash(bot: Bot): void {
    const { botId, tell, timeScale } = this.#options;
    tell({ type: 'crashed', botId });
    this.#bot = undefined;
    void bot.kill();
    sleep((rebootSeconds * 1_000) / timeScale, undefined, { signal: this.#switchedOff.signal }).then(
      () => {
        tell({ type: 'rebooted', botId });
        this.#boot();
      },
      () => {},
    );
  }
}
