import fc from 'fast-check';
import { expect, it } from 'vitest';
import { returnTaskId } from '../../src/contract/attempts.ts';
import type { BodyOf, MessageName } from '../../src/contract/events.ts';
import type { Draft } from '../../src/contract/message.ts';
import { decideReturn, planReturn } from '../../src/services/depot/bring-back.ts';
import { decide as decideList, type Decision as ListDecision, listCancelled } from '../../src/services/depot/decide.ts';
import type { KnownStore, List, ListCommand, Return, ReturnCommand } from '../../src/services/depot/messages.ts';
import { askAgainMs, goodsWithinMs } from '../../src/services/orders/cancellation.ts';
import { decide as decideOrder } from '../../src/services/orders/decide.ts';
import type { Order, OrderCommand } from '../../src/services/orders/messages.ts';
import { announce, cancelled } from '../../src/services/payments/announce.ts';
import { decide as decideInvoice } from '../../src/services/payments/decide.ts';
import { evolve } from '../../src/services/payments/invoice.ts';
import type { Invoice, InvoiceCommand } from '../../src/services/payments/messages.ts';
import type { Pick, PickCommand } from '../../src/services/stores/messages.ts';
import { decidePick } from '../../src/services/stores/pick.ts';
import { order as anOrder, line } from './orders/examples.ts';

const quantity = 4;
const price = 100;
const stockBefore = 10;
const startMs = 1_800_000_000_000;
const stores = new Map<string, KnownStore>([
  ['store', { storeId: 'store', name: 'Store', position: { x: 3, y: 4 }, participating: true, version: 1 }],
]);

/** What may happen next; what does not fit the moment does nothing. */
const steps = [
  'payments hear orders',
  'payments hear bots',
  'depot hears orders',
  'depot hears bots',
  'stores hear bots',
  'stores hear depot',
  'orders hear payments',
  'orders hear depot',
  'orders hear bots',
  'orders hear stores',
  'hub hears depot',
  // They compete for commands, so that a recall may be heard of before its task.
  'another hub hears depot',
  'the shopper pays',
  'the shopper cancels',
  'staff cancel',
  'staff hand over',
  'a bot picks',
  'a bot misses',
  'a bot finishes',
  'a bot is lost',
  'a bot obeys',
  'a bot puts back',
  'a return ends',
  'a return fails',
  // It was parked at Orders, and staff dropped it.
  'an answer of payments is dropped',
  'an answer of depot is dropped',
  'time passes',
  'an hour passes',
  'everybody hears',
] as const;
const hearing = steps.filter((each) => / hears? /.test(each));
type Step = (typeof steps)[number];

type TaskState = 'held' | 'cancelling' | 'over';

/** The hub's view of a task; whoever has it begins it at once. */
interface HubTask {
  readonly taskId: string;
  /** Empty: it was cancelled before it was heard of. */
  readonly kind: 'shop' | 'return' | '';
  readonly attempt: number;
  readonly state: TaskState;
}

/**
 * One order of one line in a mall of the services' own decisions. Messages of one sender reach each receiver in the order they were sent, and nothing
 * else is in order: the senders overtake each other at will.
 */
class Mall {
  order: Order = anOrder({ id: 'order', lines: [line('line', { quantity, unitPriceMinor: price })] });
  invoice: Invoice | undefined;
  list: List | undefined;
  readonly returns = new Map<string, Return>();
  hasBay = false;
  /** By attempt. */
  readonly picks = new Map<number, Pick>();
  readonly settled = new Set<string>();
  stock = stockBefore;
  readonly tasks = new Map<string, HubTask>();
  nowMs = startMs;
  /** Order's events, as the outside sees them. */
  readonly told: string[] = [];
  #paid = 0;
  /** By `sender receiver`. */
  readonly #queues = new Map<string, Draft[]>();

