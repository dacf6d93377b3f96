import type { MessageName } from '../../contract/events.ts';
import type { Received } from '../../contract/message.ts';
import type { TaskRef } from '../../gen/events/bots/v1/events.ts';
import { type Happening, happeningOf } from './happenings.ts';

/** What is known of something by some events; null where they do not say it. */
export interface OrderFact {
  readonly orderId: string;
  readonly placedAt: Date | null;
  readonly readyAt: Date | null;
  readonly outcome: 'completed' | 'cancelled' | 'rejected' | null;
}

export interface AttemptFact {
  readonly taskId: string;
  readonly fence: number;
  readonly botId: string;
  readonly startedAt: Date | null;
  readonly endedAt: Date | null;
  readonly outcome: 'succeeded' | 'failed' | 'lost' | 'cancelled' | null;
}

export interface ShortFact {
  readonly taskId: string;
  readonly fence: number;
  readonly lineId: string;
  readonly storeId: string;
  readonly quantity: number;
}

export interface StoreFact {
  readonly storeId: string;
  readonly name: string;
  readonly version: number;
}

/** What a part of the journal says; each thing once, by its key. */
export interface Facts {
  readonly orders: ReadonlyMap<string, OrderFact>;
  readonly attempts: ReadonlyMap<string, AttemptFact>;
  readonly shorts: ReadonlyMap<string, ShortFact>;
  readonly stores: ReadonlyMap<string, StoreFact>;
  /** By the id of the event; each where it was told first. */
  readonly happenings: ReadonlyMap<string, Happening & { readonly position: number }>;
  /** Of the last entry. */
  readonly position: number;
  readonly countedTo: Date;
}

/** An event of the journal with its place. */
export interface Counted {
  readonly position: number;
  readonly event: Received;
}

const orderUnknown = { placedAt: null, readyAt: null, outcome: null } as const;
const attemptUnknown = { startedAt: null, endedAt: null, outcome: null } as const;

/**
 * The facts of one event or more, in the journal's order. An event that comes twice says the same twice: a fact has the key of what it is
 * about, and no event adds to a number.
 */
export function fold(counted: readonly [Counted, ...Counted[]]): Facts {
  const orders = new Map<string, OrderFact>();
  const attempts = new Map<string, AttemptFact>();
  const shorts = new Map<string, ShortFact>();
  const stores = new Map<string, StoreFact>();
  const happenings = new Map<string, Happening & { readonly position: number }>();

  const order = (orderId: string, said: Partial<OrderFact>) =>
    orders.set(orderId, { orderId, ...orderUnknown, ...orders.get(orderId), ...said });
  const attempt = (task: TaskRef | undefined, fence: number | undefined, said: Partial<AttemptFact>) => {
    if (!task || fence === undefined || task.botId === '') return;
    const { taskId, botId } = task;
    const key = `${taskId}:${fence}`;
    attempts.set(key, { taskId, fence, botId, ...attemptUnknown, ...attempts.get(key), ...said });
  };
  const ended = (
    outcome: AttemptFact['outcome'],
    { time, body }: Received & { body: { task?: TaskRef | undefined } },
  ) => ({
    outcome,
    endedAt: body.task?.occurredAt ?? time,
  });

  for (const { position, event } of counted) {
    const happening = happenings.has(event.id) ? undefined : happeningOf(event);
    if (happening) happenings.set(event.id, { ...happening, position });
    if (is(event, 'orders.placed')) order(event.body.orderId, { placedAt: event.time });
    else if (is(event, 'orders.ready')) order(event.body.orderId, { readyAt: event.time });
    else if (is(event, 'orders.completed')) order(event.body.orderId, { outcome: 'completed' });
    else if (is(event, 'orders.cancelled')) order(event.body.orderId, { outcome: 'cancelled' });
    else if (is(event, 'orders.rejected')) order(event.body.orderId, { outcome: 'rejected' });
    else if (is(event, 'bots.task_started')) {
      const { task } = event.body;
      attempt(task, task?.fence, { startedAt: task?.occurredAt ?? event.time });
    } else if (is(event, 'bots.task_succeeded'))
      attempt(event.body.task, event.body.task?.fence, ended('succeeded', event));
    else if (is(event, 'bots.task_failed')) attempt(event.body.task, event.body.task?.fence, ended('failed', event));
    else if (is(event, 'bots.task_lost')) attempt(event.body.task, event.body.lostFence, ended('lost', event));
    else if (is(event, 'bots.task_cancelled'))
      attempt(event.body.task, event.body.cancelledFence, ended('cancelled', event));
    else if (is(event, 'bots.item_short')) {
      const { task, lineId, storeId, quantity } = event.body;
      if (task) {
        const { taskId, fence } = task;
        shorts.set(`${taskId}:${fence}:${lineId}`, { taskId, fence, lineId, storeId, quantity });
      }
    } else if (is(event, 'stores.participation_changed')) {
      const { storeId, name, version } = event.body;
      if (version >= (stores.get(storeId)?.version ?? 0)) stores.set(storeId, { storeId, name, version });
    }
  }
  const last = counted.at(-1)!;
  return { orders, attempts, shorts, stores, happenings, position: last.position, countedTo: last.event.time };
}

const is = <N extends MessageName>(event: Received, name: N): event is Received<N> => event.name === name;
