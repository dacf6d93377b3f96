import { type Subscriber, subscriptions } from '../contract/topology.ts';
import { type BookFacts, checkBooks, priceOfPicked } from './books.ts';

/** What the tables say, and nothing that a program remembers. */
export interface Facts extends BookFacts {
  readonly orders: readonly OrderFact[];
  readonly invoices: readonly InvoiceFact[];
  readonly tasks: readonly TaskFact[];
  /** Every message that any outbox holds. */
  readonly sent: readonly SentFact[];
  /** Every message that any inbox took in. */
  readonly taken: readonly TakenFact[];
  readonly parked: readonly ParkedFact[];
}

export interface OrderFact {
  readonly orderId: string;
  readonly state: string;
  readonly traceId: string;
  readonly ordered: number;
  readonly picked: number;
  readonly short: number;
}

export interface InvoiceFact {
  readonly orderId: string;
  readonly currency: string;
  /** Minor units, shortages and allowances taken off; 0 for a cancelled one. */
  readonly invoiced: number;
  /** What staff let the shopper off. */
  readonly allowed: number;
  readonly paid: number;
  readonly refunded: number;
}

export interface TaskFact {
  readonly taskId: string;
  readonly orderId: string;
  readonly kind: string;
  readonly state: string;
  readonly attempts: number;
  /** The newest. */
  readonly fence: number;
}

export interface SentFact {
  readonly from: string;
  readonly messageId: string;
  readonly name: string;
  readonly taskId: string;
  /** Of the task; 0 for a message that is about none. */
  readonly fence: number;
  readonly published: boolean;
}

export interface TakenFact {
  readonly by: string;
  readonly messageId: string;
  readonly name: string;
  /** `stale` ones had no effect. */
  readonly outcome: string;
  /** When its transaction began, ms. */
  readonly handledAt: number;
}

export interface ParkedFact {
  readonly by: string;
  readonly messageId: string;
  readonly name: string;
  readonly reason: string;
}

/** A broken promise: which, of what, and how. */
export interface Violation {
  readonly rule: string;
  readonly subject: string;
  readonly message: string;
}

const finalStates: readonly string[] = ['COMPLETED', 'CANCELLED', 'REJECTED'];
const finalTaskStates: readonly string[] = ['SUCCEEDED', 'FAILED', 'CANCELLED', 'POISON'];
const results: readonly string[] = ['bots.task_succeeded', 'bots.task_failed', 'bots.task_cancelled'];

/** Every promise that `facts` break; of a mall at rest there is none. */
export function check(facts: Facts): Violation[] {
  return [
    ...ordersEnded(facts),
    ...itemsAddUp(facts),
    ...moneyAddsUp(facts),
    ...tasksEndedOnce(facts),
    ...startsAreTold(facts),
    ...everythingPublished(facts),
    ...everythingTakenOnce(facts),
    ...fencesAreNew(facts),
    ...fencesOnlyRise(facts),
    ...nothingParked(facts),
    ...checkBooks(facts),
  ];
}

function ordersEnded({ orders, invoices }: Facts): Violation[] {
  const invoiced = new Set(invoices.map(({ orderId }) => orderId));
  return orders.flatMap(({ orderId, state }) => [
    ...(finalStates.includes(state) ? [] : [{ rule: 'order ends', subject: orderId, message: `order is ${state}` }]),
    ...(invoiced.has(orderId)
      ? []
      : [{ rule: 'order is invoiced', subject: orderId, message: 'order has no invoice' }]),
  ]);
}

function itemsAddUp({ orders }: Facts): Violation[] {
  return orders
    .filter(({ state, ordered, picked, short }) => state === 'COMPLETED' && picked + short !== ordered)
    .map(({ orderId, ordered, picked, short }) => ({
      rule: 'picked plus short equals ordered',
      subject: orderId,
      message: `${picked} picked + ${short} short is not ${ordered} ordered`,
    }));
}

/** Completed: what was paid and kept is what was invoiced, and that the price of what was picked less what the shopper was let off. Otherwise: nothing is kept. */
function moneyAddsUp({ orders, invoices, lines }: Facts): Violation[] {
  const stateOf = new Map(orders.map(({ orderId, state }) => [orderId, state]));
  const priceOf = priceOfPicked(lines);
  return invoices.flatMap(({ orderId, invoiced, allowed, paid, refunded }) => {
    const state = stateOf.get(orderId) ?? 'unknown';
    const due = state === 'COMPLETED' ? invoiced : 0;
    const price = Math.max(0, (priceOf.get(orderId) ?? 0) - allowed);
    const kept = `${paid} paid - ${refunded} refunded is not ${due} (order is ${state})`;
    return [
      ...(paid - refunded === due
        ? []
        : [{ rule: 'invoiced equals paid minus refunded', subject: orderId, message: kept }]),
      ...(state !== 'COMPLETED' || invoiced === price
        ? []
        : [{ rule: 'invoiced is what was picked', subject: orderId, message: `${invoiced} invoiced is not ${price}` }]),
    ];
  });
}

function tasksEndedOnce({ tasks, sent }: Facts): Violation[] {
  const resultsOf = new Map<string, number>();
  for (const { name, taskId } of sent) {
    if (results.includes(name)) resultsOf.set(taskId, (resultsOf.get(taskId) ?? 0) + 1);
  }
  return tasks.flatMap(({ taskId, state }) => {
    if (!finalTaskStates.includes(state)) return [{ rule: 'task ends', subject: taskId, message: `task is ${state}` }];
    const accepted = resultsOf.get(taskId) ?? 0;
    return accepted === 1
      ? []
      : [{ rule: 'one accepted result per task', subject: taskId, message: `${accepted} results were accepted` }];
  });
}