  constructor() {
    this.#send('orders', [
      {
        name: 'orders.placed',
        key: 'order',
        correlationId: 'order',
        body: { orderId: 'order' } as BodyOf<'orders.placed'>,
      } as unknown as Draft,
    ]);
  }

  run(step: Step): void {
    const [receiver, sender] = step.split(/ hears? /);
    if (sender) {
      this.#take(sender, receiver!);
      return;
    }
    switch (step) {
      case 'the shopper pays':
        this.#pay();
        break;
      case 'the shopper cancels':
        this.#change({ type: 'requestCancellation', requestedBy: 'SHOPPER', reason: 'changed my mind' });
        break;
      case 'staff cancel':
        this.#change({ type: 'requestCancellation', requestedBy: 'STAFF', reason: 'water damage' });
        break;
      case 'staff hand over':
        this.#change({ type: 'handOver', proof: { type: 'identity', reason: 'the shopper of the order' } });
        break;
      case 'an answer of payments is dropped':
        this.#drop('payments', 'payments.cancelled');
        break;
      case 'an answer of depot is dropped':
        this.#drop('depot', 'depot.list_cancelled');
        break;
      case 'time passes':
      case 'an hour passes':
        this.nowMs += step === 'time passes' ? askAgainMs : goodsWithinMs;
        this.#change({ type: 'tick' });
        break;
      case 'everybody hears':
        for (const each of hearing) this.run(each);
        break;
      default:
        this.#bot(step);
    }
  }

  /** Everybody hears everything, and bots do what they are asked. */
  settle(): void {
    const isBusy = () =>
      [...this.#queues.values()].some(({ length }) => length > 0) ||
      [...this.tasks.values()].some(({ state }) => state !== 'over');
    // Bounded, so that what never ends fails.
    for (let round = 0; round < 500 && isBusy(); round += 1) {
      this.run('everybody hears');
      this.run('a bot obeys');
      this.run('a bot finishes');
      this.run('a bot puts back');
      this.run('a return ends');
    }
    expect(isBusy()).toBe(false);
  }

  // Orders

  #change(command: OrderCommand): void {
    const before = this.order;
    let decision: ReturnType<typeof decideOrder>;
    try {
      decision = decideOrder(before, command, new Date(this.nowMs));
    } catch {
      // Refused, as whoever asks is told.
      return;
    }
    this.order = decision.order;
    this.#send('orders', decision.events);
    this.told.push(...decision.events.map(({ name }) => name));
    // Once nobody is to come for it, nobody ever is.
    if (before.cancellation) expect(['CANCELLING', 'CANCELLED']).toContain(this.order.state);
    for (const { held } of this.order.lines) {
      expect(held).toBeGreaterThanOrEqual(0);
      expect(held).toBeLessThanOrEqual(quantity);
    }
  }

  #ordersHear(event: Draft): void {
    const command = orderCommand(event);
    if (command) this.#change(command);
  }

  // Payments

  #bill(command: InvoiceCommand): void {
    for (const event of decideInvoice(this.invoice, command)) {
      this.invoice = evolve(this.invoice, event);
      this.#send('payments', [announce(this.invoice, event)]);
    }
  }

  #paymentsHear({ name, body }: Draft): void {
    if (name === 'orders.placed') {
      const unitPrice = { minor: price, currency: 'EUR' };
      const lines = [{ lineId: 'line', quantity, unitPrice }];
      this.#bill({ type: 'issue', orderId: 'order', lines, issuedAt: new Date(this.nowMs) });
    }
    if (name === 'orders.cancellation_requested' && this.invoice?.state === 'CANCELLED') {
      this.#send('payments', [cancelled('order', 'r')]);
    } else if (name === 'orders.cancellation_requested' || name === 'orders.cancelled') {
      this.#bill({ type: 'cancel', reason: 'r' });
    }
    const { task, lines } = body as Partial<BodyOf<'bots.task_succeeded'>>;
    if (name === 'bots.task_succeeded' && task?.kind === 'shop') this.#bill({ type: 'adjust', found: lines! });
  }

  #pay(): void {
    if (this.invoice?.state !== 'OPEN') return;
    const { totalMinor: minor, currency } = this.invoice;
    this.#paid += 1;
    const key = `payment-${this.#paid}`;
    this.#bill({ type: 'pay', paymentId: key, idempotencyKey: key, amount: { minor, currency } });
  }

  // Depot; as its handlers do, without the tables

  #depotHears({ name, body }: Draft): void {
    const { task, quantity: units } = body as Partial<BodyOf<'bots.item_picked'>>;
    const about = task && { taskId: task.taskId, botId: task.botId };
    if (name === 'orders.placed') this.#plan();
    if (name === 'orders.cancellation_requested') this.#list({ type: 'callOff', reason: 'r' }, 1);
    if (name === 'orders.completed') this.hasBay = false;
    if (!task || !about) return;
    if (task.kind === 'return') {
      if (name === 'bots.task_started') this.#return(about.taskId, { type: 'start', botId: about.botId });
      if (name === 'bots.item_returned')
        this.#return(about.taskId, { type: 'count', lineId: 'line', quantity: units! });
      if (name === 'bots.task_succeeded') this.#return(about.taskId, { type: 'finish' });
      if (name === 'bots.task_failed') this.#return(about.taskId, { type: 'fail', reason: 'lost' });
      return;
    }
    const { attempt, botId } = task;
    if (name === 'bots.task_started') this.#list({ type: 'start', botId }, attempt);
    if (name === 'bots.item_picked') this.#list({ type: 'count', lineId: 'line', picked: units!, short: 0 }, attempt);
    if (name === 'bots.item_short') this.#list({ type: 'count', lineId: 'line', picked: 0, short: units! }, attempt);
    if (name === 'bots.task_lost') this.#list({ type: 'lose' }, attempt - 1, botId);
    if (name === 'bots.task_cancelled') this.#list({ type: 'cancel', reason: 'r' }, attempt, botId);
    if (name === 'bots.task_succeeded') {
      const outcomes = (body as BodyOf<'bots.task_succeeded'>).lines;
      this.#list({ type: 'finish', botId, attempt, outcomes }, attempt, botId);
    }
  }

  #plan(): void {
    const listLine = {
      lineId: 'line',
      productId: 'p',
      sku: 'S',
      name: 'Tea',
      storeId: 'store',
      stop: 0,
      picked: 0,
      short: 0,
    };
    this.list = {
      state: 'created',
      orderId: 'order',
      taskId: 'task',
      lines: [{ ...listLine, quantity }],
      routeMetres: 10,
    };
    this.#send('depot', [requested('task', 'shop')]);
  }

  #list(command: ListCommand, attempt: number, botId = ''): void {
    const decision = decideList(this.list!, command, new Date(this.nowMs));
    this.list = decision.list;
    if (this.list.state === 'waiting_for_bay') {
      this.hasBay = true;
      this.list = { ...this.list, state: 'completed' };
      const lines = this.list.lines.map(({ lineId, picked, short }) => ({ lineId, picked, short }));
      const body = { orderId: 'order', taskId: 'task', lines, bay: 'B1' };
      this.#send('depot', [drafted('depot.list_completed', body)]);
    }
    this.#send('depot', decision.events);
    this.#follow(decision, attempt, botId);
  }

  #follow({ list, carried, unwanted, isCalledOff }: ListDecision, attempt: number, botId: string): void {
    if (carried) this.#askBack({ attempt, botId, carried });
    if (unwanted) {
      this.#askBack({ attempt: unwanted.attempt, botId, carried: unwanted.lines, atDepot: { bay: 'B1' } });
    }
    const open = [...this.returns.values()].filter(({ state }) => state === 'requested' || state === 'under_way');
    if (isCalledOff)
      this.#send('depot', [
        listCancelled(
          list,
          open.map(({ taskId }) => taskId),
        ),
      ]);
  }

  #askBack(ended: Omit<Parameters<typeof planReturn>[0], 'orderId' | 'returnTaskId'>): void {
    const taskId = returnTaskId('task', ended.attempt);
    expect(this.returns.has(taskId)).toBe(false);
    const { bringBack, events } = planReturn(
      { ...ended, orderId: 'order', returnTaskId: taskId },
      stores,
      new Date(this.nowMs),
    );
    if (bringBack) this.returns.set(taskId, bringBack);
    this.#send('depot', events);
  }

  #return(taskId: string, command: ReturnCommand): void {
    const { bringBack, events } = decideReturn(this.returns.get(taskId)!, command);
    this.returns.set(taskId, bringBack!);
    if (bringBack!.fromDepot && events.length > 0) this.hasBay = false;
    this.#send('depot', events);
  }

  // Stores

  #storesHear({ name, body }: Draft): void {
    const { task, quantity: units } = body as Partial<BodyOf<'bots.item_picked'>>;
    if (name === 'bots.item_picked') this.#book(task!.attempt, { type: 'take', quantity: units! });
    if (name === 'bots.item_short') this.#book(task!.attempt, { type: 'miss', quantity: units! });
    if (name === 'bots.task_lost' && task!.kind === 'shop') this.#book(task!.attempt - 1, { type: 'lose' });
    const { taskId } = (task ?? body) as unknown as { taskId: string };
    const [attempt] = [1, 2, 3, 4, 5].filter((each) => returnTaskId('task', each) === taskId);
    if (name === 'bots.item_returned') this.#book(attempt!, { type: 'putBack', quantity: units! });
    if (name === 'depot.return_ended') {
      this.#book(attempt!, { type: 'settle' });
      this.settled.add(taskId);
    }
  }

  #book(attempt: number, command: PickCommand): void {
    const id = returnTaskId('task', attempt);
    const none = { picked: 0, returned: 0, missed: 0, writtenOff: 0 };
    const ids = { taskId: 'task', attempt, returnTaskId: id, orderId: 'order', lineId: 'line', productId: 'p' };
    const before = this.picks.get(attempt) ?? { ...ids, ...none };
    const { pick, moves } = decidePick(before, command, { isSettled: this.settled.has(id), stock: this.stock });
    this.picks.set(attempt, pick);
    for (const { type, quantity: units } of moves) {
      const delta = { take: -units, writeOff: -units, recount: units, putBack: units, giveUp: 0 }[type];
      this.stock += delta;
      if (delta === 0) continue;
      const body = { lineId: 'line', attempt, delta } as BodyOf<'stores.stock_changed'>;
      this.#send('stores', [drafted('stores.stock_changed', body)]);
    }
  }

  // The hub and its bots

  #hubHears({ name, body }: Draft): void {
    const { taskId } = body as unknown as { taskId: string };
    const task = this.tasks.get(taskId);
    if (name === 'depot.task_requested' && !task) {
      const kind = taskId === 'task' ? 'shop' : 'return';
      this.#begin({ taskId, kind, attempt: 1, state: 'held' });
    }
    if (name !== 'depot.task_cancel_requested') return;
    if (!task) {
      const unheard: HubTask = { taskId, kind: '', attempt: 1, state: 'over' };
      this.tasks.set(taskId, unheard);
      this.#report('bots.task_cancelled', unheard, { reason: 'r' });
    } else if (task.state === 'held') this.tasks.set(taskId, { ...task, state: 'cancelling' });
  }

  #begin(task: HubTask): void {
    this.tasks.set(task.taskId, task);
    this.#report('bots.task_started', task, {});
  }

  #bot(step: Step): void {
    const list = this.tasks.get('task');
    const [back] = [...this.tasks.values()].filter(({ kind, state }) => kind === 'return' && state !== 'over');
    const end = (task: HubTask, name: MessageName, body: object) => {
      this.tasks.set(task.taskId, { ...task, state: 'over' });
      this.#report(name, task, body);
    };
    if (back && step === 'a bot puts back') this.#report('bots.item_returned', back, { lineId: 'line', quantity: 1 });
    if (back && step === 'a return ends') {
      const { lines } = this.returns.get(back.taskId)!;
      this.#report('bots.item_returned', back, { lineId: 'line', quantity: lines[0]!.quantity });
      end(back, 'bots.task_succeeded', { lines: [] });
    }
    if (back && step === 'a return fails') end(back, 'bots.task_failed', { reason: 'lost' });
    if (!list || list.state === 'over') return;
    const seen = this.#seen;
    if (step === 'a bot picks' && seen.picked + seen.short < quantity) {
      seen.picked += 1;
      this.#report('bots.item_picked', list, { lineId: 'line', quantity: 1 });
    }
    if (step === 'a bot misses' && seen.picked + seen.short < quantity) {
      seen.short += 1;
      this.#report('bots.item_short', list, { lineId: 'line', quantity: 1 });
    }
    if (step === 'a bot finishes') {
      const { picked } = seen;
      const lines = [{ lineId: 'line', picked, short: quantity - picked }];
      if (quantity - picked - seen.short > 0) {
        this.#report('bots.item_short', list, { lineId: 'line', quantity: quantity - picked - seen.short });
      }
      end(list, 'bots.task_succeeded', { lines });
    }
    if (step === 'a bot obeys' && list.state === 'cancelling') end(list, 'bots.task_cancelled', { reason: 'r' });
    if (step === 'a bot is lost') {
      // Of the last attempt, and of one that is to end anyway, nobody begins another.
      if (list.state === 'cancelling') end(list, 'bots.task_cancelled', { reason: 'r' });
      else if (list.attempt < 4) {
        const next: HubTask = { ...list, attempt: list.attempt + 1 };
        this.#report('bots.task_lost', next, {}, `bot-${list.attempt}`);
        this.#seen = { picked: 0, short: 0 };
        this.#begin(next);
      }
    }
  }
  /** By the bot that has the list. */
  #seen = { picked: 0, short: 0 };

  #report(name: MessageName, { taskId, kind, attempt }: HubTask, body: object, botId = `bot-${attempt}`): void {
    const task = { taskId, orderId: 'order', kind, attempt, fence: attempt, botId, occurredAt: new Date(this.nowMs) };
    this.#send('bots', [drafted(name, { ...body, task } as never)]);
  }

  // The broker

  #send(sender: string, drafts: readonly Draft[]): void {
    const receivers = {
      orders: ['payments', 'depot'],
      payments: ['orders'],
      depot: ['orders', 'stores', 'hub'],
      stores: ['orders'],
      bots: ['orders', 'payments', 'depot', 'stores'],
    };
    for (const receiver of receivers[sender as keyof typeof receivers]) {
      const key = `${sender} ${receiver}`;
      const mine = receiver === 'hub' ? drafts.filter(({ name }) => name.startsWith('depot.task_')) : drafts;
      this.#queues.set(key, [...(this.#queues.get(key) ?? []), ...mine]);
    }
  }

  #drop(sender: 'payments' | 'depot', answer: MessageName): void {
    const queue = this.#queues.get(`${sender} orders`);
    if (queue?.[0]?.name === answer) queue.shift();
  }

  #take(sender: string, receiver: string): void {
    const isAnotherHub = receiver === 'another hub';
    const queue = this.#queues.get(`${sender} ${isAnotherHub ? 'hub' : receiver}`);
    const place = isAnotherHub ? 1 : 0;
    const first = queue?.[place];
    // What should come before it fails, and is tried again.
    const isEarly = sender === 'bots' && !(receiver === 'payments' ? this.invoice : this.list);
    if (!first || isEarly) return;
    queue!.splice(place, 1);
    if (receiver === 'orders') this.#ordersHear(first);
    if (receiver === 'payments') this.#paymentsHear(first);
    if (receiver === 'depot') this.#depotHears(first);
    if (receiver === 'stores') this.#storesHear(first);
    if (receiver === 'hub' || isAnotherHub) this.#hubHears(first);
  }
}

