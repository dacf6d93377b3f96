import { isDeepStrictEqual } from 'node:util';
import type { Logger } from 'pino';
import { exhausted, unavailable } from '../../contract/errors.ts';
import { type Order, OrderState } from '../../gen/orders/v1/orders.ts';
import type { Board, BoardBay, BoardBot, BoardOrder } from '../../gen/staff/v1/staff.ts';
import { pause } from '../../kit/backoff.ts';
import { Loop } from '../../kit/loop.ts';
import type { Upstreams } from './api.ts';

/** Between two looks at the services while somebody watches, however many do: what a person takes for at once. */
const lookEveryMs = 1_000;
/** A service that is slow shall not make the board look stuck. ms */
const lookDeadlineMs = 2_000;
/** Watchers of this process: each is a stream and a copy of the newest board on its way. */
const maxWatchers = 200;
/** Of orders and robots: more than any screen has. */
const maxShown = 500;

const openStates = [OrderState.PLACED, OrderState.READY, OrderState.COLLECTABLE, OrderState.CANCELLING];

type Asked = Pick<Upstreams, 'orders' | 'depot' | 'hub'>;
type Parts = Omit<Board, 'at' | 'unreachable'>;

/** The board for who watches it: one look at the services serves all, and nobody looks while nobody watches. */
export class BoardFeed {
  readonly #asked: Asked;
  readonly #logger: Logger;
  readonly #closing = new AbortController();
  readonly #watchers = new Set<() => void>();
  #loop: Loop | undefined;
  #board: Board | undefined;

  constructor(asked: Asked, logger: Logger) {
    this.#asked = asked;
    this.#logger = logger;
  }

  /**
   * The board at once, and again whenever it has changed; who is slow gets the newest.
   * @throws MallError RESOURCE_EXHAUSTED when too many watch, UNAVAILABLE when this role goes away
   */
  async *watch(signal?: AbortSignal): AsyncGenerator<Board> {
    if (this.#watchers.size >= maxWatchers) throw full(this.#watchers.size);
    const stop = AbortSignal.any([this.#closing.signal, ...(signal ? [signal] : [])]);
    let woken = new AbortController();
    const wake = () => woken.abort();
    this.#watchers.add(wake);
    if (!this.#loop) {
      this.#loop = this.#looking();
      this.#loop.start();
    }
    try {
      for (let seen: Board | undefined; !stop.aborted; ) {
        woken = new AbortController();
        if (this.#board && this.#board !== seen) {
          seen = this.#board;
          yield seen;
        } else await pause(lookEveryMs, AbortSignal.any([stop, woken.signal]));
      }
    } finally {
      this.#watchers.delete(wake);
      if (this.#watchers.size === 0) this.#rest();
    }
    if (!signal?.aborted) throw unavailable('this staff role goes away; watch again', 'STAFF_DRAINING');
  }

  /** Ends every watch. */
  close(): void {
    this.#closing.abort();
  }

  #looking(): Loop {
    return new Loop(() => this.#look(), {
      pollMs: lookEveryMs,
      backoff: { firstMs: lookEveryMs, maxMs: lookEveryMs, factor: 1 },
      onError: (error, retryInMs) => this.#logger.warn({ err: error, retryInMs }, 'no board could be made'),
    });
  }

  #rest(): void {
    void this.#loop?.stop();
    this.#loop = undefined;
    this.#board = undefined;
  }

  async #look(): Promise<false> {
    const loop = this.#loop;
    const board = await look(this.#asked, this.#board, new Date());
    // The last watcher may have gone meanwhile, and another come.
    if (loop !== this.#loop || isSame(board, this.#board)) return false;
    this.#board = board;
    for (const wake of this.#watchers) wake();
    return false;
  }
}

const isSame = (one: Board, other: Board | undefined): boolean =>
  other !== undefined && isDeepStrictEqual({ ...one, at: undefined }, { ...other, at: undefined });

/** What cannot be asked is as it was in `before`. */
async function look({ orders, depot, hub }: Asked, before: Board | undefined, now: Date): Promise<Board> {
  const unreachable: string[] = [];
  const options = { deadlineMs: lookDeadlineMs };
  const ask = async <T>(name: string, answer: Promise<T>): Promise<T | undefined> => {
    try {
      return await answer;
    } catch {
      unreachable.push(name);
      return undefined;
    }
  };
  const page = { pageSize: maxShown, pageToken: '', kind: '' };
  const anyTask = { orderId: '', states: [], botId: '', stuckFor: undefined };
  const [open, taken, fleet, work] = await Promise.all([
    ask('orders', orders.listOrders({ states: openStates, limit: maxShown }, options)),
    ask('depot', depot.listBays({ pageSize: maxShown, pageToken: '' }, options)),
    ask('hub', hub.listBots({ ...page, connectedOnly: true, hubId: '' }, options)),
    ask('hub', hub.listTasks({ ...page, ...anyTask, openOnly: true }, options)),
  ]);
  const last: Parts = before ?? { bays: [], orders: [], bots: [] };
  const tasks = work?.tasks ?? [];
  const botOf = new Map(tasks.map(({ orderId, botId }) => [orderId, botId]));
  const shownOrders = open ? open.orders.map((order) => orderOf(order, botOf.get(order.orderId) ?? '')) : last.orders;
  const known = new Map(shownOrders.map((order) => [order.orderId, order]));
  const bays = taken
    ? taken.bays.map(({ bay, orderId, since }): BoardBay => {
        const { shopper = '', paid = false } = known.get(orderId) ?? {};
        return { bay, orderId, shopper, paid, since };
      })
    : last.bays;
  const tasksOf = Map.groupBy(tasks, ({ botId }) => botId);
  const bots =
    fleet && work
      ? fleet.bots.map(({ botId, sessionState, battery }): BoardBot => {
          const own = tasksOf.get(botId) ?? [];
          return {
            ...{ botId, sessionState, batteryPercent: battery === undefined ? undefined : Math.round(battery * 100) },
            tasks: own.map(({ taskId, kind, orderId, state }) => ({ taskId, kind, orderId, state })),
          };
        })
      : last.bots;
  return { at: now, bays, orders: shownOrders, bots, unreachable: [...new Set(unreachable)].toSorted() };
}

function orderOf({ orderId, shopper, state, paid, bay, placedAt, lines }: Order, botId: string): BoardOrder {
  const units = (of: (line: Order['lines'][number]) => number) => lines.reduce((sum, line) => sum + of(line), 0);
  return {
    ...{ orderId, shopper, state, paid, bay, placedAt, botId },
    items: units(({ quantity }) => quantity),
    picked: units(({ picked }) => picked),
    short: units(({ short }) => short),
  };
}

function full(watchers: number) {
  const remedy = 'end one that nobody looks at any more, or try again later';
  return exhausted(`${watchers} watch the board, which is the limit`, 'TOO_MANY_WATCHERS', remedy);
}
