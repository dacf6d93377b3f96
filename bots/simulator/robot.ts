import { setTimeout as sleep } from 'node:timers/promises';
import type { Tracer } from '@opentelemetry/api';
import {
  type Bot,
  type BotLogger,
  connectBot,
  type ShopProgress,
  type ShopResult,
  type ShopTask,
  shopKind,
  type Task,
  TaskAborted,
} from '../sdk/index.ts';
import { Chassis } from './chassis.ts';
import { type FaultOptions, planTour, unitsOnShelf } from './faults.ts';
import type { FleetEvent } from './fleet-event.ts';
import { tour } from './tour.ts';

export interface RobotOptions {
  readonly hub: string;
  readonly botId: string;
  readonly seed: number;
  readonly timeScale: number;
  readonly faults: FaultOptions;
  readonly tracer: Tracer | undefined;
  readonly logger: BotLogger | undefined;
  readonly tell: (event: FleetEvent) => void;
}

/** From a crash until the program runs again, in life. */
const rebootSeconds = 20;

/** A simulated robot: a chassis on the floor and, while it is not crashed, a program that talks to the hub. */
export class Robot {
  readonly #options: RobotOptions;
  readonly #chassis: Chassis;
  /** Aborted when the robot is to stop: it does not charge up or boot again. */
  readonly #switchedOff = new AbortController();
  #bot: Bot | undefined;
  #boots = 0;

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
    const { hub, botId, tracer, logger, tell } = this.#options;
    this.#boots += 1;
    const bot = connectBot({
      hub,
      botId,
      bootCount: this.#boots,
      kinds: [shopKind.serve((task) => this.#shop(bot, task), { credits: 1 })],
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
    void bot.closed.then((error) => error && tell({ type: 'refused', botId, error }));
  }

  async #shop(bot: Bot, task: Task<ShopTask, ShopProgress>): Promise<ShopResult> {
    const { botId, tell } = this.#options;
    const { payload, attempt, orderId } = task;
    const about = { botId, orderId, taskId: task.id };
    tell({ type: 'tour_started', attempt, stops: payload.stops.length, ...about });
    try {
      const result = await this.#tour(bot, task, about);
      tell({ type: 'delivered', walkedMetres: result.walkedMetres, ...about });
      // Before the result goes out, so that the hub does not offer in between.
      if (this.#chassis.needsCharge) void this.#charge(bot);
      return result;
    } catch (error) {
      tell({ type: 'tour_aborted', why: error instanceof TaskAborted ? error.why : 'failed', ...about });
      throw error;
    }
  }

  #tour(
    bot: Bot,
    task: Task<ShopTask, ShopProgress>,
    about: { botId: string; orderId: string; taskId: string },
  ): Promise<ShopResult> {
    const { seed, faults, tell } = this.#options;
    const { payload, attempt, signal } = task;
    const plan = planTour(seed, faults, payload, attempt);
    return tour(task, {
      setOut: (leg) => {
        if (leg === plan.disconnectOnLeg) this.#disconnect(bot);
        if (leg === plan.crashOnLeg) this.#crash(bot);
      },
      walkTo: (place) => this.#chassis.walkTo(place, plan.pace, signal),
      pick: async (item) => {
        const units = Math.min(item.quantity, unitsOnShelf(seed, faults, payload, item));
        await this.#chassis.pick(units, signal);
        return units;
      },
      onStop: ({ storeName }) => tell({ type: 'stop_reached', storeName, ...about }),
      onPicked: ({ name }, { picked, short }) => {
        if (picked > 0) tell({ type: 'item_picked', name, quantity: picked, ...about });
        if (short > 0) tell({ type: 'item_short', name, quantity: short, ...about });
      },
    });
  }

  async #charge(bot: Bot): Promise<void> {
    const { botId, tell } = this.#options;
    bot.setCredits(shopKind.kind, 0);
    tell({ type: 'charging', botId });
    try {
      await this.#chassis.charge(this.#switchedOff.signal);
    } catch {
      return;
    }
    tell({ type: 'charged', botId });
    bot.setCredits(shopKind.kind, 1);
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