const drafted = <N extends MessageName>(name: N, body: BodyOf<N>): Draft =>
  ({ name, key: 'order', correlationId: 'order', body }) as unknown as Draft;
const requested = (taskId: string, kind: string): Draft =>
  drafted('depot.task_requested', { taskId, schema: { kind } } as BodyOf<'depot.task_requested'>);

/** As the handlers of Orders read the others' events. */
function orderCommand({ name, body }: Draft): OrderCommand | undefined {
  const as = <N extends MessageName>(_: N) => body as unknown as BodyOf<N>;
  switch (name) {
    case 'payments.paid':
      return { type: 'markPaid' };
    case 'payments.cancelled':
      return { type: 'moneyReturned' };
    case 'depot.list_completed': {
      const { lines, bay } = as(name);
      return { type: 'completeList', lines, bay };
    }
    case 'depot.list_cancelled':
      return { type: 'listCancelled', returnTaskIds: as(name).returnTaskIds };
    case 'depot.return_ended':
      return { type: 'returnEnded', taskId: as(name).taskId };
    case 'bots.item_picked':
      return { type: 'count', line: { lineId: 'line', picked: as(name).quantity, short: 0 } };
    case 'bots.item_short':
      return { type: 'count', line: { lineId: 'line', picked: 0, short: as(name).quantity } };
    case 'bots.task_lost': {
      const { kind, attempt } = as(name).task!;
      return kind === 'shop' ? { type: 'beginAnew', attempt } : undefined;
    }
    case 'stores.stock_changed': {
      const { delta, lineId, attempt } = as(name);
      return delta < 0
        ? { type: 'takeStock', lineId, attempt, quantity: -delta }
        : { type: 'returnStock', lineId, attempt };
    }
    default:
      return undefined;
  }
}