/** The hub's name for it, the same for a resend. */
const startedId = (taskId: string, fence: number): string => `${taskId}:${fence}:started`;

/** Progress leaves without an outbox, so nothing else in the tables would show that all of a task's was lost. */
function startsAreTold({ tasks, taken }: Facts): Violation[] {
  const told = new Set(taken.flatMap(({ name, messageId }) => (name === 'bots.task_started' ? [messageId] : [])));
  return tasks
    .filter(({ taskId, fence, state }) => state === 'SUCCEEDED' && !told.has(startedId(taskId, fence)))
    .map(({ taskId, fence }) => ({
      rule: 'start of a task is told',
      subject: taskId,
      message: `nobody has heard that a bot began it under fence ${fence}`,
    }));
}

const everythingPublished = ({ sent }: Facts): Violation[] =>
  sent
    .filter(({ published }) => !published)
    .map(({ from, messageId, name }) => ({
      rule: 'outbox is published',
      subject: messageId,
      message: `${name} still waits in the outbox of ${from}`,
    }));

/**
 * Each message that left an outbox, or that any subscriber has seen (the hub publishes progress without an outbox), is in the inbox of
 * every subscriber of its name, once. Except that an attempt which was lost, maybe because the bot went down together with its hub, may have
 * been heard of by some only: what it did is undone everywhere.
 */
function everythingTakenOnce({ tasks, sent, taken }: Facts): Violation[] {
  const isOfLostAttempt = lostAttempts(tasks);
  const nameOf = new Map<string, string>();
  for (const { messageId, name } of [...sent, ...taken]) nameOf.set(messageId, name);
  const times = new Map<string, number>();
  for (const { by, messageId } of taken) times.set(`${by} ${messageId}`, (times.get(`${by} ${messageId}`) ?? 0) + 1);
  return [...nameOf].flatMap(([messageId, name]) =>
    subscribersOf(name).flatMap((subscriber) => {
      const count = times.get(`${subscriber} ${messageId}`) ?? 0;
      if (count === 1 || (count === 0 && isOfLostAttempt(messageId))) return [];
      return [
        {
          rule: 'consumed exactly once',
          subject: messageId,
          message: `${subscriber} has taken ${name} ${count} times`,
        },
      ];
    }),
  );
}

/** In whose progress only the newest fence has come to a result. */
function lostAttempts(tasks: readonly TaskFact[]): (messageId: string) => boolean {
  const newest = new Map(tasks.map(({ taskId, fence }) => [taskId, fence]));
  return (messageId) => {
    const mark = markOf(messageId);
    return mark !== undefined && mark.fence < (newest.get(mark.taskId) ?? 0);
  };
}

/** Of progress, which has no outbox that would tell: its id is `task:fence:...`. */
function markOf(messageId: string): { taskId: string; fence: number } | undefined {
  const [taskId = '', fence] = messageId.split(':');
  return fence === undefined ? undefined : { taskId, fence: Number(fence) };
}

/** A loss and what the task comes to have fences of their own, else nobody could tell a bot that has the task from one that had it. */
function fencesAreNew({ sent }: Facts): Violation[] {
  const ends = sent.filter(({ name }) => name === 'bots.task_lost' || results.includes(name));
  const times = Map.groupBy(ends, ({ taskId, fence }) => `${taskId} ${fence}`);
  return [...times.values()].flatMap(([first, ...again]) =>
    again.map(({ messageId, name, fence }) => ({
      rule: 'a task has a new fence after each loss',
      subject: messageId,
      message: `${name} has fence ${fence}, as ${first!.name} has`,
    })),
  );
}

/** What a lost attempt still says has no effect on whoever has heard of the next one, or of the loss. */
function fencesOnlyRise({ sent, taken }: Facts): Violation[] {
  const marks = new Map(sent.map(({ messageId, taskId, fence }) => [messageId, { taskId, fence }]));
  const highest = new Map<string, number>();
  return taken
    .filter(({ outcome }) => outcome === 'handled')
    .toSorted((a, b) => a.handledAt - b.handledAt)
    .flatMap(({ by, messageId, name }) => {
      const { taskId, fence } = markOf(messageId) ?? marks.get(messageId) ?? { taskId: '', fence: 0 };
      if (taskId === '') return [];
      const before = highest.get(`${by} ${taskId}`) ?? 0;
      highest.set(`${by} ${taskId}`, Math.max(before, fence));
      if (fence >= before) return [];
      const message = `${by} has handled ${name} of fence ${fence} though it had heard of fence ${before}`;
      return [{ rule: 'an old fence has no effect', subject: messageId, message }];
    });
}

function subscribersOf(name: string): Subscriber[] {
  const subscribers = Object.keys(subscriptions) as Subscriber[];
  return subscribers.filter((subscriber) => (subscriptions[subscriber] as readonly string[]).includes(name));
}

const nothingParked = ({ parked }: Facts): Violation[] =>
  parked.map(({ by, messageId, name, reason }) => ({
    rule: 'nothing is parked',
    subject: messageId,
    message: `${by} has parked ${name}: ${reason}`,
  }));
