import type { Config } from '../../src/config.ts';
import { closesOrder } from '../../src/contract/events.ts';
import { newId } from '../../src/contract/ids.ts';
import { openDesk } from '../../src/demo/desk.ts';
import type { OpenDoors } from '../../src/demo/doors.ts';
import { planShoppers, type ShopperPlan, shop } from '../../src/demo/shopper.ts';
import { rootMessage } from '../../src/kit/root-message.ts';
import { createTelemetry, type Telemetry } from '../../src/telemetry/setup.ts';
import { until } from './cast.ts';

/** Shoppers at once: enough that every bot always has something to do. */
const shoppersPerBot = 1.5;
/** Of the shoppers, those who change their minds: some orders are always being cancelled, and most are not. */
const cancelShare = 0.15;
/** More than a run takes; the seeded mall has stock for them. */
const mostOrders = 2_000;

/** Shoppers who come again and again for as long as the doors are open, and staff who serve them. */
export class Crowd {
  readonly #doors: OpenDoors;
  readonly #plans: Iterator<[number, ShopperPlan]>;
  /** Of the desk. */
  readonly telemetry: Telemetry;
  readonly #desk: ReturnType<typeof openDesk>;
  readonly #paysAtDesk = new Set<string>();
  readonly #keptAway = new Set<string>();
  /** Orders that only somebody else could end otherwise: their shopper stays, and not all of their items can be short. */
  readonly #steady = new Set<string>();
  readonly #signal: AbortSignal;
  readonly #size: number;
  /** When each was placed, by `performance.now()`; those that are not ready. */
  readonly #unready = new Map<string, number>();
  #newestReadyPlacedAtMs = Number.NEGATIVE_INFINITY;
  #placed = 0;
  #inside = 0;
  #isOpen = false;
  #failure: string | undefined;

  constructor(doors: OpenDoors, options: { config: Config; bots: number; seed: number; signal: AbortSignal }) {
    const { config, bots, seed, signal } = options;
    this.#doors = doors;
    this.#plans = planShoppers(seed, doors.mall, mostOrders, cancelShare).entries();
    this.#size = Math.ceil(bots * shoppersPerBot);
    this.#signal = signal;
    this.telemetry = createTelemetry({ ...config, logLevel: 'silent', role: 'desk', instanceId: newId() });
    const visitors = {
      showsCode: (orderId: string) => (this.#keptAway.has(orderId) ? undefined : doors.kiosk.pickupCode(orderId)),
      paysHere: (orderId: string) => this.#paysAtDesk.has(orderId),
    };
    this.#desk = openDesk(config.address.staff, visitors, this.telemetry);
  }

  /** Orders that the kiosk has taken. */
  get placed(): number {
    return this.#placed;
  }

  /** Why a shopper had to give up; undefined while none had. */
  get failure(): string | undefined {
    return this.#failure;
  }

  /** Whether an order has become ready that was placed after `sinceMs`, by `performance.now()`. */
  hasServed(sinceMs: number): boolean {
    return this.#newestReadyPlacedAtMs > sinceMs;
  }

  /** The order that was placed last of those that are not ready, and that nobody means to cancel. */
  get newest(): string | undefined {
    return [...this.#unready.keys()].findLast((orderId) => this.#steady.has(orderId));
  }

  /** From now on its shopper does not come to the desk. */
  keepFromDesk(orderId: string): { orderId: string; code: string } {
    this.#keptAway.add(orderId);
    return { orderId, code: this.#doors.kiosk.pickupCode(orderId) ?? '' };
  }

  open(): void {
    this.#isOpen = true;
    while (this.#inside < this.#size) void this.#shopper();
  }

  /** Lets nobody in any more; resolves when all are out. @throws NotInTime */
  async close(): Promise<void> {
    this.#isOpen = false;
    await until('every order ends', () => this.#inside === 0, this.#signal);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isOpen = false;
    await this.#desk.close();
    await this.telemetry.shutdown();
  }

  async #shopper(): Promise<void> {
    this.#inside += 1;
    try {
      while (this.#isOpen && !this.#signal.aborted) {
        const next = this.#plans.next();
        if (next.done) break;
        await this.#shop(...next.value);
      }
    } catch (error) {
      if (!this.#signal.aborted) this.#failure ??= rootMessage(error);
    } finally {
      this.#inside -= 1;
    }
  }

  async #shop(index: number, plan: ShopperPlan): Promise<void> {
    await shop(
      `shopper-${index}`,
      plan,
      this.#doors.kiosk,
      {
        placed: ({ pays, cancels, lines }, { orderId }) => {
          this.#placed += 1;
          this.#unready.set(orderId, performance.now());
          if (!cancels && lines.length > 1) this.#steady.add(orderId);
          if (pays === 'at the desk') this.#paysAtDesk.add(orderId);
        },
        happened: (_, { orderId }, { name }) => {
          if (name === 'orders.ready') this.#ready(orderId);
          if (closesOrder(name)) this.#unready.delete(orderId);
        },
      },
      this.#signal,
    );
  }

  #ready(orderId: string): void {
    const placedAtMs = this.#unready.get(orderId);
    if (placedAtMs !== undefined) this.#newestReadyPlacedAtMs = Math.max(this.#newestReadyPlacedAtMs, placedAtMs);
    this.#unready.delete(orderId);
  }
}