/** Hearing is what most of a mall's life is, and few shoppers change their minds. */
const step = fc.oneof(
  { weight: 8, arbitrary: fc.constantFrom(...hearing) },
  { weight: 6, arbitrary: fc.constant('everybody hears' as const) },
  { weight: 6, arbitrary: fc.constantFrom(...steps.filter((each) => each.startsWith('a bot'))) },
  { weight: 1, arbitrary: fc.constantFrom(...steps.filter((each) => each.startsWith('a return'))) },
  { weight: 2, arbitrary: fc.constantFrom<Step>('the shopper pays', 'staff hand over') },
  {
    weight: 1,
    arbitrary: fc.constantFrom<Step>('the shopper cancels', 'staff cancel', 'time passes', 'an hour passes'),
  },
  { weight: 1, arbitrary: fc.constantFrom(...steps.filter((each) => each.endsWith('dropped'))) },
);

it('ends with all money and all goods where they belong, whoever cancels, pays, hands over, picks, gets lost and hears of it first', () => {
  const ends = new Map<string, number>();
  fc.assert(
    fc.property(fc.array(step, { minLength: 20, maxLength: 160, size: 'max' }), (life) => {
      const mall = new Mall();
      for (const each of life) mall.run(each);
      mall.settle();
      // Whoever still waits for something has it, or is past waiting.
      mall.run('an hour passes');
      mall.settle();

      const { order, invoice, returns, picks } = mall;
      const kept = invoice!.paidMinor - invoice!.refundedMinor;
      const wasHandedOver = order.state === 'COMPLETED';
      const picked = order.lines[0]!.picked;
      ends.set(order.state, (ends.get(order.state) ?? 0) + 1);
      if (order.cancellation) ends.set(order.cancellation.goods, (ends.get(order.cancellation.goods) ?? 0) + 1);
      expect(['READY', 'COLLECTABLE', 'COMPLETED', 'CANCELLED']).toContain(order.state);
      expect(mall.told.filter((name) => name === 'orders.completed' || name === 'orders.cancelled')).toHaveLength(
        wasHandedOver || order.state === 'CANCELLED' ? 1 : 0,
      );
      if (wasHandedOver) expect(kept).toBe(picked * price);
      if (order.state === 'CANCELLED') {
        expect(kept).toBe(0);
        expect(invoice!.state).toBe('CANCELLED');
        expect(mall.hasBay).toBe(false);
        expect(order.lines[0]!.held).toBe(0);
        if (order.cancellation) expect(order.cancellation).toMatchObject({ refunded: true, askAgainAt: null });
      }
      // What the bots took is with the shopper, back on the shelf, or said to be gone.
      for (const { state } of returns.values()) expect(['done', 'lost']).toContain(state);
      for (const { attempt, picked: taken, returned } of picks.values()) {
        const isGoods = order.state !== 'CANCELLED' && attempt === mall.tasks.get('task')!.attempt;
        if (isGoods) expect(taken).toBe(picked);
        else if (taken > returned) expect(mall.settled.has(returnTaskId('task', attempt))).toBe(true);
      }
      const out = [...picks.values()].reduce((sum, pick) => sum + pick.picked - pick.returned + pick.writtenOff, 0);
      expect(mall.stock).toBe(stockBefore - out);
    }),
    { numRuns: 1_000 },
  );
  // Every way to end was seen.
  expect([...ends.keys()]).toEqual(expect.arrayContaining(['COMPLETED', 'CANCELLED', 'READY', 'SETTLED', 'OVERDUE']));
});
